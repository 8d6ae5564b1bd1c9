import numpy as np
import pandas as pd
import pytest
from scipy import stats

from featcx_core.findings.signs import SIGNS, signs

END, GROUPS = 4, 5


def left_out(value, spread=0.1):
    """A value without each group of images."""
    return list(value + spread * (np.arange(GROUPS) - 2) / GROUPS)


def spectra():
    rows = []
    for epoch in range(1, END + 1):
        for layer, offset in (("stem", 0.0), ("head", 0.2)):
            for split, more in (("train", 0.1), ("test", 0.0)):
                for sigma in (0.1, 0.2):
                    first = 0.7 - 0.1 * min(epoch, 3) + offset + more + (0.05 if sigma == 0.1 else 0)
                    rows.append({"epoch": epoch, "layer": layer, "noise": "gaussian", "sigma": sigma, "split": split,
                                 "class_id": -1, "first": first, "second": 1 - first,
                                 "jackknife_first": left_out(first), "jackknife_second": left_out(1 - first)})  # fmt: skip
    return pd.DataFrame(rows)


def tables():
    layers = ["stem"] * 6 + ["head"] * 6
    selectivity = [0.1] * 6 + [0.3, 0.5, 0.7, 0.5, 0.4, np.nan]
    area = {"epoch": END, "kind": "unit", "clamp": "zero"}
    rises = 10 - np.arange(12.0)
    return {
        "epochs": pd.DataFrame({"epoch": [0, END], "train_accuracy": [0.1, 0.9], "test_accuracy": [0.1, 0.4]}),
        "memorisation": pd.DataFrame({"epoch_learned": [1.0, 2.0, 3.0, np.nan]}),
        "complexity": pd.DataFrame({"epoch": END, "kind": ["concept"] * 3 + ["unit"], "complexity": [0.2, 0.4, np.nan, 0.9]}),
        "selectivity": pd.DataFrame(
            {"epoch": END, "layer": layers, "selectivity": selectivity, "selectivity_by_chance": 0.1}
        ),
        "spectra": spectra(),
        "ablation_area": pd.DataFrame(
            [{**area, "layer": layer, "split": split, "order": order, "area": value, "jackknife": left_out(value)}
             for layer, value in (("stem", 0.4), ("head", 0.6))
             for split in ("train", "test") for order in ("random", "importance")]
        ),
        "ablated_units": pd.DataFrame(
            {"epoch": END, "layer": layers, "selectivity": np.arange(12.0), "loss_rise": rises,
             "jackknife": [[rise] * GROUPS for rise in rises]}
        ),
        "similarity": pd.DataFrame(
            [{"study_a": "", "study_b": "", "epoch_a": epoch, "epoch_b": END, "layer_a": layer, "layer_b": layer,
              "measure": "cka", "centring": "plain", "calibrated": value, "null_permuted": 0.0,
              "jackknife": left_out(value)}
             for epoch in (1, 2) for layer, value in (("stem", 0.9), ("head", 0.5))]
        ),
    }  # fmt: skip


def table(given=None):
    return signs(given or tables(), reference_epoch=END, n_train=100, n_test=50).set_index("sign")


def test_values_by_hand():
    rows = table()
    assert rows["value"].to_dict() == pytest.approx(
        {
            "accuracy_gap": 0.5,
            "ablation_area": 0.5,
            "late_images": 0.5,  # learned at 3, and never
            "selectivity": 0.38,  # of the last layer, less 0.1 by chance; a unit without is left out
            "first_share": 0.5,  # at the strongest noise
            "first_share_gap": 0.1,
            "complexity": 0.3,
            "train_accuracy": 0.9,
            "test_accuracy": 0.4,
            "selectivity_and_importance": -1.0,
            "lateness_of_upper_layers": 0.4,
            "change_of_first_share": -0.2,
            "change_of_second_share": 0.2,
            "change_of_first_share_late": 0.0,
            "first_share_last_layer_less_first": 0.2,
        }
    )
    assert rows.loc["selectivity", "n"] == 5
    assert (
        rows["over"].to_dict().items()
        >= {"complexity": "concepts", "selectivity": "units", "first_share": "images"}.items()
    )
    assert set(rows.index) >= set(SIGNS) - {"similarity_of_seeds"}


def test_intervals_equal_scipy():
    rows = table()
    share = stats.binomtest(2, 4).proportion_ci(method="wilson")
    assert tuple(rows.loc["late_images", ["low", "high"]]) == pytest.approx((share.low, share.high))
    concepts = np.array([0.2, 0.4])
    half = stats.t.ppf(0.975, 1) * concepts.std(ddof=1) / np.sqrt(2)
    assert tuple(rows.loc["complexity", ["low", "high"]]) == pytest.approx((max(0.3 - half, 0), min(0.3 + half, 1)))
    without = np.array([left_out(0.4), left_out(0.6)]).mean(axis=0)
    error = np.sqrt((GROUPS - 1) / GROUPS * ((without - without.mean()) ** 2).sum())
    half = stats.t.ppf(0.975, GROUPS - 1) * error
    assert tuple(rows.loc["ablation_area", ["low", "high"]]) == pytest.approx((0.5 - half, 0.5 + half))
    train, test = (stats.binomtest(k, n).proportion_ci(method="wilson") for k, n in ((90, 100), (20, 50)))
    low = 0.5 - np.hypot(0.9 - train.low, test.high - 0.4)  # Newcombe's
    high = 0.5 + np.hypot(train.high - 0.9, 0.4 - test.low)
    assert tuple(rows.loc["accuracy_gap", ["low", "high"]]) == pytest.approx((low, high))


def test_what_was_not_measured_has_no_row():
    given = tables()
    empty = {name: rows[:0] for name, rows in given.items()}
    assert table(empty).empty
    some = table({**empty, "epochs": given["epochs"], "memorisation": given["memorisation"]})
    assert set(some.index) == {"accuracy_gap", "late_images", "train_accuracy", "test_accuracy"}
    unknown = given["ablation_area"].assign(area=np.nan)  # no image is classified rightly
    assert "ablation_area" not in table({**given, "ablation_area": unknown}).index
