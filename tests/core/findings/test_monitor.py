import pandas as pd

from featcx_core.findings.monitor import monitor_claims

INPUTS = ("gaussian", "pgd", "fgsm", "ddn", "adaptive")


def areas(spectrum, confidence, *, half=0.03):
    rows = [
        {"layer": layer, "detector": detector, "input": name, "roc_auc": area, "low": area - half, "high": area + half}
        for layer, detector, found in (
            ("all", "spectrum", spectrum),
            ("last", "spectrum", dict.fromkeys(INPUTS, 0.1)),
            ("last", "mahalanobis", dict.fromkeys(INPUTS, 0.8)),
            ("last", "confidence", confidence),
        )
        for name, area in found.items()
    ]
    return {"monitor": pd.DataFrame(rows).assign(epoch=3, n_inputs=50, n_clean=60)}


def verdicts(tables):
    return [claim.verdict for claim in monitor_claims(tables)]


SEES = dict.fromkeys(INPUTS, 0.9) | {"gaussian": 0.6}


def test_claims_say_what_the_areas_say():
    blind = dict.fromkeys(INPUTS, 0.5)
    assert verdicts(areas(SEES, dict.fromkeys(INPUTS, 0.6))) == ["holds", "holds"]
    assert verdicts(areas(SEES | {"ddn": 0.5}, dict.fromkeys(INPUTS, 0.95))) == ["partly", "does not hold"]
    assert verdicts(areas(blind | {"pgd": 0.3}, SEES)) == ["does not hold", "does not hold"]
    assert verdicts(areas(blind, blind)) == ["not decided", "not decided"]


def test_noise_that_stands_out_as_much_is_a_doubt():
    first = monitor_claims(areas(SEES | {"gaussian": 0.9}, SEES))[0]
    assert first.verdict == "partly"
    assert "better than noise of the same norm, not decided" in first.finding
    assert "against 60 clean images: pgd 0.90 (95 %: 0.87 to 0.93)" in first.finding


def test_attacks_that_fail_are_said():
    tables = areas(SEES, SEES)
    rows = tables["monitor"]
    lost = rows["input"] == "pgd"
    tables["monitor"] = rows.assign(**{name: rows[name].mask(lost) for name in ("roc_auc", "low", "high")})
    assert {claim.finding for claim in monitor_claims(tables)} == {
        "not measured: fewer than two attacks of pgd fool the network."
    }
