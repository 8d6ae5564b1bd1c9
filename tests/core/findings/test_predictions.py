import pytest

from featcx_core.findings.headlines import headlines
from featcx_core.findings.predictions import carried_sentence, lost_predictions, more_would_do
from tests.core.findings.frames import frame, no_rows
from tests.core.findings.synthetic import REFERENCE, study

CURVE = frame(
    "learning_curve",
    [
        {"epoch": 2, "n_images": n, "n_atoms": a, "n_scored": 500, "is_measured": known, "predictions_kept_fraction": kept}
        for n, a, known, kept in (
            (100, 10, True, 0.6), (200, 10, True, 0.8), (400, 10, False, 0.9), (800, 10, False, 0.95), (200, 20, False, 0.85),
        )
    ],
)  # fmt: skip


def table(share: float):
    row = {"epoch": 2, "predictions_kept_fraction": share, "predictions_kept_classes_fraction": 0.8}
    logits = {"logit_carried_fraction": 0.6, "logit_by_concepts": 3.0, "logit_by_rest": 2.0}
    return frame("dictionaries", [row | logits])


def test_a_dictionary_that_loses_predictions_says_so_and_names_the_remedy():
    warning = lost_predictions(table(0.731), CURVE, epoch=2)
    assert warning.startswith(
        "The concepts do not say what the network says: put in the place of the activations they keep 73.1 % of its "
        "predictions (80.0 % among the study's classes) at epoch 2, not 99 %. Of the predicted logit the concepts carry "
        "60 % (3.00, the rest 2.00)."
    )
    assert "data.dictionary" in warning
    assert warning.endswith(
        "By its learning curve this dictionary of 200 images would keep 90 % with twice as many, 95 % with four times; "
        "about 4,000 images would keep 99 %. Twice the atoms on the same images would keep 85 %."
    )
    assert lost_predictions(table(0.5), no_rows().learning_curve, epoch=2).endswith('or "auto").')


def test_a_curve_that_more_images_do_not_move_promises_nothing():
    flat = CURVE.assign(predictions_kept_fraction=0.6)
    assert "with as many atoms, no number of images would keep 99 %." in more_would_do(flat, epoch=2)
    assert more_would_do(CURVE, epoch=3) == ""


def test_images_that_are_enough_ask_for_no_more():
    kept = CURVE.assign(predictions_kept_fraction=[0.97, 0.995, 1.0, 1.0, 1.0])
    assert more_would_do(kept, epoch=2) == "Its 200 images are enough; fitted on 100 of them it keeps 97 %."


@pytest.mark.parametrize("share", [0.99, 1.0, float("nan")])
def test_one_that_keeps_them_or_is_not_there_says_nothing(share):
    assert lost_predictions(table(share), CURVE, epoch=2) == ""
    assert lost_predictions(table(0.5), CURVE, epoch=3) == ""
    assert lost_predictions(no_rows().dictionaries, CURVE, epoch=2) == ""


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
