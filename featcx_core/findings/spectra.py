"""Claims on noise spectra (graham 2022), held against one study's spectra over training."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from featcx_core.findings.claim import SHARE_BEFORE, Claim, mark_of, unmeasured
from featcx_core.findings.evidence import Estimate, number, precise
from featcx_core.findings.rule import Expected, Marks
from featcx_core.measures.intervals import jackknife_interval

NAMES = {"first": "first component's share", "second": "second component's share"}
_NO_TIME = "not measured: fewer than two trained epochs."


def spectra_claims(rows: pd.DataFrame) -> list[Claim]:
    """Return the source's claims on held-out images: on the strongest noise, with each other noise as a control."""
    chosen = rows[(rows["noise"] == "gaussian") & (rows["class_id"] == -1) & (rows["epoch"] > 0)]
    chosen = chosen[chosen["split"] == "test"].dropna(subset=["first"])
    return [
        share_changes(chosen, "first", expected="negative", verb="falls"),
        share_changes(chosen, "second", expected="positive", verb="rises"),
        rest_plateaus(chosen),
        noise_is_filtered(chosen),
    ]


def share_changes(rows: pd.DataFrame, share: str, *, expected: Expected, verb: str) -> Claim:
    """Judge the change of a share from the first to the last trained epoch, mean over layers."""
    statement = f"The {NAMES[share]} of a noisy group {verb} over training."
    epochs = sorted(map(int, rows["epoch"].unique()))
    if len(epochs) < 2:
        return unmeasured(statement, _NO_TIME)
    changes = {sigma: change(part, share, epochs[0], epochs[-1]) for sigma, part in _by_sigma(rows)}
    strongest = max(changes)
    marks = Marks(
        mark_of(changes[strongest], expected=expected),
        {f"at σ = {sigma:g}": mark_of(found, expected=expected)
         for sigma, found in changes.items() if sigma != strongest},
    )  # fmt: skip
    numbers = (
        f"Change of the {NAMES[share]} from epoch {epochs[0]} to {epochs[-1]}, mean over {rows['layer'].nunique()} "
        f"layers, held-out images: {_listed(changes)}. At the strongest noise it falls in "
        f"{_count_below(rows[rows['sigma'] == strongest], share, epochs)} of them."
    )
    return Claim(statement, marks, numbers)


def rest_plateaus(rows: pd.DataFrame) -> Claim:
    """Judge the change of the rest's share over the last third of training: wanted within a quarter of its range."""
    statement = "The remaining components' share reaches a plateau."
    epochs = sorted(map(int, rows["epoch"].unique()))
    if len(epochs) < 4:
        return unmeasured(statement, "not measured: fewer than four trained epochs.")
    start = max(epoch for epoch in epochs if epoch <= epochs[-1] - (epochs[-1] - epochs[0]) / 3)
    found, margins = dict[float, Estimate](), dict[float, float]()
    for sigma, part in _by_sigma(rows):
        curve = part.groupby("epoch")["rest"].mean()
        margins[sigma] = SHARE_BEFORE * float(curve.max() - curve.min())
        found[sigma] = change(part, "rest", start, epochs[-1])
    marks = {
        sigma: mark_of(each, expected="zero", margin=margins[sigma]) if margins[sigma] > 0 else "missing"
        for sigma, each in found.items()
    }
    strongest = max(found)
    others = {f"at σ = {sigma:g}": mark for sigma, mark in marks.items() if sigma != strongest}
    numbers = (
        f"Change from epoch {start} to {epochs[-1]}, mean over layers, held-out images: {_listed(found)}; a quarter of "
        f"its range over training is ± {number(margins[strongest], digits=3)} at the strongest noise."
    )
    return Claim(statement, Marks(marks[strongest], others), numbers)


def noise_is_filtered(rows: pd.DataFrame) -> Claim:
    """Judge the first component's share at the last layer less that at the first, at the last epoch: wanted above 0."""
    statement = "Noise is filtered in later layers: the first component's share is larger there."
    layers, last = list(dict.fromkeys(rows["layer"])), rows[rows["epoch"] == rows["epoch"].max()]
    if len(layers) < 2:
        return unmeasured(statement, "not measured: fewer than two layers.")
    found = dict[float, Estimate]()
    for sigma, part in _by_sigma(last):
        of_layer = part.set_index("layer")
        found[sigma] = _difference(of_layer.loc[[layers[0]]], of_layer.loc[[layers[-1]]], "first")
    strongest = max(found)
    answers = {sigma: mark_of(each, expected="positive") for sigma, each in found.items()}
    marks = Marks(answers[strongest], {f"at σ = {s:g}": answer for s, answer in answers.items() if s != strongest})
    epoch = int(last["epoch"].iloc[0])
    numbers = f"Share at {layers[-1]} less that at {layers[0]}, epoch {epoch}, held-out images: {_listed(found)}."
    return Claim(statement, marks, numbers)


def change(rows: pd.DataFrame, share: str, first: int, last: int) -> Estimate:
    """Return the change of a share between two epochs, mean over layers, with its interval over images.

    Images and their noise are the same at both epochs, so that the interval is that of the difference.
    """
    before, after = (rows[rows["epoch"] == epoch].set_index("layer").sort_index() for epoch in (first, last))
    return _difference(before, after, share)


def _by_sigma(rows: pd.DataFrame) -> Iterator[tuple[float, pd.DataFrame]]:
    """Yield the rows of each noise level."""
    for sigma in rows["sigma"].unique():
        yield float(sigma), rows[rows["sigma"] == sigma]


def _difference(before: pd.DataFrame, after: pd.DataFrame, share: str) -> Estimate:
    value = float(after[share].mean() - before[share].mean())
    left_out = [np.stack([np.asarray(cell, dtype=np.float64) for cell in part[f"jackknife_{share}"]]).mean(axis=0)
                for part in (before, after)]  # fmt: skip
    low, high = jackknife_interval(np.array([value]), (left_out[1] - left_out[0])[None])
    return Estimate(value, math.nan, math.nan, len(after), float(low[0]), float(high[0]))


def _listed(found: dict[float, Estimate]) -> str:
    """Write each noise's estimate with its interval over images."""
    return ", ".join(f"{precise(each)} at σ = {sigma:g}" for sigma, each in sorted(found.items(), reverse=True))


def _count_below(rows: pd.DataFrame, share: str, epochs: list[int]) -> int:
    wide = rows.pivot_table(index="layer", columns="epoch", values=share)
    return int((wide[epochs[-1]] < wide[epochs[0]]).sum())
