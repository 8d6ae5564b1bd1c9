import pandas as pd

from featcx_core.findings.similarity_between import FIELD, separation_rows, similarity_claims


def within(*groups, layer="head", measure="cka", field=FIELD):
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


def test_true_labels_are_held_against_the_most_corrupted():
    (claim,) = similarity_claims(within(RANDOM, HALF, TRUE))
    assert claim.verdict == "holds"
    assert (
        "0.80 (95 %: 0.70 to 0.90) within true labels and 0.20 (95 %: 0.10 to 0.30) within labels = random"
        in claim.numbers
    )
    assert "CKA 0.60 (95 %: 0.46 to 0.74)" in claim.numbers
    (turned,) = similarity_claims(within(("0.0", *RANDOM[1:]), ("random", *TRUE[1:])))
    assert turned.verdict == "does not hold"


def test_the_last_layer_counts_and_other_measures_are_controls():
    rows = pd.concat([within(RANDOM, TRUE, layer="stem"), within(RANDOM, TRUE), within(HALF, TRUE, measure="svcca")])
    (claim,) = similarity_claims(rows)
    assert claim.numbers.startswith("In head, ")
    assert dict(claim.answers)["SVCCA"] == "missing"  # it was not taken of random labels
    assert claim.verdict == "partly"


def test_studies_that_differ_otherwise_make_no_claim():
    assert similarity_claims(pd.DataFrame()) == []
    assert similarity_claims(within(TRUE, field="seed")) == []
    (claim,) = similarity_claims(within(TRUE))
    assert claim.verdict == "not measured"


def test_separation_is_the_mean_over_layers():
    row = {"field": "seed", "measure": "cka", "centring": "plain", "auprc_chance": 0.2, "n_studies": 6}
    layers = pd.DataFrame([{**row, "auprc": 0.5, "violation_rate": 0.4}, {**row, "auprc": 1.0, "violation_rate": 0.0}])
    assert separation_rows(layers) == [("seed", "CKA", "0.75", "0.20", "0.20", "6")]
    assert separation_rows(pd.DataFrame()) == []
