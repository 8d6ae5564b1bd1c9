import numpy as np

from featcx_core.findings.answer import answer, cautions, checks_passed
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import N_CONCEPTS, REFERENCE, study
from tests.core.findings.synthetic_properties import study_with_properties


def at_reference(tables):
    return answer(tables, reference_epoch=REFERENCE)


def test_the_answer_has_the_studys_numbers():
    found = at_reference(study_with_properties())
    assert found.unknown == ()
    assert (found.n_concepts, found.n_measurable, found.kept) == (N_CONCEPTS, 97, 0.994)
    assert found.reliance.conclusion == "complex concepts"
    assert found.training.first > found.training.last
    assert found.of_important.n == 10
    assert sum(found.paper.values()) == 12
    assert checks_passed(found)[0] == "shuffled control 0.003"
    assert cautions(found) == ["3 of 100 concepts active on too few images to be measured"]
    assert any("with prevalence and variance fixed" in passed for passed in checks_passed(found))


def test_a_relation_that_its_confounds_explain_is_a_caution():
    tables = study()
    of_controls = (tables.correlations["controls"] != "") & (tables.correlations["y"] == "importance")
    explained = tables.correlations.assign(
        value=tables.correlations["value"].mask(of_controls, -0.16),
        low=tables.correlations["low"].mask(of_controls, -0.41),
        high=tables.correlations["high"].mask(of_controls, 0.10),
    )
    found = at_reference(tables._replace(correlations=explained))
    assert cautions(found)[-1].endswith("; −0.16 (95 %: −0.41 to 0.10) with prevalence and variance fixed")
    assert not any("prevalence" in passed for passed in checks_passed(found))


def test_predictions_that_are_not_kept_come_first_and_nothing_rests_on_them():
    tables = study_with_properties()
    lost = tables.dictionaries.assign(predictions_kept_fraction=0.73)
    found = at_reference(tables._replace(dictionaries=lost))
    (unknown,) = found.unknown
    assert "keep only 73.0 % of the network's predictions" in unknown.what
    assert "data.split.train" in unknown.remedy
    assert (found.reliance, found.relation, found.of_important) == (None, None, None)
    assert found.where is not None


def test_without_classes_and_with_one_checkpoint_it_says_so():
    tables = study(n_epochs=2)
    epochs = tables.epochs.assign(test_accuracy=np.nan)
    found = answer(tables._replace(epochs=epochs), reference_epoch=1)
    assert [unknown.what.split(". ")[-1] for unknown in found.unknown] == [
        "Accuracy is not known.",
        "When concepts appeared, and how they changed, is not known.",
    ]
    assert (found.when, found.training) == (None, None)


def test_an_empty_study_has_an_answer_without_numbers():
    found = at_reference(no_rows())
    assert found.unknown == ()
    assert (found.n_concepts, found.reliance, found.where, found.when) == (0, None, None, None)
    assert cautions(found) == checks_passed(found) == []


def test_readers_that_overfit_are_a_caution():
    tables = study()
    high = tables.v_information.assign(v_information=0.2)
    assert cautions(at_reference(tables._replace(v_information=high)))[0] == (
        "shuffled control 0.200, wanted 0: the readers overfit"
    )
