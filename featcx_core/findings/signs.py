"""Signs of generalising and memorising: one number each, of one network, from the tables of its study.

What a number must be for a network that memorises is known of some signs only, by the sources below; the others are
shown beside them. Arpit et al., *A closer look at memorization in deep networks*, ICML 2017; Zhang et al., ICLR 2017;
Morcos et al., *On the importance of single directions for generalization*, ICLR 2018; Morcos, Raghu, Bengio, NIPS 2018;
Toneva et al., ICLR 2019; graham, *From generalization to inner activations*, 2022.
"""

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from featcx_core.findings.ablation import rank_correlation
from featcx_core.findings.evidence import NOT_MEASURED, Estimate, difference
from featcx_core.findings.similarity import lateness_of_upper_layers
from featcx_core.findings.spectra import change
from featcx_core.measures.intervals import jackknife_interval, mean_interval, share_interval

Over = Literal["images", "units", "concepts", "studies"]


class Sign(NamedTuple):
    """One sign of memorising, with the direction that the sources expect."""

    label: str
    """In words."""
    reading: str
    """How the number is read."""
    memorises: Literal["larger", "smaller", "unknown"]
    """What the sources expect of a network that memorises, held against one that generalises."""
    over: Over
    """What its interval in one study is over."""


SIGNS: dict[str, Sign] = {
    "accuracy_gap": Sign("accuracy gap", "training less held-out accuracy; 0 = none", "larger", "images"),
    "ablation_area": Sign(
        "ablation area", "accuracy kept as units are ablated, of training images; 1 = all", "smaller", "images"
    ),
    "late_images": Sign(
        "images learned late", "share of training images not right for good by half of training", "larger", "images"
    ),
    "similarity_of_seeds": Sign(
        "similarity of seeds", "last layer, between networks of other seeds; 0 = chance, 1 = same", "smaller", "studies"
    ),
    "selectivity": Sign("selectivity", "of the last layer's units, less that by chance", "unknown", "units"),
    "first_share": Sign(
        "noise spectrum", "share of the first component, held-out images, mean over layers", "unknown", "images"
    ),
    "first_share_gap": Sign(
        "spectrum, seen or not", "the same of training less held-out images; 0 = alike", "unknown", "images"
    ),
    "complexity": Sign("complexity", "mean K of concepts; 0 = simple, 1 = complex", "unknown", "concepts"),
}
"""Sign -> what it is, in the order of the page."""
STATISTICS = (
    "train_accuracy", "test_accuracy", "selectivity_and_importance", "lateness_of_upper_layers",
    "change_of_first_share", "change_of_second_share", "change_of_first_share_late",
    "first_share_last_layer_less_first",
)  # fmt: skip
"""Further rows of the table, behind the claims of a comparison."""


def signs(tables: Mapping[str, pd.DataFrame], *, reference_epoch: int, n_train: int, n_test: int) -> pd.DataFrame:
    """Return the signs that the tables hold, and the statistics behind claims: rows (sign, value, low, high, over, n).

    Args:
        tables: of the study, by name: `epochs`, `memorisation`, `complexity`, `selectivity`, `spectra`,
            `ablation_area`, `ablated_units`, `similarity`; an empty one leaves out what rests on it.
        reference_epoch: where the signs are read.
        n_train: training images.
        n_test: held-out images.
    """
    at_end = {name: rows[rows["epoch"] == reference_epoch] for name, rows in tables.items() if "epoch" in rows}
    train, test = (
        _accuracy(at_end["epochs"], name, n) for name, n in (("train_accuracy", n_train), ("test_accuracy", n_test))
    )
    measured = {
        "accuracy_gap": difference(test, train)._replace(n=n_test),
        "ablation_area": _area(at_end["ablation_area"]),
        "late_images": late_images(tables["memorisation"], reference_epoch),
        "selectivity": _selectivity(at_end["selectivity"]),
        "first_share": _first_share(at_end["spectra"], "test"),
        "first_share_gap": _first_share_gap(at_end["spectra"]),
        "complexity": _complexity(at_end["complexity"]),
        "train_accuracy": train,
        "test_accuracy": test,
        "selectivity_and_importance": _only_images(_rank_correlation(at_end["ablated_units"])),
        "lateness_of_upper_layers": _only_images(lateness_of_upper_layers(tables["similarity"])),
        **{name: _only_images(found) for name, found in _changes(tables["spectra"], reference_epoch).items()},
    }
    rows = [
        {"sign": name, "value": found.value, "low": found.low, "high": found.high, "n": found.n,
         "over": SIGNS[name].over if name in SIGNS else "images"}
        for name, found in measured.items()
        if math.isfinite(found.value)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["sign", "value", "low", "high", "over", "n"])


