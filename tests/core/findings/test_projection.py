import numpy as np
import pandas as pd

from featcx_core.findings.projection import projection_claims


def rows(**accuracies):
    """Rows of one layer of 4 units, by basis: the accuracies of 1, 2 and 4 directions."""
    return pd.DataFrame(
        [
            {
                "layer": "stem", "basis": basis, "n_directions": size, "accuracy": accuracy,
                "jackknife": np.linspace(accuracy - 0.01, accuracy + 0.01, 5),
            }
            for basis, line in accuracies.items()
            for size, accuracy in zip((1, 2, 4), line, strict=False)
        ]
    )  # fmt: skip


def test_directions_that_keep_more():
    units = {"random_units": (0.1, 0.3, 1.0), "most_active_units": (0.2, 0.2, 1.0)}
    (claim,) = projection_claims(rows(svcca=(0.5, 0.9), **units))
    assert claim.verdict == "holds"
    assert (
        "mean over 2 pairs of layer and number kept: 0.50 (95 %: 0.50 to 0.50) more than random units" in claim.numbers
    )
    (less,) = projection_claims(rows(svcca=(0.0, 0.1), **units))
    assert less.verdict == "does not hold"


def test_all_units_together_are_no_evidence():
    (claim,) = projection_claims(rows(svcca=(0.5, 0.9), random_units=(0.1,), most_active_units=(0.1,)))
    assert claim.verdict == "not measured"
