import numpy as np
import pandas as pd
import pytest

from featcx_core.findings.ablation import ablation_claims, mean_beyond_random, rank_correlation

GROUPS = 20


def units(strength, *, n=200, layers=("a", "b"), seed=0):
    """Units whose importance follows their selectivity with some strength; groups of images differ little."""
    chance = np.random.default_rng(seed)
    parts = []
    for shift, layer in enumerate(layers):
        x = chance.random(n)
        rise = strength * x + chance.normal(0, 0.1, n)
        groups = rise[:, None] + chance.normal(0, 0.001, (n, GROUPS))
        rows = {"layer": layer, "unit": np.arange(n), "selectivity": x + shift, "loss_rise": rise + 5 * shift}
        parts.append(pd.DataFrame({**rows, "mutual_information_bits": chance.random(n), "jackknife": list(groups)}))
    return pd.concat(parts, ignore_index=True).assign(epoch=3)


def areas(difference, *, spread=0.01):
    chance = np.random.default_rng(1)
    rows = [
        {"layer": layer, "kind": "unit", "order": order, "clamp": "zero", "split": "test", "area": area}
        for layer in ("a", "b")
        for order, area in (("random", 0.6), ("selectivity", 0.6 + difference), ("importance", 0.3))
    ]
    frame = pd.DataFrame(rows).assign(epoch=3)
    frame["jackknife"] = [area + chance.normal(0, spread / 20, GROUPS) for area in frame["area"]]
    return frame


def verdicts(strength, difference, **options):
    tables = {"ablated_units": units(strength), "ablation_area": areas(difference, **options)}
    return [claim.verdict for claim in ablation_claims(tables)]


def test_claims_follow_the_rule():
    assert verdicts(0.0, 0.0) == ["holds", "holds"]
    assert verdicts(1.0, -0.3) == ["does not hold", "does not hold"]
    assert verdicts(0.0, 0.02, spread=2.0)[1] == "not decided"


def test_units_are_ranked_within_their_layers():
    rows = units(0.0)
    assert abs(rank_correlation(rows, "selectivity").value) < 0.2
    assert rows["selectivity"].corr(rows["loss_rise"], method="spearman") > 0.7  # across layers, which differ in both
    one = rank_correlation(units(1.0, layers=("a",)), "selectivity")
    expected = units(1.0, layers=("a",))[["selectivity", "loss_rise"]].corr(method="spearman").iloc[0, 1]
    assert one.value == pytest.approx(expected)
    assert one.low < one.value < one.high
    assert one.low_images < one.value < one.high_images


def test_areas_are_compared_on_the_same_images():
    found = mean_beyond_random(areas(-0.1), "selectivity")
    assert found.value == pytest.approx(-0.1)
    assert found.low_images < -0.1 < found.high_images
    assert found.n == 2


def test_what_was_not_measured_is_said():
    without = units(0.0).assign(selectivity=np.nan)
    others = areas(0.0).assign(kind="concept")
    first, second = ablation_claims({"ablated_units": without, "ablation_area": others})
    assert first.finding == "not measured: fewer than four units have a selectivity."
    assert second.finding == "not measured: units are not among ablation.kinds."
    guess = areas(0.0).assign(area=np.nan)
    claim = ablation_claims({"ablated_units": units(0.0), "ablation_area": guess})[1]
    assert claim.finding == "not measured: the network classifies no image rightly."
