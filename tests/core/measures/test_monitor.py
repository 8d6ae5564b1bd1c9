import jaxtyping
import numpy as np
import pytest
import torch
from scipy.stats import chi2
from sklearn.covariance import LedoitWolf

from featcx_core.measures.monitor import Reference, alarm, clean_reference, doubt, mahalanobis, spectrum_features
from featcx_core.measures.roc import roc_auc
from featcx_core.measures.spectra import group_spectra
from tests.references import monitor as reference


def planted(n=200, features=5, classes=3, seed=0):
    chance = np.random.default_rng(seed)
    mixing, labels = chance.normal(size=(features, features)), chance.integers(0, classes, n)
    centres = 3 * np.random.default_rng(99).normal(size=(classes, features))
    return centres[labels] + chance.normal(size=(n, features)) @ mixing, labels


def test_by_hand():
    # deviations 1 and 2, uncorrelated: 3 and 4 of them away
    clean = np.array([[1.0, 2.0], [-1.0, 2.0], [1.0, -2.0], [-1.0, -2.0]])
    plain = clean_reference(clean, is_shrunk=False)
    assert mahalanobis(np.array([[3.0, 8.0], [0.0, 0.0]]), plain) == pytest.approx([5, 0])


def test_equals_the_definition():
    clean, labels = planted()
    values, _ = planted(seed=1)
    for label in (labels, np.zeros_like(labels)):
        plain = clean_reference(clean, label, is_shrunk=False)
        np.testing.assert_allclose(mahalanobis(values, plain), reference.distances(clean, label, values), rtol=1e-9)
    assert clean_reference(clean, labels, is_shrunk=False).means.shape == (3, 5)


def test_shrunk_equals_scikit_learn_on_standardised_values():
    clean, _ = planted(n=30)
    values, _ = planted(seed=1)
    scale = clean.std(axis=0)
    peer = LedoitWolf(assume_centered=True).fit((clean - clean.mean(axis=0)) / scale)
    shrunk = clean_reference(clean)
    expected = np.sqrt(peer.mahalanobis((values - clean.mean(axis=0)) / scale))
    np.testing.assert_allclose(mahalanobis(values, shrunk), expected, rtol=1e-9)
    assert 0 < shrunk.shrinkage < 1


def test_clean_normal_inputs_have_squares_of_chi2():
    chance = np.random.default_rng(0)
    distances = mahalanobis(chance.normal(size=(20_000, 4)), clean_reference(chance.normal(size=(20_000, 4))))
    assert np.mean(distances**2) == pytest.approx(4, rel=0.03)
    assert np.mean(distances**2 > chi2.ppf(0.95, 4)) == pytest.approx(0.05, abs=0.005)


def test_free_of_each_features_scale_and_offset():
    clean, labels = planted()
    values, _ = planted(seed=1)
    expected = mahalanobis(values, clean_reference(clean, labels))
    scale, offset = np.array([1e3, 1e-3, 1, -5, 7]), np.arange(5.0)
    moved = mahalanobis(values * scale + offset, clean_reference(clean * scale + offset, labels))
    np.testing.assert_allclose(moved, expected, rtol=1e-6)


def test_more_features_than_inputs_and_features_that_never_vary():
    clean, _ = planted(n=20, features=40)
    distances = mahalanobis(clean + 10, clean_reference(clean))
    assert np.isfinite(distances).all()
    clean[:, 7] = 0.25
    constant = clean_reference(clean)
    assert (constant.precision[7] == 0).all()
    assert np.isfinite(mahalanobis(clean, constant)).all()
    assert (mahalanobis(np.full((2, 3), 9.0), clean_reference(np.ones((5, 3)))) == 0).all()


def test_takes_tensors():
    clean, labels = planted()
    ours = clean_reference(torch.from_numpy(clean), torch.from_numpy(labels))
    np.testing.assert_array_equal(ours.precision, clean_reference(clean, labels).precision)
    np.testing.assert_array_equal(mahalanobis(torch.from_numpy(clean), ours), mahalanobis(clean, ours))


