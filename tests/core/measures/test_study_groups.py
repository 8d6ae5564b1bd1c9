import numpy as np
import pandas as pd
import pytest
from scipy import stats

from featcx_core.measures.study_groups import by_group, groups_of

SHARES = {"true": "0.0", "half": "0.5", "all": "random"}


def settings(seeds=3, **others):
    """Three shares of random labels and further ways of training, each with seeds."""
    kinds = {**dict.fromkeys(SHARES), **dict.fromkeys(others)}
    members = [f"{kind}_{seed}" for kind in kinds for seed in range(seeds)]
    kind_of = {member: member.rpartition("_")[0] for member in members}
    fields = {"data.corruption.labels": {m: SHARES.get(kind_of[m], "0.0") for m in members}}
    for kind, (field, value) in others.items():
        fields[field] = {m: value if kind_of[m] == kind else "0" for m in members}
    return fields | {"seed": {m: m.rpartition("_")[2] for m in members}}


def test_groups_are_of_all_fields_but_the_seeds_and_named_in_words():
    others = {
        "marked": ("data.corruption.shortcut", "0.9"),
        "moved": ("training.shift", "2"),
        "long": ("training.epochs", "9"),
    }
    groups = groups_of(settings(**others))
    assert groups.names == [
        "true labels", "50 % random labels", "100 % random labels", "shortcut in 90 % of training images",
        "augmented: shifted by up to 2 pixels", "epochs = 9",
    ]  # fmt: skip
    assert groups.random_share == {"true labels": 0, "50 % random labels": 0.5, "100 % random labels": 1}
    assert groups.is_of_labels
    assert groups.seeds["marked_1"] == "seed = 1"


def test_studies_that_differ_in_seeds_alone_are_one_group():
    groups = groups_of({"seed": {"a": "0", "b": "1"}})
    assert groups.names == ["all studies"]
    assert not groups.is_of_labels
    assert groups_of({}).names == []


def test_widths_and_other_fields_are_named_by_their_values():
    widths = {"a": '{"widths": [8, 16]}', "b": '{"widths": [16, 32], "blocks": 1}', "c": "{}"}
    assert groups_of({"model.arguments": widths}).names == [
        "widths [8, 16]",
        "widths [16, 32], blocks 1",
        "no arguments",
    ]


def test_means_and_paired_differences_equal_scipy():
    groups = groups_of(settings(seeds=5))
    chance = np.random.default_rng(0)
    values = pd.DataFrame({"member": list(groups.of), "sign": "gap", "value": chance.normal(size=15)})
    rows = by_group(values, groups).set_index("group_name")
    true, half = (values["value"].to_numpy()[part] for part in (slice(0, 5), slice(5, 10)))
    row = rows.loc["50 % random labels"]
    interval = stats.ttest_1samp(half, 0).confidence_interval()
    assert (row["mean"], row["low"], row["high"], row["n"]) == pytest.approx((half.mean(), *interval, 5))
    paired = stats.ttest_rel(half, true)
    assert row["difference"] == pytest.approx((half - true).mean())
    assert (row["difference_low"], row["difference_high"]) == pytest.approx(tuple(paired.confidence_interval()))
    assert row["n_pairs"] == 5
    first = rows.loc["true labels"]
    assert np.isnan(first["difference"])
    assert first["n_pairs"] == 0


def test_a_study_without_the_sign_leaves_its_pair_out():
    groups = groups_of(settings())
    values = pd.DataFrame({"member": list(groups.of), "sign": "gap", "value": 1.0})
    rows = by_group(values[values["member"] != "true_1"], groups).set_index("group_name")
    assert rows["n"].tolist() == [2, 3, 3]
    assert rows["n_pairs"].tolist() == [0, 2, 2]
    alone = by_group(values[values["member"] == "half_0"], groups)
    assert alone[["n", "n_pairs"]].to_numpy().tolist() == [[1, 0]]
    assert alone[["low", "difference"]].isna().all(axis=None)
    assert by_group(values[:0], groups).empty
