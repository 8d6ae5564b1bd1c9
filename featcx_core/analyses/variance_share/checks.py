"""Checks of variance shares."""

from featcx_core.analyses.controls import control_stands_beside
from featcx_core.analyses.variance_share import VARIANCE_SHARE
from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader


def directions_stand_beside(reader: StudyReader) -> Finding:
    """At every epoch and layer there are random directions beside the concepts."""
    return control_stands_beside(reader, VARIANCE_SHARE.tables[0])
