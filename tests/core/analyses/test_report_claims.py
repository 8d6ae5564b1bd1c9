"""Claims that a declaration names, as the report judges them."""

from dataclasses import replace

import pandas as pd

from featcx_core.analyses.direction_paths import DIRECTION_PATHS
from featcx_core.analyses.projection import PROJECTION
from featcx_core.analyses.report.make import _findings
from featcx_core.artefacts.given import StudyReader
from tests.core.findings.test_projection import rows


class Rows(StudyReader):
    """A reader that holds the rows of one table."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def tables(self, artefact):
        return self.frame


def test_a_declaration_without_claims_has_none():
    assert _findings(Rows(pd.DataFrame()), DIRECTION_PATHS) == ()


def test_claims_are_judged_from_the_rows():
    units = {"random_units": (0.1, 0.3, 1.0), "most_active_units": (0.2, 0.2, 1.0)}
    (claim,) = _findings(Rows(rows(svcca=(0.5, 0.9), **units)), PROJECTION)
    assert claim.verdict == "holds"


def test_claims_of_another_package_that_fail_say_why():
    others = replace(PROJECTION, make="other.package:make")
    (claim,) = _findings(Rows(pd.DataFrame()), replace(others, findings="featcx_core.findings.projection:gone"))
    assert claim.verdict == "not measured"
    assert "featcx_core.findings.projection:gone failed: wanted module:function" in claim.finding
    (claim,) = _findings(Rows(pd.DataFrame({"layer": ["x"]})), others)
    assert "failed: 'basis'" in claim.finding
