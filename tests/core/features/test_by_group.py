import numpy as np
import pytest
import torch

from featcx_core.features.by_group import GroupedSums, outside_each
from featcx_core.features.kernels import KernelSums
from featcx_core.features.moments import Moments
from tests.references import kernels as kernel_reference
from tests.references import moments as reference

HALVES = (slice(0, 48), slice(48, 90))
GROUPS = 4


def data(*, seed=0):
    chance = np.random.default_rng(seed)
    x = chance.standard_normal((90, 5)) + 30
    return x, x[:, :1] + chance.standard_normal((90, 3)) + 5


def grouped(kind, x, z, *, size):
    return [GroupedSums.of(kind, x[half], z[half], groups=GROUPS, at_once=size) for half in HALVES]


@pytest.mark.parametrize("size", [1, 3, 13, 48])
def test_without_each_group_are_the_sums_of_the_other_images(size):
    x, z = data()
    group = np.concatenate([np.arange(48) % GROUPS, np.arange(42) % GROUPS])  # each half counts from its first image
    fit, score = grouped(Moments, x, z, size=size)
    for left_out, left in enumerate(outside_each(fit, score)):
        others = group != left_out
        assert left.n == others.sum()
        expected = reference.centred_products(x[others], z[others])
        np.testing.assert_allclose(left.centred().xz, expected, rtol=1e-9, atol=1e-9)
    whole = fit.whole.merge(score.whole)
    np.testing.assert_allclose(whole.centred().xz, reference.centred_products(x, z), rtol=1e-9, atol=1e-9)


def test_kernel_sums_are_grouped_alike():
    x, z = data()
    group = np.concatenate([np.arange(48) % GROUPS, np.arange(42) % GROUPS])
    for left_out, left in enumerate(outside_each(*grouped(KernelSums, x, z, size=13))):
        expected = kernel_reference.diagonals(x[group != left_out], z[group != left_out])
        for ours, theirs in zip(left.diagonals(), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-8)


def half(n=53, units=4, concepts=3, seed=0):
    chance = np.random.default_rng(seed)
    return chance.normal(size=(n, units)) + 5, chance.normal(size=(n, concepts)) - 2


def about_means(x, z):
    """n, means, X'X, X'Z and z'z of these images."""
    x_mean, z_mean = x.mean(0), z.mean(0)
    return len(x), x_mean, z_mean, (x - x_mean).T @ (x - x_mean), (x - x_mean).T @ (z - z_mean), z.var(0) * len(z)


def equal(sets, place, expected):
    for found, wanted in zip(sets, expected, strict=False):
        np.testing.assert_allclose(found[place], wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", [1, 6, 7, 53])
def test_every_set_is_that_of_its_images(size):
    x, z = half()
    sums, group = GroupedSums.of(Moments, x, z, groups=7, at_once=size), np.arange(53) % 7
    equal(sums.everything(), 0, about_means(x, z))
    left = sums.without(2, 7)
    assert len(left.n) == 5
    for g in range(2, 7):
        equal(left, g - 2, about_means(x[group != g], z[group != g]))
    for first in (0, 1):
        chosen = group % 2 == first
        equal(sums.every_second(first), 0, about_means(x[chosen], z[chosen]))


def test_the_whole_is_the_moments_of_all_images():
    x, z = half()
    ours, theirs = GroupedSums.of(Moments, x, z, groups=7, at_once=10).whole, Moments.of(x, z)
    assert ours.n == theirs.n == 53
    for name in ("xx", "xz", "zz"):
        np.testing.assert_allclose(getattr(ours.centred(), name), getattr(theirs.centred(), name), rtol=1e-10)


def test_a_code_that_varies_on_one_group_alone_is_constant_without_it():
    x, z = half()
    z[:, 1] = np.where(np.arange(53) % 7 == 3, np.arange(53.0), 0.1)
    z[:, 2] = 0.3
    sums = GroupedSums.of(Moments, x, z, groups=7)
    assert sums.everything().varies.tolist() == [[True, True, False]]
    assert sums.without(0, 7).varies.tolist() == [[True, g != 3, False] for g in range(7)]


def test_large_means_cancel_before_anything_is_multiplied():
    x, z = half()
    near, far = (GroupedSums.of(Moments, x + shift, z + shift, groups=7).without(0, 7) for shift in (0, 2.0**20))
    np.testing.assert_allclose(far.xz, near.xz, rtol=1e-6)


def test_inputs_stay_as_they_are():
    x, z = (torch.from_numpy(array) for array in half())
    x_before, z_before = x.clone(), z.clone()
    GroupedSums.of(Moments, x, z, groups=5)
    assert torch.equal(x, x_before)
    assert torch.equal(z, z_before)


def test_errors():
    x, z = half()
    with pytest.raises(ValueError, match="at least one image for each of 54 groups, got 53 images"):
        GroupedSums.of(Moments, x, z, groups=54).everything()
    with pytest.raises(ValueError, match="at least 2 groups of images, got 1"):
        GroupedSums(Moments, groups=1)
    x[40, 2] = np.inf
    with pytest.raises(ValueError, match=r"finite activations, got 1 values .* image 40, unit 2"):
        GroupedSums.of(Moments, x, z, groups=5, at_once=16)
