import numpy as np
import pytest
import torch

from featcx_core.measures.decomposed import decompose


def acts(n=50, units=8, seed=0):
    return np.random.default_rng(seed).normal(size=(n, units)) + 3


def test_factors_give_the_centred_activations_back():
    x = acts()
    layer = decompose(x)
    made = (layer.scores * layer.strengths) @ layer.loadings.T
    np.testing.assert_allclose(made, x - x.mean(0), atol=1e-12)
    np.testing.assert_allclose(layer.scores.T @ layer.scores, np.eye(8), atol=1e-12)
    np.testing.assert_allclose(layer.loadings.T @ layer.loadings, np.eye(8), atol=1e-12)
    np.testing.assert_allclose(layer.strengths, np.linalg.svd(x - x.mean(0), compute_uv=False))
    np.testing.assert_allclose(layer.energies, np.square(x - x.mean(0)).sum(1))
    np.testing.assert_allclose(layer.mean, x.mean(0))
    assert (layer.n_images, layer.n_units) == (50, 8)


def test_within_classes_the_mean_of_each_is_subtracted():
    x, labels = acts(), np.arange(50) % 3 * 7
    layer = decompose(x, labels=labels)
    expected = np.stack([row - x[labels == label].mean(0) for row, label in zip(x, labels, strict=True)])
    np.testing.assert_allclose((layer.scores * layer.strengths) @ layer.loadings.T, expected, atol=1e-12)
    assert [labels[members].tolist() for members in layer.members] == [[0] * 17, [7] * 17, [14] * 16]


def test_rounding_leaves_no_direction():
    x = acts()
    repeated = np.column_stack([x, x[:, 0] + x[:, 1], np.full(50, 0.1)]).astype(np.float32)
    assert decompose(repeated).scores.shape == (50, 8)
    assert decompose(np.full((50, 4), 0.1, dtype=np.float32)).scores.shape == (50, 0)
    assert decompose(acts(n=5, units=8)).scores.shape == (5, 4)  # fewer images than units
    constant_within = decompose(np.arange(50)[:, None] % 5 * 0.1, labels=np.arange(50) % 5)
    assert constant_within.scores.shape == (50, 0)


@pytest.mark.parametrize(
    ("threshold", "squared", "kept"),
    [(0.5, False, 1), (0.6, False, 2), (0.75, True, 1), (0.8, True, 2), (0.99, False, 3), (1.0, True, 3)],
)
def test_leading_directions_by_hand(threshold, squared, kept):
    columns = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]).T / 2
    assert decompose(columns * [4.0, 2.0, 1.0]).leading(threshold, squared=squared) == kept  # of 7, or of 21


@pytest.mark.parametrize("labels", [None, np.arange(50) % 3])
def test_without_each_group_is_the_decomposition_of_the_other_images(labels):
    x = acts()
    for group, layer in enumerate(decompose(x, labels=labels).without_each(4)):
        kept = np.arange(50) % 4 != group
        anew = decompose(x[kept], labels=None if labels is None else labels[kept])
        np.testing.assert_allclose(layer.strengths, anew.strengths)
        np.testing.assert_allclose(layer.scores @ layer.scores.T, anew.scores @ anew.scores.T, atol=1e-12)
        np.testing.assert_allclose(layer.mean, anew.mean, atol=1e-12)
        np.testing.assert_allclose(
            (layer.scores * layer.strengths) @ layer.loadings.T,
            (anew.scores * anew.strengths) @ anew.loadings.T,
            atol=1e-12,
        )


def test_a_class_may_be_left_out_with_its_group():
    layers = decompose(acts(n=40), labels=np.arange(40) % 4).without_each(4)
    assert [len(layer.members) for layer in layers] == [3, 3, 3, 3]


def test_what_is_worked_out_once_is_kept():
    layer, calls = decompose(acts()), []
    for _ in range(2):
        assert layer.once("length", lambda: calls.append(1) or 5) == 5
    assert calls == [1]


def test_kinds():
    x = acts().astype(np.float32)
    assert decompose(x).scores.dtype == torch.float64
    np.testing.assert_array_equal(decompose(torch.from_numpy(x)).scores, decompose(x).scores)
    before = x.copy()
    decompose(x, labels=np.arange(50) % 2)
    np.testing.assert_array_equal(x, before)


def test_errors():
    x = acts()
    x[3, 2] = np.inf
    with pytest.raises(ValueError, match=r"wanted finite activations, got 1 values .* image 3, unit 2"):
        decompose(x)


@pytest.mark.parametrize("labels", [None, np.arange(120) % 3])
def test_a_direction_that_one_group_alone_carries_is_gone_without_it(labels):
    acts = np.random.default_rng(0).normal(size=(120, 4))
    acts[:, 3] = np.where(np.arange(120) % 5 == 2, acts[:, 3], 0)
    without = list(decompose(acts, labels=labels).without_each(5))
    for group, layer in enumerate(without):
        kept = np.arange(120) % 5 != group
        anew = decompose(acts[kept], labels=None if labels is None else labels[kept])
        assert len(layer.strengths) == (3 if group == 2 else 4)
        np.testing.assert_allclose(layer.strengths, anew.strengths, rtol=1e-9)
        gram = layer.scores * layer.strengths @ (layer.scores * layer.strengths).T
        np.testing.assert_allclose(gram, (anew.scores * anew.strengths) @ (anew.scores * anew.strengths).T, atol=1e-9)
