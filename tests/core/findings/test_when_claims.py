import pytest

from featcx_core.findings.when_claims import complex_is_late
from tests.core.findings.curves import correlations
from tests.core.findings.frames import frame, no_rows
from tests.core.findings.synthetic import REFERENCE


@pytest.mark.parametrize(
    ("raw", "status", "words"),
    [
        ((0.5, 0.4, 0.6), "seen", "between 0.25 and 0.75"),
        ((0.7, 0.4, 0.9), "undecided", "too wide"),
        ((0.2, 0.1, 0.3), "partly", "below 0.5"),
        ((0.9, 0.8, 0.95), "partly", "above 0.5"),
        ((0.1, -0.1, 0.3), "undecided", "includes zero"),
        ((-0.4, -0.5, -0.3), "absent", "does not hold here"),
    ],
)
def test_decode_time_claim_needs_sign_and_strength(raw, status, words):
    tables = no_rows()._replace(correlations=correlations(raw=raw, partial=raw, y="decode_time"))
    claim = complex_is_late(tables, reference_epoch=REFERENCE)
    assert claim.status == status
    assert words in claim.finding
    assert "share one term" in claim.finding


@pytest.mark.parametrize(
    ("final", "words"), [((0.9, 0.5, 0.1), "how well rather than when"), ((0.1, 0.9, 0.5), "is 0.50.")]
)
def test_decode_time_claim_says_how_far_it_is_only_how_well(final, words):
    late = [
        {"reference_epoch": REFERENCE, "concept": i, "decode_time": time, "first_epoch": epoch}
        for i, (time, epoch) in enumerate([(0.1, 1), (0.5, 2), (0.9, 2)])
    ]
    information = [
        {"epoch": REFERENCE, "dictionary_epoch": REFERENCE, "layer": "l1", "kind": "concept", "concept": i,
         "v_information": value}
        for i, value in enumerate(final)
    ]  # fmt: skip
    tables = no_rows()._replace(
        correlations=correlations(raw=(0.5, 0.4, 0.6), partial=(0.5, 0.4, 0.6), y="decode_time"),
        decode_time=frame("decode_time", late),
        v_information=frame("v_information", information),
        layers=frame("layers", [{"layer": "l1", "role": "penultimate"}]),
    )
    claim = complex_is_late(tables, reference_epoch=REFERENCE)
    assert claim.status == ("partly" if "how well" in words else "seen")
    assert words in claim.finding
    assert "half of its final I_V by epoch 2" in claim.finding


def test_one_trained_checkpoint_cannot_tell_when():
    tables = no_rows()._replace(
        correlations=correlations(raw=(0.5, 0.4, 0.6), partial=(0.5, 0.4, 0.6), y="decode_time"),
        epochs=frame("epochs", [{"epoch": 0}, {"epoch": REFERENCE}]),
    )
    claim = complex_is_late(tables, reference_epoch=REFERENCE)
    assert claim.status == "missing"
    assert "with one trained checkpoint Λ cannot tell when" in claim.finding
