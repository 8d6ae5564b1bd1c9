import numpy as np
import pytest
import torch

from featcx_core.features.by_group import GroupedSums
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


def grouped(kind, x, z, *, size, groups=GROUPS):
    sums = GroupedSums(kind, groups=groups)
    for half in HALVES:
        for start in range(0, len(x[half]), size):
            chunk = slice(start, start + size)
            sums.add(x[half][chunk], z[half][chunk], first_image=start)
    return sums


@pytest.mark.parametrize("size", [1, 3, 13, 48])
def test_without_each_group_are_the_sums_of_the_other_images(size):
    x, z = data()
    group = np.concatenate([np.arange(48) % GROUPS, np.arange(42) % GROUPS])  # each half counts from its first image
    sums = grouped(Moments, x, z, size=size)
    for left_out, left in enumerate(sums.without_each()):
        others = group != left_out
        assert left.n == others.sum()
        expected = reference.centred_products(x[others], z[others])
        np.testing.assert_allclose(left.centred().xz, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(sums.whole.centred().xz, reference.centred_products(x, z), rtol=1e-9, atol=1e-9)


def test_kernel_sums_are_grouped_alike():
    x, z = data()
    group = np.concatenate([np.arange(48) % GROUPS, np.arange(42) % GROUPS])
    for left_out, left in enumerate(grouped(KernelSums, x, z, size=13).without_each()):
        expected = kernel_reference.diagonals(x[group != left_out], z[group != left_out])
        for ours, theirs in zip(left.diagonals(), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-8)


def test_inputs_stay_as_they_are():
    x, z = (torch.from_numpy(array) for array in data())
    before = x.clone(), z.clone()
    grouped(Moments, x, z, size=13)
    assert torch.equal(x, before[0])
    assert torch.equal(z, before[1])


def test_nan_is_placed_by_its_number_within_the_half():
    x, z = data()
    x[48 + 20, 3] = np.nan
    with pytest.raises(ValueError, match=r"activations, got 1 .* image 20, unit 3; try a checkpoint from before"):
        grouped(Moments, x, z, size=13)
