from featcx_core.findings.memorising_claims import memorising_claims
from tests.core.findings.signs_of import groups, rows

FIT, LEAN, SELECTIVE, BOTTOM_UP, FALLS, RISES, RESTS, FILTERED = range(8)


def claims(**changed):
    of = groups()
    return memorising_claims(rows(of, **changed), of)


def test_what_is_as_the_sources_say_holds():
    assert [claim.verdict for claim in claims(spread=0.001)] == ["holds"] * 8


def test_what_is_not_does_not():
    changed = claims(
        spread=0.001, train_accuracy=(1.0, 0.7, 0.5), ablation_area=(0.3, 0.5, 0.6), change_of_first_share=(0.2, 0.1, 0.1),
        selectivity_and_importance=(0.8, 0.8, 0.8),
    )  # fmt: skip
    assert [changed[place].verdict for place in (FIT, LEAN, SELECTIVE, FALLS)] == ["does not hold"] * 4
    assert "100 % random labels 0.50 (95 %: 0.50 to 0.50)" in changed[FIT].numbers


def test_partly_where_the_smaller_shares_or_the_memorisers_differ():
    changed = claims(spread=0.001, ablation_area=(0.6, 0.7, 0.3), lateness_of_upper_layers=(0.2, 0.2, -0.2))
    assert changed[LEAN].verdict == changed[BOTTOM_UP].verdict == "partly"
    assert dict(changed[LEAN].answers)["50 % random labels"] == "no"


def test_not_decided_where_seeds_disagree():
    assert claims(spread=0.2)[LEAN].verdict == "not decided"


def test_what_is_missing_is_said():
    of = groups()
    table = rows(of)
    lacking = memorising_claims(
        table[~table["sign"].isin(["ablation_area", "change_of_first_share", "train_accuracy"])], of
    )
    assert [lacking[place].verdict for place in (FIT, LEAN, FALLS)] == ["not measured"] * 3
    assert memorising_claims(table, groups("true")) == []