def late_images(memorisation: pd.DataFrame, reference_epoch: int) -> Estimate:
    """Return the share of followed training images that were not right for good by half of training (Wilson's)."""
    n = len(memorisation)
    if n == 0:
        return NOT_MEASURED
    is_late = ~(memorisation["epoch_learned"] <= reference_epoch / 2)  # NaN: never
    return Estimate(float(is_late.mean()), *share_interval(int(is_late.sum()), n), n)


def _accuracy(epochs: pd.DataFrame, column: str, n: int) -> Estimate:
    if epochs.empty or epochs[column].isna().all():
        return NOT_MEASURED
    accuracy = float(epochs[column].iloc[0])
    return Estimate(accuracy, *share_interval(round(accuracy * n), n), n)


def _area(areas: pd.DataFrame) -> Estimate:
    """Return the area under the curves of units in random order, on training images, mean over layers."""
    wanted = (areas["kind"] == "unit") & (areas["order"] == "random") & (areas["split"] == "train")
    rows = areas[wanted & (areas["clamp"] == "zero")]
    if rows.empty or rows["area"].isna().any():
        return NOT_MEASURED
    return _mean_of(rows, "area", "jackknife")


def _selectivity(rows: pd.DataFrame) -> Estimate:
    rows = rows[rows["layer"] == rows["layer"].iloc[-1]] if len(rows) else rows
    return _mean((rows["selectivity"] - rows["selectivity_by_chance"]).dropna(), within=(-1.0, 1.0))


def _complexity(rows: pd.DataFrame) -> Estimate:
    return _mean(rows.loc[rows["kind"] == "concept", "complexity"].dropna(), within=(0.0, 1.0))


def _mean(values: pd.Series, *, within: tuple[float, float]) -> Estimate:
    n = len(values)
    if n < 2:
        return NOT_MEASURED
    return Estimate(float(values.mean()), *mean_interval(values.to_numpy(dtype=float), within=within), n)


def _first_share(spectra: pd.DataFrame, split: str) -> Estimate:
    rows = strongest_noise(spectra, split)
    return _mean_of(rows, "first", "jackknife_first") if len(rows) else NOT_MEASURED


def _first_share_gap(spectra: pd.DataFrame) -> Estimate:
    train, test = (_first_share(spectra, split) for split in ("train", "test"))
    return difference(test, train)._replace(n=test.n)


def strongest_noise(spectra: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the rows of a split's Gaussian noise at its largest σ, the means over classes."""
    rows = spectra[(spectra["noise"] == "gaussian") & (spectra["class_id"] == -1) & (spectra["split"] == split)]
    strongest: pd.DataFrame = rows[rows["sigma"] == rows["sigma"].max()].dropna(subset=["first"])
    return strongest


def _mean_of(rows: pd.DataFrame, column: str, left_out: str) -> Estimate:
    """Return the mean of layers with its jackknife interval over images."""
    value = float(rows[column].mean())
    without = np.stack([np.asarray(cell, dtype=np.float64) for cell in rows[left_out]]).mean(axis=0)
    low, high = jackknife_interval(np.array([value]), without[None])
    return Estimate(value, float(low[0]), float(high[0]), len(rows))


def _rank_correlation(units: pd.DataFrame) -> Estimate:
    return rank_correlation(units, "selectivity") if len(units) else NOT_MEASURED


def _changes(spectra: pd.DataFrame, reference_epoch: int) -> dict[str, Estimate]:
    """Return how the spectra of held-out images change over training, and over the layers at the end."""
    rows = strongest_noise(spectra[(spectra["epoch"] > 0) & (spectra["epoch"] <= reference_epoch)], "test")
    epochs = sorted(map(int, rows["epoch"].unique()))
    if len(epochs) < 3:
        return {}
    first, last, late = epochs[0], epochs[-1], epochs[-1 - max(1, len(epochs) // 3)]
    layers = list(dict.fromkeys(rows["layer"]))
    end = rows[rows["epoch"] == last]
    over_layers = [
        _mean_of(end[end["layer"] == layer], "first", "jackknife_first") for layer in (layers[0], layers[-1])
    ]
    return {
        "change_of_first_share": change(rows, "first", first, last),
        "change_of_second_share": change(rows, "second", first, last),
        "change_of_first_share_late": change(rows, "first", late, last),
        "first_share_last_layer_less_first": difference(*over_layers),
    }


def _only_images(found: Estimate) -> Estimate:
    """Return the estimate with its interval over images as the only one, where it has it."""
    if not math.isfinite(found.low_images):
        return Estimate(found.value, found.low, found.high, found.n)
    return Estimate(found.value, found.low_images, found.high_images, found.n)