def test_doubt_is_one_minus_the_largest_share():
    logits = np.random.default_rng(0).normal(size=(50, 7)) * 3
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(doubt(logits), 1 - shares.max(axis=1), rtol=1e-10)
    np.testing.assert_allclose(doubt(logits + 1e4), doubt(logits), rtol=1e-8)
    assert doubt(np.zeros((1, 4)))[0] == pytest.approx(0.75)
    assert doubt(np.array([[0.0, 100.0], [0.0, 101.0]])).tolist() == pytest.approx([np.exp(-100), np.exp(-101)])


@pytest.mark.parametrize(("n", "share"), [(19, 0.05), (40, 0.05), (100, 0.1), (1000, 0.01)])
def test_a_further_clean_input_raises_the_wanted_share_of_alarms(n, share):
    chance = np.random.default_rng(0)
    raised = [chance.normal() > alarm(chance.normal(size=n), false_alarms=share).threshold for _ in range(3000)]
    assert np.mean(raised) <= share + 3 * np.sqrt(share / 3000)
    assert np.mean(raised) >= share / 2 - 3 * np.sqrt(share / 3000)


def test_threshold_is_one_of_the_scores():
    scores = np.random.default_rng(0).permutation(100).astype(float)
    raised = alarm(scores)
    assert (raised.threshold, raised.false_alarms, raised.n_clean) == (95, 0.04, 100)  # the 96th of 100


def spectra_of(sigma, *, seed, n=80):
    """Spectra of inputs whose noisy copies spread more or less."""
    chance = np.random.default_rng(seed)
    centre = chance.random((n, 1, 16)) + 0.5
    return spectrum_features(group_spectra(centre + sigma * chance.normal(size=(n, 10, 16))))


def test_finds_inputs_whose_spectrum_departs_and_no_others():
    clean = clean_reference(spectra_of(0.1, seed=0))
    held_out, same, other = (mahalanobis(spectra_of(s, seed=n), clean) for n, s in enumerate((0.1, 0.1, 0.2), start=1))
    is_other = np.arange(160) >= 80
    assert roc_auc(np.concatenate([held_out, other]), is_other).low > 0.95
    alike = roc_auc(np.concatenate([held_out, same]), is_other)
    assert alike.low < 0.5 < alike.high
    raised = alarm(held_out)
    assert (other > raised.threshold).mean() > 0.9
    assert (same > raised.threshold).mean() < 0.15


def test_features_of_a_spectrum():
    acts = np.array([[[4.0, 0, 0], [0, 3.0, 0], [0, 0, 2.0]], np.zeros((3, 3))])
    features = spectrum_features(group_spectra(acts))
    assert features[0] == pytest.approx(np.log([4, 3, 2]))
    assert np.isfinite(features).all()
    assert (features[1] < -50).all()


def test_errors(monkeypatch):
    clean, labels = planted()
    with pytest.raises(ValueError, match="more clean inputs than their 3 classes, got 3"):
        clean_reference(clean[:3], np.arange(3))
    with pytest.raises(ValueError, match="more clean inputs than their 1 classes, got 1"):
        clean_reference(clean[:1])
    with pytest.raises(ValueError, match="fewer features than the 5 clean inputs, got 5"):
        clean_reference(clean[:5], is_shrunk=False)
    with pytest.raises(ValueError, match="finite values, got 2 that are NaN or infinite"):
        clean_reference(np.array([[np.nan], [np.inf], [1.0]]))
    with pytest.raises(ValueError, match="wanted 1 features, as the clean inputs', got 5"):
        mahalanobis(clean, Reference(np.zeros((1, 1)), np.eye(1), 0.0))
    with pytest.raises(ValueError, match="at least 19 clean inputs for 5% false alarms, got 18"):
        alarm(np.arange(18.0))
    with pytest.raises(ValueError, match="share of false alarms between 0 and 1, got 1"):
        alarm(np.arange(18.0), false_alarms=1.0)
    with pytest.raises(ValueError, match="scores that are numbers, got 1 that are NaN"):
        alarm(np.array([np.nan, *np.arange(30.0)]))
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    with pytest.raises(ValueError, match="a label for each of 200 inputs, got 199"):
        clean_reference(clean, labels[1:])
