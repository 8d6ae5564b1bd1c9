import numpy as np
import pytest
import torch

from featcx_core.features.class_sums import ClassSums
from featcx_core.measures.class_information import class_information, class_information_left_out
from tests.references import class_information as reference


def planted(n=200, concepts=6, classes=5, seed=0):
    """Codes that say more and more of the class."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, classes, n)
    of_class = chance.normal(size=(classes, concepts))
    weight = np.linspace(0, 2, concepts)
    return np.maximum(of_class[labels] * weight + chance.normal(size=(n, concepts)), 0), labels


def summed(codes, labels, *, groups=1, size=10_000, classes=5):
    sums = ClassSums(n_classes=classes, groups=groups)
    for start in range(0, len(codes), size):
        sums.add(codes[start : start + size], labels[start : start + size])
    return sums


def test_by_hand():
    # class means 1 and 5, grand mean 3: between 16, within 4, total 20
    codes = np.array([[0.0], [2.0], [4.0], [6.0]])
    share = class_information(summed(codes, np.array([0, 0, 1, 1]), classes=2))
    assert share == pytest.approx([1 - (4 / 2) / (20 / 3)])


def test_equals_the_definition():
    codes, labels = planted()
    share = class_information(summed(codes, labels))
    np.testing.assert_allclose(share, reference.epsilon_squared(codes, labels), rtol=1e-10)


def test_without_a_group_is_the_definition_on_the_images_that_are_left():
    codes, labels = planted()
    left_out = class_information_left_out(summed(codes, labels, groups=7))
    for group in range(7):
        left = np.arange(len(codes)) % 7 != group
        np.testing.assert_allclose(left_out[:, group], reference.epsilon_squared(codes[left], labels[left]), rtol=1e-9)


def test_independent_data_scores_zero_on_average_where_the_plain_share_does_not():
    shares = [class_information(summed(*planted(n=60, concepts=1, seed=seed)))[0] for seed in range(300)]
    chance = np.random.default_rng(0)
    free = class_information(summed(chance.random((60, 2000)), chance.integers(0, 5, 60)))
    assert abs(free.mean()) < 0.005
    assert abs(np.mean(shares)) < 0.02
    assert (4 / 59) > 0.06  # what η² would be


def test_one_where_the_label_says_all_and_free_of_scale_and_offset():
    codes, labels = planted()
    assert class_information(summed(labels[:, None].astype(float), labels)) == pytest.approx([1.0])
    moved = class_information(summed(-3 * codes + 1e4, labels))
    np.testing.assert_allclose(moved, class_information(summed(codes, labels)), rtol=1e-6)


def test_grows_with_what_the_label_explains():
    shares = class_information(summed(*planted(n=3000)))
    assert shares[-1] > shares[1] > shares[0] - 0.01


@pytest.mark.parametrize("size", [3, 64])
def test_independent_of_the_chunk_size(size):
    codes, labels = planted()
    whole = class_information(summed(codes, labels))
    np.testing.assert_allclose(class_information(summed(codes, labels, size=size)), whole, rtol=1e-9)


def test_a_code_that_never_varies_has_none_and_the_kind_comes_back():
    codes, labels = planted()
    codes[:, 2] = 0.3
    sums = ClassSums(n_classes=5, groups=4)
    sums.add(torch.from_numpy(codes), torch.from_numpy(labels))
    share = class_information(sums)
    assert isinstance(share, torch.Tensor)
    assert torch.isnan(share).tolist() == [False, False, True, False, False, False]
    assert torch.isnan(class_information_left_out(sums)[2]).all()


def test_what_is_left_may_be_too_little():
    left_out = class_information_left_out(
        summed(np.array([[0.0], [1.0], [2.0]]), np.array([0, 0, 1]), groups=3, classes=2)
    )
    assert np.isnan(left_out).all()


def test_errors():
    with pytest.raises(ValueError, match="at least one image, got none"):
        class_information(ClassSums(n_classes=2))
    with pytest.raises(ValueError, match="more images than classes, got 2 images of 2 classes"):
        class_information(summed(np.array([[0.0], [1.0]]), np.array([0, 1])))
    with pytest.raises(ValueError, match=r"at least 2 classes, .* got 3 images of 1 classes"):
        class_information(summed(np.ones((3, 1)), np.zeros(3, dtype=int)))
    with pytest.raises(ValueError, match="at least 2 groups of images, got 1"):
        class_information_left_out(summed(*planted()))
