import numpy as np
import pandas as pd

from featcx_core.findings.spectra import change, spectra_claims

GROUPS = 20


def spectra(first, *, epochs=(1, 2, 3, 4, 5, 6), spread=0.001, layers=("stem", "middle", "end")):
    """Rows in which the first component's share is a function of (epoch, place of the layer)."""
    chance = np.random.default_rng(0)
    rows = []
    for epoch in epochs:
        for sigma in (0.1, 0.2):
            for place, layer in enumerate(layers):
                share = first(epoch, place)
                shares = {"first": share, "second": (1 - share) / 2, "rest": (1 - share) / 2}
                left_out = {
                    f"jackknife_{name}": v + chance.normal(0, spread / 20, GROUPS) for name, v in shares.items()
                }
                rows.append({"epoch": epoch, "layer": layer, "sigma": sigma, **shares, **left_out})
    return pd.DataFrame(rows).assign(noise="gaussian", split="test", class_id=-1)


def verdicts(rows):
    return [claim.verdict for claim in spectra_claims(rows)]


def test_claims_follow_the_rule():
    falls_and_settles = spectra(lambda epoch, place: 0.9 - 0.1 * min(epoch, 4) + 0.02 * place)
    assert verdicts(falls_and_settles) == ["holds", "holds", "holds", "holds"]
    rises = spectra(lambda epoch, place: 0.2 + 0.1 * epoch - 0.02 * place)
    assert verdicts(rises) == ["does not hold", "does not hold", "does not hold", "does not hold"]
    vague = spectra(lambda epoch, place: 0.6 - 0.0001 * epoch, spread=5.0)
    assert verdicts(vague)[:2] == ["not decided", "not decided"]


def test_another_noise_that_disagrees_is_a_doubt():
    rows = spectra(lambda epoch, place: 0.9 - 0.1 * min(epoch, 4) + 0.02 * place)
    other = rows["sigma"] == 0.1
    rows.loc[other, "first"] = 0.5 + 0.01 * rows.loc[other, "epoch"]
    first = spectra_claims(rows)[0]
    assert first.verdict == "partly"
    assert "at σ = 0.1, no" in first.finding


def test_change_is_a_difference_on_the_same_images():
    rows = spectra(lambda epoch, place: 0.5 + 0.01 * epoch)
    found = change(rows[rows["sigma"] == 0.2], "first", 1, 6)
    assert abs(found.value - 0.05) < 1e-12
    assert found.low_images < 0.05 < found.high_images
    assert found.n == 3


def test_too_few_epochs_and_layers_are_said():
    rows = spectra(lambda epoch, place: 0.5, epochs=(1,), layers=("stem",))
    findings = [claim.finding for claim in spectra_claims(rows)]
    assert findings[0] == findings[1] == "not measured: fewer than two trained epochs."
    assert findings[2] == "not measured: fewer than four trained epochs."
    assert findings[3] == "not measured: fewer than two layers."
