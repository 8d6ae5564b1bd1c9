"""The claim on directions that are shared over training: they keep more of the accuracy than as many units."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from featcx_core.findings.claim import Claim, unmeasured
from featcx_core.findings.evidence import Estimate
from featcx_core.findings.rule import Mark, Marks, mark
from featcx_core.measures.intervals import jackknife_interval

_STATEMENT = "A layer's top SVCCA directions keep more of the accuracy than as many of its units."
_UNITS = {"random_units": "random units", "most_active_units": "the most active units"}


def projection_claims(projection: pd.DataFrame) -> list[Claim]:
    """Judge the accuracy on the top SVCCA directions less that on random units, mean over layers and numbers kept.

    The control is the same with the most active units. Source: Raghu et al., *SVCCA*, NIPS 2017, fig. 2.
    """
    estimates = {basis: _more_than(projection, basis) for basis in _UNITS}
    if not estimates["random_units"].n:
        return [unmeasured(_STATEMENT, "not measured: no number of directions was kept by all of them.")]
    marks = {basis: _mark(estimate) for basis, estimate in estimates.items()}
    said = "; ".join(f"{estimate} more than {_UNITS[basis]}" for basis, estimate in estimates.items())
    n = estimates["random_units"].n
    numbers = f"Held-out accuracy, mean over {n} pairs of layer and number kept: {said}."
    controls = {"than the most active units": marks["most_active_units"]}
    return [Claim(_STATEMENT, Marks(marks["random_units"], controls), numbers)]


def _mark(estimate: Estimate) -> Mark:
    return mark([(estimate.low_images, estimate.high_images)], expected="positive")


def _more_than(projection: pd.DataFrame, basis: str) -> Estimate:
    """Return the mean difference over layers and numbers of directions that leave some units out."""
    keys = ["layer", "n_directions"]
    sizes = projection[projection["basis"] == "random_units"].groupby("layer")["n_directions"].max().rename("most")
    shared, units = (projection[projection["basis"] == name] for name in ("svcca", basis))
    joined = shared.merge(units, on=keys, suffixes=("_shared", "_units"))
    joined = joined.merge(sizes, on="layer")
    joined = joined[joined["n_directions"] < joined["most"]]
    if joined.empty:
        return Estimate(np.nan, np.nan, np.nan, 0)
    value = (joined["accuracy_shared"] - joined["accuracy_units"]).mean()
    left_out = _lists(joined["jackknife_shared"]) - _lists(joined["jackknife_units"])
    low, high = jackknife_interval(np.array([value]), left_out.mean(0)[None])
    return Estimate(float(value), np.nan, np.nan, len(joined), float(low[0]), float(high[0]))


def _lists(cells: "pd.Series[float]") -> Float[np.ndarray, "row group"]:
    values: np.ndarray = np.stack(cells.to_list()).astype(np.float64)
    return values
