"""The claim on the order in which layers converge, from the similarity of layers with themselves at the end."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from featcx_core.findings.claim import SHARE_BEFORE, Claim, unmeasured
from featcx_core.findings.evidence import Estimate, number
from featcx_core.findings.rule import Marks, mark, mark_learned
from featcx_core.measures.intervals import jackknife_interval

_NO_DISTANCE = 1e-6
"""Distance to the end that is rounding: a layer that training leaves as it is."""
_STATEMENT = "Layers converge bottom-up: the lower ones are like their end earlier than the upper ones."
_IN_WORDS = {
    "cka": "CKA",
    "svcca": "SVCCA",
    "svcca_squared": "SVCCA by variance",
    "pwcca": "PWCCA",
    "pwcca_swapped": "PWCCA by the end",
    "mean_cca": "mean CCA",
    "procrustes": "Procrustes",
    "mutual_knn": "nearest neighbours",
}


class Lateness(NamedTuple):
    """Distance of layers from their end, by layer."""

    layers: list[str]
    """Names in forward order."""
    value: Float[np.ndarray, "layer"]
    """1 − calibrated similarity with the end, mean over epochs; 0 = from the start as at the end."""
    left_out: Float[np.ndarray, "layer group"]
    """The same without each group of images."""


def convergence_claims(similarity: pd.DataFrame) -> list[Claim]:
    """Judge the lateness of the upper half of the layers less that of the lower half: wanted above 0.

    Lateness is 1 minus the calibrated similarity with the end, mean over the trained epochs before the end. The
    controls are the other measures and centrings, and lateness as a share of the distance before training. The
    difference must be small before training. Source: Raghu et al.,
    *SVCCA*, NIPS 2017, §4.1.
    """
    to_end = to_the_end(similarity)
    trained = to_end[(to_end["epoch_a"] > 0) & (to_end["epoch_a"] < to_end["epoch_b"])]
    ways = list(dict.fromkeys(zip(trained["measure"], trained["centring"], strict=True)))
    if not ways:
        return [unmeasured(_STATEMENT, "not measured: it takes a trained epoch before the reference epoch.")]
    ways.sort(key=lambda way: way[1] != "plain")
    estimates = {way: _upper_less_lower(lateness(trained, *way)) for way in ways}
    if len(lateness(trained, *ways[0]).layers) < 2:
        return [unmeasured(_STATEMENT, "not measured: it takes two layers or more.")]
    raw, *others = ways
    controls = {way_in_words(*way): mark([_ends(estimates[way])], expected="positive") for way in others}
    numbers, start, learned = _numbers(estimates, trained, raw), lateness(to_end[to_end["epoch_a"] == 0], *raw), None
    if start.layers == lateness(trained, *raw).layers:
        before, share = _upper_less_lower(start), _as_share(lateness(trained, *raw), start)
        margin = SHARE_BEFORE * abs(estimates[raw].value)
        learned = mark_learned([_ends(before)], expected="positive", margin=margin)
        numbers += f" Before training the difference is {before}."
        if len(share.layers) > 1:
            relative = _upper_less_lower(share)
            controls["as a share of the distance before training"] = mark([_ends(relative)], expected="positive")
            numbers += f" As a share of each layer's distance then it is {relative}."
    return [
        Claim(_STATEMENT, Marks(mark([_ends(estimates[raw])], expected="positive"), controls, None, learned), numbers)
    ]


def lateness_of_upper_layers(similarity: pd.DataFrame) -> Estimate:
    """Return the lateness of the upper half of the layers less that of the lower half, by the first measure.

    Without a value where no trained epoch lies before the end.
    """
    to_end = to_the_end(similarity)
    trained = to_end[(to_end["epoch_a"] > 0) & (to_end["epoch_a"] < to_end["epoch_b"])]
    ways = zip(trained["measure"], trained["centring"], strict=True)
    way = next((way for way in dict.fromkeys(ways) if way[1] == "plain"), None)
    return _upper_less_lower(lateness(trained, *way)) if way else Estimate(np.nan, np.nan, np.nan, 0)


def to_the_end(similarity: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of layers with themselves at the reference epoch, of one study."""
    is_one = (similarity["study_a"] == similarity["study_b"]) & (similarity["layer_a"] == similarity["layer_b"])
    return similarity[is_one & (similarity["epoch_a"] != similarity["epoch_b"])]


def way_in_words(measure: str, centring: str) -> str:
    """Return a measure and a centring in words.

    >>> way_in_words("cka", "within_classes")
    'CKA within classes'
    """
    return _IN_WORDS.get(measure, measure) + (" within classes" if centring == "within_classes" else "")


def lateness(to_end: pd.DataFrame, measure: str, centring: str) -> Lateness:
    """Return how late the layers converge by one measure; constant layers are left out."""
    rows = to_end[(to_end["measure"] == measure) & (to_end["centring"] == centring)]
    layers, values, left_out = [], [], []
    for layer, part in rows.groupby("layer_a", sort=False):
        if part["calibrated"].notna().all():
            null = part["null_permuted"].to_numpy()
            without = np.stack(part["jackknife"].to_list()).astype(np.float64)
            layers.append(str(layer))
            values.append(1 - part["calibrated"].mean())
            left_out.append(((1 - without) / (1 - null)[:, None]).mean(0))
    return Lateness(layers, np.array(values), np.array(left_out))


def _as_share(late: Lateness, start: Lateness) -> Lateness:
    """Return lateness as a share of the distance before training, of the layers that move in it."""
    moves = (start.value > _NO_DISTANCE) & (start.left_out > _NO_DISTANCE).all(axis=1)
    layers = [layer for layer, is_moved in zip(late.layers, moves, strict=True) if is_moved]
    return Lateness(layers, late.value[moves] / start.value[moves], late.left_out[moves] / start.left_out[moves])


def _upper_less_lower(late: Lateness) -> Estimate:
    """Return the mean over the upper half of the layers less that over the lower half; a middle one is in neither."""
    half = len(late.layers) // 2
    if half == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    value = late.value[-half:].mean() - late.value[:half].mean()
    left_out = late.left_out[-half:].mean(0) - late.left_out[:half].mean(0)
    low, high = jackknife_interval(np.array([value]), left_out[None])
    return Estimate(float(value), np.nan, np.nan, len(late.layers), float(low[0]), float(high[0]))


def _ends(estimate: Estimate) -> tuple[float, float]:
    return estimate.low_images, estimate.high_images


def _numbers(estimates: dict[tuple[str, str], Estimate], trained: pd.DataFrame, raw: tuple[str, str]) -> str:
    late = lateness(trained, *raw)
    n_epochs = trained["epoch_a"].nunique()
    said = [f"{way_in_words(*way)} {estimate}" for way, estimate in estimates.items()]
    return (
        f"Mean distance to the end over {n_epochs} trained epochs, 1 − calibrated similarity, upper half of the "
        f"layers less lower half: {'; '.join(said)}. By {way_in_words(*raw)} it is {number(late.value[0])} in "
        f"{late.layers[0]} and {number(late.value[-1])} in {late.layers[-1]}."
    )
