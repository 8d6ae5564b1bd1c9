import numpy as np

from featcx_core.findings.answer import answer
from featcx_core.findings.trust import trust_rows
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import REFERENCE, study


def states(tables):
    rows = trust_rows(answer(tables, reference_epoch=REFERENCE), tables, reference_epoch=REFERENCE)
    return {row.question.split(" ")[1] + " " + row.question.split(" ")[2]: row for row in rows}


def test_checks_are_judged_by_the_studys_numbers():
    rows = states(study())
    assert {name: row.state for name, row in rows.items()} == {
        "the concepts": "ok",
        "the readers": "ok",
        "every concept": "caution",  # three are dead
        "complexity against": "ok",
        "another seed": "caution",  # half of them, and a little less
        "other layers": "ok",
    }
    assert rows["every concept"].result == "3 of 100 active on too few images"
    assert "over concepts" in rows["complexity against"].detail


def test_checks_that_fail_are_cautions():
    tables = study()
    bad = tables._replace(
        dictionaries=tables.dictionaries.assign(predictions_kept_fraction=0.5),
        v_information=tables.v_information.assign(v_information=0.2),
        stability=tables.stability.assign(found_fraction=0.1),
        layer_choices=tables.layer_choices.assign(rank_correlation=0.2),
    )
    rows = states(bad)
    assert [rows[name].state for name in ("the concepts", "the readers", "another seed", "other layers")] == [
        "caution"
    ] * 4
    assert rows["complexity against"].state == "open"  # it rests on concepts that do not keep the predictions


def test_what_was_not_measured_is_open():
    assert {row.state for row in states(no_rows()).values()} == {"open"}
    unknown = study()._replace(stability=study().stability.assign(found_fraction=np.nan))
    assert states(unknown)["another seed"].result == "not measured"
