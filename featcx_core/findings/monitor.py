"""Claims on the monitor, no more than the areas under the ROC of one study say."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from featcx_core.findings.claim import Claim, mark_of, unmeasured
from featcx_core.findings.evidence import NOT_MEASURED, Estimate, difference, number
from featcx_core.findings.rule import Marks

_CHANCE = Estimate(0.5, 0.5, 0.5, 0, 0.5, 0.5)
ATTACKS = ("pgd", "fgsm", "ddn", "adaptive")


def monitor_claims(tables: Mapping[str, pd.DataFrame]) -> list[Claim]:
    """Return what the inner spectra of all layers tell of attacked inputs, alone and beside the other detectors."""
    areas = tables["monitor"]
    areas = areas[areas["epoch"] == areas["epoch"].max()]
    return [spectra_tell_attacks(areas), spectra_tell_more_than_confidence(areas)]


def spectra_tell_attacks(areas: pd.DataFrame) -> Claim:
    """Judge the area of pgd less 0.5, with every other attack as a control and noise of its norm as the null."""
    statement = "The inner spectra tell attacked inputs from clean ones."
    found = {name: area_of(areas, "spectrum", name) for name in (*ATTACKS, "gaussian")}
    first = found["pgd"]
    if np.isnan(first.value):
        return unmeasured(statement, "not measured: fewer than two attacks of pgd fool the network.")
    beyond = {name: difference(_CHANCE, found[name]) for name in ATTACKS}
    beyond_noise = difference(found["gaussian"], first)
    marks = Marks(
        mark_of(beyond["pgd"], expected="positive"),
        {name: mark_of(beyond[name], expected="positive") for name in ATTACKS[1:]},
        beyond_null=mark_of(beyond_noise, expected="positive"),
    )
    listed = ", ".join(f"{name} {each}" for name, each in found.items())
    against = f"spectra of all layers, against {_n_clean(areas)} clean images"
    numbers = f"Area under the ROC (0.5 = by chance), {against}: {listed}."
    return Claim(statement, marks, numbers, null="better than noise of the same norm")


def spectra_tell_more_than_confidence(areas: pd.DataFrame) -> Claim:
    """Judge the area of the spectra less that of softmax confidence, for pgd; the other attacks as controls."""
    statement = "The inner spectra tell attacked inputs better than the softmax confidence does."
    found = {name: (area_of(areas, "confidence", name), area_of(areas, "spectrum", name)) for name in ATTACKS}
    if np.isnan(found["pgd"][0].value):
        return unmeasured(statement, "not measured: fewer than two attacks of pgd fool the network.")
    beyond = {name: difference(*pair) for name, pair in found.items()}
    marks = {name: mark_of(each, expected="positive") for name, each in beyond.items()}
    listed = ", ".join(f"{name} {confidence}" for name, (confidence, _) in found.items())
    best = _best_layer(areas)
    numbers = f"Area of confidence: {listed}. {best}".strip()
    return Claim(statement, Marks(marks["pgd"], {name: marks[name] for name in ATTACKS[1:]}), numbers)


def area_of(areas: pd.DataFrame, detector: str, name: str) -> Estimate:
    """Return the area under the ROC of a detector for an input; of the spectra that of all layers."""
    rows = areas[(areas["detector"] == detector) & (areas["input"] == name)]
    rows = rows[rows["layer"] == "all"] if detector == "spectrum" else rows
    if rows.empty or rows["roc_auc"].isna().all():
        return NOT_MEASURED
    row = rows.iloc[0]
    return Estimate(float(row["roc_auc"]), np.nan, np.nan, int(row["n_inputs"]), float(row["low"]), float(row["high"]))


def _best_layer(areas: pd.DataFrame) -> str:
    rows = areas[(areas["detector"] == "mahalanobis") & (areas["input"] == "pgd")].dropna(subset=["roc_auc"])
    if rows.empty:
        return ""
    best = rows.nlargest(1, "roc_auc").iloc[0]
    area, layers = number(best["roc_auc"]), len(rows)
    return f"The Mahalanobis detector reaches at most {area} for pgd, at {best['layer']}, the best of {layers} layers."


def _n_clean(areas: pd.DataFrame) -> int:
    return int(areas["n_clean"].iloc[0])
