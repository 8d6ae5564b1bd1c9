import math

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from featcx_core.measures.mutual_information import BinCounts, bin_edges, mutual_information
from tests.references import selectivity as reference


def planted(n=400, units=6, classes=5, seed=0):
    """Rectified units that say more and more of the class."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, classes, n)
    drive = (labels[:, None] == np.arange(units) % classes) * np.linspace(0, 3, units)
    return np.maximum(chance.normal(size=(n, units)) + drive - 0.5, 0), labels


def test_by_hand():
    # two bins, two classes: 3 of 4 agree
    acts = np.array([[0.0], [0.0], [1.0], [1.0]])
    bits = mutual_information(acts, np.array([0, 0, 1, 0]), n_classes=2, n_bins=2, rule="width").bits
    expected = 0.5 * math.log2(4 / 3) + 0.25 * math.log2(2 / 3) + 0.25 * math.log2(2)
    assert bits == pytest.approx([expected])


@pytest.mark.parametrize("rule", ["population", "width"])
def test_equals_the_definition_and_scikit_learn(rule):
    acts, labels = planted()
    result = mutual_information(acts, labels, n_classes=5, n_bins=12, rule=rule)
    edges = bin_edges(acts, n_bins=12, rule=rule).numpy()
    for unit in range(acts.shape[1]):
        written_out = reference.mutual_information(acts[:, unit], labels, edges[unit])
        assert result.bits[unit] == pytest.approx(written_out, rel=1e-10)
        place = np.searchsorted(edges[unit], acts[:, unit])
        assert result.bits[unit] == pytest.approx(mutual_info_score(labels, place) / math.log(2), rel=1e-10)


def test_edges():
    values = np.arange(101.0)[:, None]
    assert bin_edges(values, n_bins=4).numpy() == pytest.approx(np.array([[25.0, 50.0, 75.0]]))
    assert bin_edges(values**2, n_bins=4, rule="width").numpy() == pytest.approx(np.array([[2500.0, 5000.0, 7500.0]]))
    acts, _ = planted()
    np.testing.assert_allclose(
        bin_edges(acts, n_bins=20).numpy(), np.quantile(acts, np.arange(1, 20) / 20, axis=0).T, rtol=1e-12
    )


def test_a_value_that_many_share_has_a_bin_of_its_own():
    acts = np.concatenate([np.zeros(60), np.linspace(0.1, 1, 40)])[:, None]
    counts = BinCounts(bin_edges(acts, n_bins=10), n_classes=2)
    counts.add(acts, np.arange(100) % 2)
    assert counts.counts.sum(2)[0].tolist()[0] == 60


def test_independent_data_score_what_is_expected_by_chance():
    chance = np.random.default_rng(0)
    result = mutual_information(chance.random((200, 500)), chance.integers(0, 10, 200), n_classes=10, n_bins=10)
    assert result.bits.mean() > 0.25  # far from 0
    error = result.bits.std() / math.sqrt(500)
    assert abs(result.bits.mean() - result.by_chance_bits.mean()) < 3 * error
    acts, labels = planted()
    driven = mutual_information(acts, labels, n_classes=5)
    assert (driven.bits[3:] > 2 * driven.by_chance_bits[3:]).all()


def test_bounds_and_invariances():
    acts, labels = planted()
    result = mutual_information(acts, labels, n_classes=5)
    np.testing.assert_allclose(mutual_information(np.exp(acts), labels, n_classes=5).bits, result.bits, rtol=1e-12)
    shares = np.bincount(labels) / len(labels)
    entropy = -(shares * np.log2(shares)).sum()
    assert ((result.bits >= 0) & (result.bits <= entropy)).all()
    told = mutual_information(labels[:, None].astype(float), labels, n_classes=5, rule="width")
    assert told.bits == pytest.approx([entropy])
    constant = mutual_information(np.full((400, 1), 0.7), labels, n_classes=9)
    assert (constant.bits[0], constant.by_chance_bits[0]) == (0, 0)


@pytest.mark.parametrize("size", [1, 33])
def test_independent_of_the_chunk_size(size):
    acts, labels = planted()
    whole, counts = mutual_information(acts, labels, n_classes=5), BinCounts(bin_edges(acts), n_classes=5)
    for start in range(0, len(acts), size):
        counts.add(acts[start : start + size], labels[start : start + size])
    np.testing.assert_array_equal(counts.result().bits, whole.bits)


def test_takes_tensors():
    acts, labels = planted()
    result = mutual_information(torch.from_numpy(acts), torch.from_numpy(labels), n_classes=5)
    np.testing.assert_array_equal(result.bits, mutual_information(acts, labels, n_classes=5).bits)


def test_errors():
    acts, labels = planted()
    with pytest.raises(ValueError, match="at least 1 image and 2 bins, got 400 and 1"):
        bin_edges(acts, n_bins=1)
    with pytest.raises(ValueError, match="rule population or width, got 'depth'"):
        bin_edges(acts, rule="depth")
    with pytest.raises(ValueError, match="finite activations"):
        bin_edges(np.array([[np.nan]]))
    counts = BinCounts(bin_edges(acts), n_classes=5)
    with pytest.raises(ValueError, match=r"400 images, one a label, and 6 units, got \(400, 5\)"):
        counts.add(acts[:, 1:], labels)
    with pytest.raises(ValueError, match="labels from 0 to 4, got 0 to 5"):
        counts.add(acts, labels + (labels == 4))
    with pytest.raises(ValueError, match="finite activations"):
        counts.add(np.full_like(acts, np.inf), labels)
    with pytest.raises(ValueError, match="at least one image, got none"):
        counts.result()
