import numpy as np
import pandas as pd

from featcx_core.findings.similarity_between import best_measure, separation_rows, similarity_claims, width_claims
from featcx_core.measures.study_groups import GROUP, LABELS, groups_of


def within(*groups, layer="head", measure="cka", field=LABELS):
    """Rows of groups (value, mean, low, high)."""
    return pd.DataFrame(
        [
            {
                "field": field, "value": value, "layer": layer, "measure": measure, "centring": "plain",
                "mean": mean, "low": low, "high": high, "n_pairs": 3, "n_studies": 3,
            }
            for value, mean, low, high in groups
        ]
    )  # fmt: skip


TRUE, HALF, RANDOM = ("0.0", 0.8, 0.7, 0.9), ("0.5", 0.6, 0.5, 0.7), ("random", 0.2, 0.1, 0.3)
SETTINGS = {LABELS: {f"{value}_{seed}": value for value in ("0.0", "0.5", "random") for seed in "01"}}


def claims(rows, settings=SETTINGS):
    return similarity_claims(rows, settings, groups_of(settings))


def test_true_labels_are_held_against_the_most_corrupted():
    (claim,) = claims(within(RANDOM, HALF, TRUE))
    assert claim.verdict == "holds"
    assert (
        "0.80 (95 %: 0.70 to 0.90) within true labels and 0.20 (95 %: 0.10 to 0.30) within random labels"
        in claim.numbers
    )
    assert "CKA 0.60 (95 %: 0.46 to 0.74)" in claim.numbers
    (turned,) = claims(within(("0.0", *RANDOM[1:]), ("random", *TRUE[1:])))
    assert turned.verdict == "does not hold"


def test_the_last_layer_counts_and_other_measures_are_controls():
    rows = pd.concat([within(RANDOM, TRUE, layer="stem"), within(RANDOM, TRUE), within(HALF, TRUE, measure="svcca")])
    (claim,) = claims(rows)
    assert claim.numbers.startswith("In head, ")
    assert dict(claim.answers)["SVCCA"] == "missing"  # it was not taken of random labels
    assert claim.verdict == "partly"


def test_groups_that_differ_otherwise_too_are_left_out():
    shift = dict.fromkeys(SETTINGS[LABELS], "0") | {"moved_0": "2"}
    settings = {LABELS: SETTINGS[LABELS] | {"moved_0": "0.0"}, "training.shift": shift}
    groups = groups_of(settings)
    moved = groups.of["moved_0"]
    rows = within(("true labels", *TRUE[1:]), (moved, 0.1, 0.0, 0.2), ("100 % random labels", *RANDOM[1:]), field=GROUP)
    (claim,) = similarity_claims(pd.concat([rows, within(TRUE, RANDOM)]), {GROUP: groups.of, **settings}, groups)
    assert (
        "0.80 (95 %: 0.70 to 0.90) within true labels and 0.20 (95 %: 0.10 to 0.30) within 100 % random labels"
        in claim.numbers
    )


def test_studies_that_differ_otherwise_make_no_claim():
    assert claims(pd.DataFrame()) == []
    assert claims(within(TRUE, field="seed"), {"seed": {"a": "0", "b": "1"}}) == []
    (claim,) = claims(within(TRUE))
    assert claim.verdict == "not measured"


NARROW, WIDE = '{"widths": [4, 8], "blocks": 1}', '{"widths": [16, 32], "blocks": 1}'


def test_wider_networks_are_held_against_narrower_ones():
    rows = within((WIDE, *TRUE[1:]), (NARROW, *RANDOM[1:]), field="model.arguments")
    (claim,) = width_claims(rows)
    assert claim.verdict == "holds"
    assert "CKA 0.60 (95 %: 0.46 to 0.74)" in claim.numbers
    (turned,) = width_claims(within((WIDE, *RANDOM[1:]), (NARROW, *TRUE[1:]), field="model.arguments"))
    assert turned.verdict == "does not hold"
    assert width_claims(within(TRUE)) == width_claims(pd.DataFrame()) == []
    assert width_claims(within((WIDE, *TRUE[1:]), ("{}", *RANDOM[1:]), field="model.arguments")) == []


def test_separation_is_the_mean_over_layers():
    row = {"field": "seed", "layer": "stem", "measure": "cka", "centring": "plain", "auprc_chance": 0.2, "n_studies": 6}
    row |= {"auprc_low": np.nan, "auprc_high": np.nan}
    layers = pd.DataFrame([{**row, "auprc": 0.5, "violation_rate": 0.4}, {**row, "auprc": 1.0, "violation_rate": 0.0}])
    assert separation_rows(layers) == [("seed", "CKA", "0.75", "0.20", "0.20", "6")]
    assert separation_rows(pd.DataFrame()) == []
    whole = {**row, "layer": "", "auprc": 0.8, "auprc_low": 0.7, "auprc_high": 0.9, "violation_rate": 0.1}
    both = pd.concat([layers, pd.DataFrame([whole])])  # the mean over layers is there, with its interval
    assert separation_rows(both) == [("seed", "CKA", "0.80 (95 %: 0.70 to 0.90)", "0.20", "0.10", "6")]


def test_the_best_measure_is_named_with_those_within_its_interval():
    about = {"field": "labels", "layer": "", "centring": "plain", "auprc_chance": 0.1, "violation_rate": 0.05}
    scores = {"cka": (0.9, 0.8, 1.0), "svcca": (0.85, 0.7, 0.9), "mutual_knn": (0.5, 0.4, 0.6)}
    rows = [
        {**about, "measure": name, "auprc": value, "auprc_low": low, "auprc_high": high}
        for name, (value, low, high) in scores.items()
    ]
    said = best_measure(pd.DataFrame(rows), "labels")
    assert said.startswith("CKA tells the groups apart best here: AUPRC 0.90 (95 % over seeds: 0.80 to 1.00)")
    assert said.endswith("Within its interval: SVCCA.")
    assert best_measure(pd.DataFrame(rows), "seed") == best_measure(pd.DataFrame(), "labels") == ""
    few = pd.DataFrame(rows[:1]).assign(auprc_low=np.nan)
    assert "AUPRC 0.90, where a useless measure has 0.10; in 5 % of comparisons" in best_measure(few, "labels")
