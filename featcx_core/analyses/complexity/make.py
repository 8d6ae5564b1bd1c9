"""Complexity K of an epoch's codes, from their V-information in the layers."""

import numpy as np
import pandas as pd

from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.analyses.jackknife import jackknife_of
from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.given import Given, StudyReader
from featcx_core.artefacts.partition import Partition
from featcx_core.measures.complexity import complexity, complexity_interval, complexity_standard_error


def complexity_rows(given: Given) -> pd.DataFrame:
    """Return K of every code of an epoch's own dictionary, with its error."""
    layers, groups = given.anatomy.in_complexity, given.study.probe.groups
    parts = [given.rows(V_INFORMATION, epoch=given.epoch, layer=layer) for layer in layers]
    information, half_sized, in_sample = (
        np.stack([part[f"v_information{suffix}"] for part in parts]) for suffix in ("", "_half", "_as_printed")
    )
    left_out = np.stack([jackknife_of(part, groups) for part in parts]).astype(np.float64)
    k, half, (low, high) = complexity(information), complexity(half_sized), complexity_interval(information, left_out)
    return parts[0][["epoch", "kind", "concept", "n_fit"]].assign(
        complexity=k,
        standard_error=complexity_standard_error(left_out),
        low_images=low,
        high_images=high,
        complexity_half=half,
        complexity_extrapolated=(2 * k - half).clip(0, 1),
        complexity_as_printed=complexity(in_sample),
    )


def scored(reader: StudyReader, epoch: int, *, kind: str = "concept") -> pd.DataFrame:
    """Return K of an epoch's codes of one kind: `concept`, `complexity`."""
    rows = reader.rows(COMPLEXITY, epoch=epoch, columns=["kind", "concept", "complexity"])
    return rows[rows["kind"] == kind].drop(columns="kind")


def spectrum(reader: StudyReader, partition: Partition) -> dict[str, bytes]:
    """Draw the complexity spectrum of one epoch's concepts and controls; small, since the run history keeps it."""
    from featcx_core.figures.canvas import png
    from featcx_core.figures.spectrum import complexity_spectrum

    rows = reader.rows(COMPLEXITY, epoch=partition.epoch)
    figure = complexity_spectrum(rows, reference_epoch=partition.epoch)
    return {"complexity spectrum": png(figure, dots_per_inch=72)}
