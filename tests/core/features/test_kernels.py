import numpy as np
import pytest
import torch

from featcx_core.features.kernels import KernelSums
from featcx_core.features.moments import Moments
from tests.references import kernels as reference


def data(n=90, units=6, concepts=4, *, mean=0.0, seed=0):
    chance = np.random.default_rng(seed)
    x = chance.standard_normal((n, units)) + mean
    return x, np.maximum(x[:, :1] + chance.standard_normal((n, concepts)), 0) + mean


def test_two_images_by_hand():
    # about the means x = -1, 1 and z = -2, 2: q = 1, 1 and z² = 4, 4
    found = KernelSums.of(np.array([[0.0], [2.0]]), np.array([[1.0], [5.0]])).diagonals()
    assert (found.qq.item(), found.qzz.item(), found.zzzz.item()) == (2.0, 8.0, 32.0)


@pytest.mark.parametrize("mean", [0.0, 30.0])
def test_diagonals_equal_those_of_image_by_image_kernels(mean):
    x, z = data(mean=mean)
    for ours, theirs in zip(KernelSums.of(x, z).diagonals(), reference.diagonals(x, z), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)


@pytest.mark.parametrize("size", [1, 17, 90])
def test_chunks_and_merged_parts_of_any_size_give_the_same_sums(size):
    x, z = data(mean=5.0)
    x[50:] += 20  # parts of different means, so of different offsets
    chunks = [(x[start : start + size], z[start : start + size]) for start in range(0, 90, size)]
    merged = KernelSums.of(*chunks[0])
    for chunk in chunks[1:]:
        merged = merged.merge(KernelSums.of(*chunk))
    for sums in (KernelSums.over(chunks), merged):
        for ours, theirs in zip(sums.diagonals(), reference.diagonals(x, z), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-8)


def test_merging_changes_neither_part():
    x, z = data()
    parts = KernelSums.of(x[:40], z[:40]), KernelSums.of(x[40:], z[40:])
    names = ("x_sum", "xx", "xz", "zz", "xq", "qq", "qz", "qzz", "xzz", "zzz", "zzzz")
    before = [getattr(part, name).clone() for part in parts for name in names]
    parts[0].merge(parts[1])
    assert all(map(torch.equal, before, [getattr(part, name) for part in parts for name in names]))


def test_the_moments_are_among_the_sums():
    x, z = data()
    kernels, moments = KernelSums.of(x, z), Moments.of(x, z)
    assert all(torch.equal(a, b) for a, b in zip(kernels.centred()[1:], moments.centred()[1:], strict=True))
    chosen = kernels.only(torch.tensor([2, 0]))
    assert type(chosen) is Moments
    assert torch.equal(chosen.xz, moments.only(torch.tensor([2, 0])).xz)


def test_no_chunk():
    with pytest.raises(ValueError, match="wanted at least one chunk of activations and codes, got none; try another"):
        KernelSums.over([])
