import numpy as np
import pandas as pd
import pytest

from featcx_core.findings.when_claims import NORMALISED, complex_is_late
from tests.core.findings.curves import correlations
from tests.core.findings.frames import frame, no_rows
from tests.core.findings.synthetic import REFERENCE


@pytest.mark.parametrize(
    ("raw", "verdict", "words"),
    [
        ((0.5, 0.4, 0.6), "holds", "holds here. Spearman 0.50"),
        ((0.7, 0.4, 0.9), "partly", "near 0.5, not decided"),
        ((0.2, 0.1, 0.3), "partly", "near 0.5, no"),
        ((0.9, 0.8, 0.95), "partly", "near 0.5, no"),
        ((0.1, -0.1, 0.3), "not decided", "leave it open"),
        ((-0.4, -0.5, -0.3), "does not hold", "does not hold here"),
    ],
)
def test_decode_time_claim_needs_sign_and_strength(raw, verdict, words):
    tables = no_rows()._replace(correlations=correlations(raw=raw, partial=raw, y=NORMALISED))
    claim = complex_is_late(tables, reference_epoch=REFERENCE)
    assert claim.verdict == verdict
    assert words in claim.finding
    assert "which is a term of K, too" in claim.finding


def test_the_claim_is_on_when_not_how_well_and_the_other_stands_beside_it():
    plain = correlations(raw=(0.93, 0.9, 0.95), partial=(0.9, 0.8, 0.95), y="decode_time")
    normalised = correlations(raw=(0.5, 0.4, 0.6), partial=(0.5, 0.4, 0.6), y=NORMALISED)
    tables = no_rows()._replace(correlations=pd.concat([plain, normalised]))
    claim = complex_is_late(tables, reference_epoch=REFERENCE)
    assert claim.verdict == "holds"
    assert "Not normalised, Λ is high also for what is never read well: 0.93 (95 %: 0.90 to 0.95)." in claim.finding


def test_decode_time_claim_needs_the_sign_with_each_control():
    partial = correlations(raw=(0.5, 0.4, 0.6), partial=(0.2, -0.1, 0.4), y=NORMALISED)
    other = partial[partial["controls"] != ""].assign(controls="class_information", value=0.4, low=0.3, high=0.5)
    tables = no_rows()._replace(correlations=pd.concat([partial, other]))
    claim = complex_is_late(tables, reference_epoch=REFERENCE)
    answers = dict(claim.answers)
    assert answers["prevalence and variance held fixed"] == "open"
    assert answers["class information held fixed"] == "yes"
    assert claim.verdict == "partly"


@pytest.mark.parametrize(("is_how_well", "answer"), [(True, "no"), (False, "yes")])
def test_decode_time_claim_says_how_far_it_is_only_how_well(is_how_well, answer):
    chance, n = np.random.default_rng(0), 40
    time = np.linspace(0.1, 0.9, n)
    final = 1 - time if is_how_well else chance.random(n)
    late = [
        {
            "reference_epoch": REFERENCE,
            "concept": i,
            "decode_time_normalised": time[i],
            "decode_time": time[i],
            "first_epoch": 1 + i // 20,
        }
        for i in range(n)
    ]
    information = [
        {"epoch": REFERENCE, "dictionary_epoch": REFERENCE, "layer": "l1", "kind": "concept", "concept": i,
         "v_information": final[i]}
        for i in range(n)
    ]  # fmt: skip
    tables = no_rows()._replace(
        correlations=correlations(raw=(0.5, 0.4, 0.6), partial=(0.5, 0.4, 0.6), y=NORMALISED),
        decode_time=frame("decode_time", late),
        v_information=frame("v_information", information),
        layers=frame("layers", [{"layer": "l1", "role": "penultimate"}]),
    )
    claim = complex_is_late(tables, reference_epoch=REFERENCE)
    assert ("by when rather than how well", answer) in claim.answers
    assert claim.verdict == ("partly" if is_how_well else "holds")
    assert "half of its final I_V by checkpoint 2" in claim.finding


def test_one_trained_checkpoint_cannot_tell_when():
    tables = no_rows()._replace(
        correlations=correlations(raw=(0.5, 0.4, 0.6), partial=(0.5, 0.4, 0.6), y="decode_time"),
        epochs=frame("epochs", [{"epoch": 0}, {"epoch": REFERENCE}]),
    )
    claim = complex_is_late(tables, reference_epoch=REFERENCE)
    assert claim.verdict == "not measured"
    assert "with one trained checkpoint Λ cannot tell when" in claim.finding
