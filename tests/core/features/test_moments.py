import jaxtyping
import numpy as np
import pytest
import torch

from featcx_core.features.moments import Moments
from tests.references import moments as reference


def data(n=200, units=7, concepts=5, mean=0.0, dtype=torch.float32, seed=0):
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(n, units, generator=chance, dtype=torch.float64) + mean
    z = torch.rand(n, concepts, generator=chance, dtype=torch.float64) + x[:, :1] + mean
    return x.to(dtype), z.to(dtype)


def sums(moments):
    c = moments.centred()
    return (c.xx, c.xz, c.zz, c.x_mean + moments.x_offset, c.z_mean + moments.z_offset)


def test_three_images_by_hand():
    moments = Moments.of(np.array([[1.0], [2.0], [6.0]]), np.array([[1.0], [0.0], [2.0]]))
    centred = moments.centred()
    # about the means 3 and 1: x = -2, -1, 3 and z = 0, -1, 1
    assert (centred.n, centred.xx.item(), centred.xz.item(), centred.zz.item()) == pytest.approx((3, 14, 4, 2))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_centred_sums_equal_exact_addition(dtype, tolerance, mean):
    x, z = data(mean=mean, dtype=dtype)
    xx, xz, zz, x_mean, z_mean = sums(Moments.of(x, z))
    scale = len(x)
    np.testing.assert_allclose(xx, reference.centred_products(x.numpy(), x.numpy()), atol=tolerance * scale)
    np.testing.assert_allclose(xz, reference.centred_products(x.numpy(), z.numpy()), atol=tolerance * scale)
    np.testing.assert_allclose(zz, np.diag(reference.centred_products(z.numpy(), z.numpy())), atol=tolerance * scale)
    np.testing.assert_allclose(x_mean, x.double().mean(0), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(z_mean, z.double().mean(0), rtol=1e-6, atol=1e-7)


def test_a_large_mean_costs_float32_nothing():
    x, z = data(mean=1000.0, dtype=torch.float64)
    x, z = x.float(), z.float()  # what is stored; its own rounding is not ours
    exact = reference.centred_products(x.numpy(), x.numpy())
    naive = (x.T @ x - len(x) * torch.outer(x.mean(0), x.mean(0))).numpy()
    ours = sums(Moments.of(x, z))[0].numpy()
    assert np.abs(ours - exact).max() < 1e-3 < np.abs(naive - exact).max()


@pytest.mark.parametrize("size", [1, 17, 64, 200])
def test_chunks_of_any_size_give_the_same_sums(size):
    x, z = data(mean=5.0)
    whole = sums(Moments.of(x, z))
    cut = sums(Moments.over(zip(x.split(size), z.split(size), strict=True)))
    for a, b in zip(cut, whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-4)


def test_merging_halves_with_different_offsets_equals_one_pass():
    x, z = data(dtype=torch.float64)
    x[100:] += 30
    first, second = Moments.of(x[:100], z[:100]), Moments.of(x[100:], z[100:])
    before = first.xx.clone()
    merged = first.merge(second)
    assert merged.n == 200
    assert torch.equal(first.xx, before)
    for a, b in zip(sums(merged), sums(Moments.of(x, z)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-9)


def test_some_concepts_only():
    x, z = data(dtype=torch.float64)
    for a, b in zip(sums(Moments.of(x, z).only(torch.tensor([3, 0]))), sums(Moments.of(x, z[:, [3, 0]])), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("value", [0.1, 1e6, -3e-7])
def test_a_constant_code_has_variance_exactly_zero(value):
    x, z = data()
    z[:, 2] = value
    halves = Moments.over(zip(x[:77].split(13), z[:77].split(13), strict=True)), Moments.of(x[77:], z[77:])
    zz = halves[0].merge(halves[1]).centred().zz
    assert zz[2] == 0
    assert (zz[[0, 1, 3, 4]] > 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_lower_precision_is_multiplied_in_float64(dtype):
    x, z = data(mean=3.0, dtype=dtype)
    moments = Moments.of(x, z)
    assert moments.x_offset.dtype == moments.xx.dtype == torch.float64
    exact = reference.centred_products(x.double().numpy(), x.double().numpy())
    np.testing.assert_allclose(sums(moments)[0], exact, rtol=1e-12, atol=1e-10)


def test_the_smallest_direction_survives():
    x, z = data(dtype=torch.float64)
    x[:, 1] = x[:, 0] + 1e-3 * x[:, 1]  # a share of 1e-7 of the variance
    x = x.float()
    smallest = torch.linalg.eigvalsh(sums(Moments.of(x, z.float()))[0])[0].item()
    exact = np.linalg.svd(x.double().numpy() - x.double().mean(0).numpy(), compute_uv=False)[-1] ** 2
    assert smallest == pytest.approx(exact, rel=1e-7)


def test_inputs_stay_as_they_are():
    x, z = data()
    before = x.clone(), z.clone()
    Moments.over(zip(x.split(50), z.split(50), strict=True)).centred()
    assert torch.equal(x, before[0])
    assert torch.equal(z, before[1])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("side", "text"), [(0, "activations, got 2 .* image 70, unit 3"), (1, "codes, .* concept 3")])
def test_nan_is_counted_and_placed(value, side, text):
    both = data()
    both[side][70, 3] = both[side][71, 4] = value
    with pytest.raises(ValueError, match=text):
        Moments.over(zip(both[0].split(64), both[1].split(64), strict=True))


def test_values_that_only_overflow_when_added_are_no_error():
    x, z = data(dtype=torch.float64)
    x[:, 0] *= 1e300
    assert Moments.of(x / 1e200, z).n == 200


def test_nothing_to_add():
    with pytest.raises(ValueError, match="at least one chunk"):
        Moments.over([])
    x, z = data()
    with pytest.raises(ValueError, match="at least one image"):
        Moments.of(x[:0], z[:0])


def test_different_images(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    x, z = data()
    with pytest.raises(ValueError, match="same images, got 200 and 199"):
        Moments.of(x, z[1:])
