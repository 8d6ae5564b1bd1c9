import pytest

from featcx_core.findings.headlines import headlines
from featcx_core.findings.predictions import carried_sentence, lost_predictions
from tests.core.findings.frames import frame, no_rows
from tests.core.findings.synthetic import REFERENCE, study


def table(share: float):
    row = {"epoch": 2, "predictions_kept_fraction": share, "predictions_kept_classes_fraction": 0.8}
    logits = {"logit_carried_fraction": 0.6, "logit_by_concepts": 3.0, "logit_by_rest": 2.0}
    return frame("dictionaries", [row | logits])


def test_a_dictionary_that_loses_predictions_says_so_and_names_the_remedy():
    warning = lost_predictions(table(0.731), epoch=2)
    assert warning.startswith(
        "The concepts do not say what the network says: put in the place of the activations they keep 73.1 % of its "
        "predictions (80.0 % among the study's classes) at epoch 2, not 99 %. Of the predicted logit the concepts carry "
        "60 % (3.00, the rest 2.00)."
    )
    assert "data.dictionary" in warning


@pytest.mark.parametrize("share", [0.99, 1.0, float("nan")])
def test_one_that_keeps_them_or_is_not_there_says_nothing(share):
    assert lost_predictions(table(share), epoch=2) == ""
    assert lost_predictions(table(0.5), epoch=3) == ""
    assert lost_predictions(no_rows().dictionaries, epoch=2) == ""


def test_the_share_of_the_logit_stands_by_itself_too():
    assert (
        carried_sentence(table(1.0), epoch=2) == "Of the predicted logit the concepts carry 60 % (3.00, the rest 2.00)."
    )
    assert carried_sentence(no_rows().dictionaries, epoch=2) == ""


def test_every_number_about_concepts_is_marked():
    tables = study()
    lost = tables._replace(dictionaries=tables.dictionaries.assign(predictions_kept_fraction=0.7))
    doubt = "of concepts that keep only 70.0 % of the predictions"
    assert not any(doubt in headline.meaning for headline in headlines(tables, reference_epoch=REFERENCE))
    marked = [headline.name for headline in headlines(lost, reference_epoch=REFERENCE) if doubt in headline.meaning]
    assert len(marked) == len(headlines(lost, reference_epoch=REFERENCE)) - 3
    assert not {"held-out accuracy", "concepts", "predictions kept"} & {*marked}
