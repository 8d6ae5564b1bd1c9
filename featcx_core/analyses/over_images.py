"""Resamples of the probe images, the same for every table over all epochs."""

import numpy as np
import pandas as pd

from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.analyses.jackknife import jackknife_of
from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.declaration import Artefact
from featcx_core.artefacts.given import StudyReader
from featcx_core.measures.intervals import draw_groups
from featcx_core.measures.over_images import Redrawn, redraw, redraw_lack


class ImageResamples:
    """Measures of concepts in each resample of the groups of probe images.

    Args:
        reader: the study.
    """

    def __init__(self, reader: StudyReader) -> None:
        self.reader = reader
        study = reader.study
        self.groups = study.probe.groups
        self.weights = draw_groups(self.groups, n_bootstrap=study.analyses.bootstrap, seed=study.seed)

    def complexity(self, epoch: int, *, kind: str = "concept") -> Redrawn:
        """Return K of an epoch's concepts, or of a control, in each resample."""
        layers = self.reader.anatomy.in_complexity
        return self.lack([information_of(self.reader, V_INFORMATION, epoch, layer, kind=kind) for layer in layers])

    def importance(self, epoch: int) -> Redrawn:
        """Return Γ of an epoch's concepts in each resample."""
        rows = self.reader.rows(IMPORTANCE, epoch=epoch, columns=["importance", "jackknife"])
        return self.redraw(rows, "importance")

    def redraw(self, rows: pd.DataFrame, column: str, *, jackknife: str = "jackknife") -> Redrawn:
        """Return a column in each resample, from the values without each group that stand beside it."""
        left_out = jackknife_of(rows, self.groups, column=jackknife)
        return redraw(rows[column].to_numpy(), left_out.astype(np.float64), self.weights)

    def lack(self, parts: list[pd.DataFrame]) -> Redrawn:
        """Return 1 − mean V-information over layers or epochs in each resample: K or Λ."""
        information = np.stack([part["v_information"].to_numpy() for part in parts])
        return redraw_lack(information, np.stack([jackknife_of(part, self.groups) for part in parts]), self.weights)


def information_of(
    reader: StudyReader, artefact: Artefact, epoch: int, layer: str, *, kind: str = "concept"
) -> pd.DataFrame:
    """Return V-information of one kind of codes, with the same without each group of images."""
    wanted = ["kind", "concept", "v_information", "jackknife"]
    rows = reader.rows(artefact, epoch=epoch, layer=layer, columns=wanted)
    return rows[rows["kind"] == kind]
