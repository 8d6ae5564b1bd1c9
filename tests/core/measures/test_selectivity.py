import numpy as np
import pytest
import torch

from featcx_core.measures.selectivity import selectivity, selectivity_streamed
from tests.references import selectivity as reference


def planted(n=300, units=8, classes=6, seed=0):
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, classes, n)
    acts = chance.random((n, units)) + np.linspace(0, 3, units) * (labels[:, None] == np.arange(units) % classes)
    return acts, labels


def test_by_hand():
    # class means 4, 1, 1: (4 - 1) / (4 + 1); a unit of one class alone; one that all classes drive alike
    acts = np.array([[4.0, 0.0, 2.0], [4.0, 0.0, 2.0], [1.0, 0.0, 2.0], [1.0, 7.0, 2.0]])
    result = selectivity(acts, np.array([0, 0, 1, 2]), n_classes=3)
    assert result.selectivity == pytest.approx([0.6, 1.0, 0.0])
    assert result.class_id.tolist() == [0, 2, 0]


def test_equals_the_definition():
    acts, labels = planted()
    result = selectivity(acts, labels, n_classes=6)
    index, class_id = zip(*reference.selectivity(acts, labels), strict=True)
    np.testing.assert_allclose(result.selectivity, index, rtol=1e-12)
    assert result.class_id.tolist() == list(class_id)


def test_free_of_scale_of_the_images_order_and_of_classes_without_images():
    acts, labels = planted()
    expected = selectivity(acts, labels, n_classes=6).selectivity
    order = np.random.default_rng(1).permutation(len(acts))
    other = selectivity(1000 * acts[order], labels[order] + 2, n_classes=9)
    np.testing.assert_allclose(other.selectivity, expected, rtol=1e-12)
    assert other.class_id.min() >= 2


def test_independent_data_score_what_shuffled_labels_do():
    chance = np.random.default_rng(0)
    result = selectivity(chance.exponential(size=(200, 400)), chance.integers(0, 10, 200), n_classes=10)
    assert result.selectivity.mean() > 0.1  # 20 images a class differ by chance
    assert result.by_chance.mean() == pytest.approx(result.selectivity.mean(), abs=0.005)
    acts, labels = planted()
    driven = selectivity(acts, labels, n_classes=6)
    assert (driven.selectivity[3:] > 3 * driven.by_chance[3:]).all()


@pytest.mark.parametrize("size", [1, 7, 299])
def test_independent_of_the_chunk_size(size):
    acts, labels = planted()
    whole = selectivity(acts, labels, n_classes=6, seed=3)
    chunks = (acts[start : start + size] for start in range(0, len(acts), size))
    cut = selectivity_streamed(chunks, labels, n_classes=6, seed=3)
    for part, expected in zip(cut, whole, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-10)


def test_seeded_and_without_shuffles():
    acts, labels = planted()
    first, again, other = (selectivity(acts, labels, n_classes=6, seed=seed).by_chance for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert np.isnan(selectivity(acts, labels, n_classes=6, n_shuffles=0).by_chance).all()


def test_units_without_an_index():
    acts, labels = planted()
    acts[:, 0], acts[:, 1] = 0, -1
    acts[:, 2] = np.where(labels == 0, -0.1, 1)
    acts[labels == 3, 3] = 0  # counted from an offset, its mean is not exactly 0
    result = selectivity(acts, labels, n_classes=6)
    assert np.isnan(result.selectivity).tolist() == [True, True, True, *[False] * 5]


def test_takes_tensors():
    acts, labels = planted()
    result = selectivity(torch.from_numpy(acts), torch.from_numpy(labels), n_classes=6)
    assert isinstance(result.selectivity, torch.Tensor)
    np.testing.assert_array_equal(result.by_chance, selectivity(acts, labels, n_classes=6).by_chance)


def test_errors():
    acts, labels = planted()
    with pytest.raises(ValueError, match="activations of 300 images, one a label, got 299"):
        selectivity_streamed([acts[:299]], labels, n_classes=6)
    with pytest.raises(ValueError, match="at least one image, got none"):
        selectivity_streamed([], labels, n_classes=6)
    with pytest.raises(ValueError, match="images of at least 2 classes, got 1"):
        selectivity(acts, np.zeros(300, dtype=int), n_classes=6)
    with pytest.raises(ValueError, match="labels from 0 to 4, got 0 to 5"):
        selectivity(acts, labels, n_classes=5)
