import numpy as np
import pytest
import torch

from featcx_core.features.moments import Moments
from featcx_core.measures import redundancy as module
from featcx_core.measures.redundancy import masks, redundancy
from tests.references import redundancy as reference


def planted(n=80, units=12, concepts=7, seed=0):
    chance = np.random.default_rng(seed)
    acts = np.maximum(chance.normal(size=(n, units)) @ chance.normal(size=(units, units)), 0)
    codes = np.maximum(acts @ chance.normal(size=(units, concepts)) + chance.normal(size=(n, concepts)), 0)
    return acts, codes


def sums(acts, codes):
    centred = Moments.over(zip(np.array_split(acts, 4), np.array_split(codes, 4), strict=True)).centred()
    return centred.xx.numpy(), centred.xz.numpy()


def test_by_hand():
    # z is unit 0 alone; of two units of like variance one is kept: CKA 1 or 0 against 1/√2 for both
    gram, cross = np.diag([4.0, 4.0]), np.array([[3.0], [0.0]])
    kept = masks(2, masked_fraction=0.5, n_masks=6, seed=1)
    expected = np.where(kept[:, 0], np.sqrt(2), 0.0)
    result = redundancy(gram, cross, masked_fraction=0.5, n_masks=6, seed=1)
    assert 0 < kept[:, 0].sum() < 6
    assert result.redundancy == pytest.approx([expected.mean()])
    assert result.standard_deviation == pytest.approx([expected.std()])


@pytest.mark.parametrize("masked_fraction", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("quiet", [1.0, 1e-3, 1e-6])
def test_equals_the_definition_with_all_images(masked_fraction, quiet):
    acts, codes = planted()
    acts[:, 4:] *= quiet  # a mask may leave most units and next to none of the variance
    kept = masks(acts.shape[1], masked_fraction=masked_fraction, n_masks=20, seed=3)
    mean, deviation = reference.redundancy(acts, codes, kept)
    result = redundancy(*sums(acts, codes), masked_fraction=masked_fraction, seed=3)
    np.testing.assert_allclose(result.redundancy, mean, rtol=1e-10)
    np.testing.assert_allclose(result.standard_deviation, deviation, rtol=1e-8)
    printed, _ = reference.redundancy(acts, codes, kept, similarity=reference.as_printed)
    np.testing.assert_allclose(result.as_printed, printed, rtol=1e-10)


def test_nothing_masked_is_one():
    result = redundancy(*sums(*planted()), masked_fraction=0.0, seed=0)
    np.testing.assert_allclose(result.redundancy, 1)
    np.testing.assert_allclose(result.standard_deviation, 0, atol=1e-12)
    np.testing.assert_allclose(result.as_printed, 1)


def test_the_mean_does_not_tell_a_spread_concept_from_one_of_a_single_unit_but_the_deviation_does():
    # every unit is one shared signal and noise of its own: the signal is in all of them, the noise in one
    chance = np.random.default_rng(0)
    signal, noise = chance.normal(size=(4000, 1)), chance.normal(size=(4000, 40))
    codes = np.concatenate([signal, noise[:, :1]], axis=1)
    result = redundancy(*sums(signal + noise, codes), masked_fraction=0.5, n_masks=2000, seed=0)
    spread, local = result.redundancy
    assert spread == pytest.approx(local, abs=0.05)  # E[m · C²] is the same share of both
    assert 10 * result.standard_deviation[0] < result.standard_deviation[1]


def test_scale_of_codes_and_layer_does_not_count():
    acts, codes = planted()
    expected = redundancy(*sums(acts, codes), masked_fraction=0.5, seed=0)
    scaled = redundancy(*sums(7 * acts, codes * np.arange(1, 8)), masked_fraction=0.5, seed=0)
    np.testing.assert_allclose(scaled.redundancy, expected.redundancy)


def test_masks_remove_their_share_and_are_nested():
    kept = {share: masks(10, masked_fraction=share, n_masks=20, seed=5) for share in (0.1, 0.5, 0.9)}
    assert [mask.sum(1).tolist() for mask in kept.values()] == [[9] * 20, [5] * 20, [1] * 20]
    assert (kept[0.5] <= kept[0.1]).all()
    assert (kept[0.9] <= kept[0.5]).all()
    assert len(np.unique(kept[0.5], axis=0)) > 10
    assert (masks(10, masked_fraction=0.5, n_masks=20, seed=5) == kept[0.5]).all()
    assert (masks(10, masked_fraction=0.5, n_masks=20, seed=6) != kept[0.5]).any()
    assert masks(2, masked_fraction=0.99, n_masks=3, seed=0).sum(1).tolist() == [1, 1, 1]


def test_undefined_where_the_layer_says_nothing_of_it():
    gram, cross = np.eye(3), np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    result = redundancy(gram, cross, masked_fraction=0.5, seed=0)
    assert np.isnan(result.redundancy).tolist() == [False, True]
    assert np.isnan(result.as_printed).tolist() == [False, True]
    for part in redundancy(np.zeros((3, 3)), np.zeros((3, 2)), masked_fraction=0.5, seed=0):
        assert np.isnan(part).all()


def test_a_mask_that_leaves_units_that_never_vary_counts_zero():
    gram, cross = np.diag([1.0, 0.0]), np.array([[1.0], [0.0]])
    kept = masks(2, masked_fraction=0.5, n_masks=40, seed=0)
    result = redundancy(gram, cross, masked_fraction=0.5, n_masks=40, seed=0)
    assert result.redundancy == pytest.approx([kept[:, 0].mean()])
    assert result.as_printed == pytest.approx([kept[:, 0].mean()])


@pytest.mark.parametrize("size", [1, 3, 64])
def test_independent_of_how_many_masks_are_held_at_once(monkeypatch, size):
    whole = redundancy(*sums(*planted()), masked_fraction=0.5, seed=0)
    monkeypatch.setattr(module, "_MASKS_AT_ONCE", size)
    result = redundancy(*sums(*planted()), masked_fraction=0.5, seed=0)
    np.testing.assert_allclose(result.redundancy, whole.redundancy, rtol=1e-12)


def test_kind_comes_back():
    gram, cross = (torch.from_numpy(part) for part in sums(*planted()))
    assert isinstance(redundancy(gram, cross, masked_fraction=0.5, seed=0).redundancy, torch.Tensor)


def test_errors():
    gram, cross = sums(*planted())
    with pytest.raises(ValueError, match="share of at least 0 and below 1, got 1"):
        redundancy(gram, cross, masked_fraction=1.0, seed=0)
    with pytest.raises(ValueError, match="at least one mask, got 0"):
        redundancy(gram, cross, masked_fraction=0.5, n_masks=0, seed=0)
