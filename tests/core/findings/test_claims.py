import numpy as np
import pytest

from featcx_core.findings.claims import claims, dictionary_keeps_predictions
from tests.core.findings.frames import frame, no_rows
from tests.core.findings.synthetic import REFERENCE, study


@pytest.mark.parametrize(("share", "verdict"), [(0.994, "holds"), (0.99, "does not hold"), (np.nan, "not measured")])
def test_dictionary_claim_wants_more_than_99_percent(share, verdict):
    table = frame("dictionaries", [{"epoch": REFERENCE, "predictions_kept_fraction": share}])
    assert dictionary_keeps_predictions(table, reference_epoch=REFERENCE).verdict == verdict


def test_without_rows_no_claim_is_measured():
    assert {claim.verdict for claim in claims(no_rows(), reference_epoch=REFERENCE)} == {"not measured"}


def test_every_claim_says_something_else():
    answers = claims(study(), reference_epoch=REFERENCE)
    assert len({claim.statement for claim in answers}) == len(answers) == 12
