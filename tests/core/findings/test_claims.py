import numpy as np
import pytest

from featcx_core.findings.claims import RESTS_ON, claims, dictionary_keeps_predictions
from tests.core.findings.frames import frame, no_rows
from tests.core.findings.synthetic import REFERENCE, study

LESS = {"predictions_kept_low": 0.6, "predictions_kept_high": 0.8}


@pytest.mark.parametrize(
    ("share", "ends", "verdict"),
    [
        (0.994, (0.9905, 0.998), "holds"),
        (0.994, (0.98, 0.998), "not decided"),
        (0.97, (0.95, 0.985), "does not hold"),
        (np.nan, (0.5, 0.5), "not measured"),
    ],
)
def test_dictionary_claim_wants_more_than_99_percent_with_its_interval(share, ends, verdict):
    row = {"epoch": REFERENCE, "predictions_kept_fraction": share}
    row |= dict(zip(("predictions_kept_low", "predictions_kept_high"), ends, strict=True))
    claim = dictionary_keeps_predictions(frame("dictionaries", [row]), reference_epoch=REFERENCE)
    assert claim.verdict == verdict
    if share == 0.97:
        assert "97.0 % (95 %: 95.0 to 98.5 %) kept at epoch 12." in claim.numbers


def test_no_claim_about_concepts_that_lose_the_predictions_stands_unmarked():
    tables = study()
    lost = tables.dictionaries.assign(predictions_kept_fraction=0.7, **LESS)
    before, after = (claims(t, reference_epoch=REFERENCE) for t in (tables, tables._replace(dictionaries=lost)))
    assert after[0].verdict == "does not hold"
    for one, other in zip(before[1:], after[1:], strict=True):
        assert RESTS_ON not in one.marks.controls
        assert other.verdict == "not measured" or other.marks.controls[RESTS_ON] == "no"
        assert other.verdict == ("partly" if one.verdict == "holds" else one.verdict)
        if other.verdict == "partly":
            assert f"{RESTS_ON}, no" in other.finding


def test_without_rows_no_claim_is_measured():
    assert {claim.verdict for claim in claims(no_rows(), reference_epoch=REFERENCE)} == {"not measured"}


def test_every_claim_says_something_else():
    answers = claims(study(), reference_epoch=REFERENCE)
    assert len({claim.statement for claim in answers}) == len(answers) == 12
