import numpy as np
import pytest
import torch

from featcx_core.measures import spectra as module
from featcx_core.measures.spectra import (
    ALL_CLASSES,
    GroupSpectra,
    Spectra,
    group_spectra,
    mean_by_class,
    relative_change,
)
from tests.references import spectra as reference


def planted(groups=30, copies=6, units=9, sigma=0.1, seed=0):
    """Noisy copies of a vector each."""
    chance = np.random.default_rng(seed)
    centre = chance.random((groups, 1, units)) + 0.5
    return centre + sigma * chance.normal(size=(groups, copies, units))


def test_by_hand():
    # squares 16 + 9: a diagonal matrix's singular values are its entries
    spectrum = group_spectra(np.array([[[4.0, 0, 0], [0, 3.0, 0]], [[1.0, 1.0, 0], [1.0, 1.0, 0]]]))
    assert spectrum.s1 == pytest.approx([4, 2])
    assert spectrum.s2 == pytest.approx([3, 0], abs=1e-7)
    assert spectrum.first == pytest.approx([16 / 25, 1])
    assert spectrum.second == pytest.approx([9 / 25, 0])
    assert spectrum.rest == pytest.approx([0, 0])


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("copies", "units"), [(6, 9), (9, 6), (5, 5), (2, 7), (7, 2)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_equals_singular_values(copies, units, centred, kind):
    acts = planted(copies=copies, units=units).astype(kind)
    expected = np.array(reference.spectra(acts, centred=centred)).T
    np.testing.assert_allclose(np.stack(group_spectra(acts, centred=centred)), expected, rtol=1e-8, atol=1e-7)


@pytest.mark.parametrize("sigma", [1e-2, 1e-4])
def test_small_noise_beside_a_large_image_is_not_lost(sigma):
    acts = planted(copies=20, units=64, sigma=sigma)
    expected = np.array(reference.spectra(acts))
    spectrum = group_spectra(acts)
    np.testing.assert_allclose(spectrum.s2, expected[:, 1], rtol=1e-6)
    np.testing.assert_allclose(spectrum.s1, expected[:, 0], rtol=1e-12)


def test_shares_add_up_to_1_and_are_free_of_scale_rotation_and_order():
    acts = planted()
    spectrum = group_spectra(acts)
    np.testing.assert_allclose(spectrum.first + spectrum.second + spectrum.rest, 1, rtol=1e-12)
    assert ((spectrum.first >= spectrum.second) & (spectrum.second >= 0) & (spectrum.rest >= 0)).all()
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(9, 9)))
    moved = group_spectra(3 * acts[:, ::-1] @ rotation)
    np.testing.assert_allclose(moved.second, spectrum.second, rtol=1e-9)
    np.testing.assert_allclose(moved.s1, 3 * spectrum.s1, rtol=1e-10)


def test_more_noise_takes_from_the_first_component():
    shares = [group_spectra(planted(sigma=sigma)).first.mean() for sigma in (0.01, 0.1, 0.2, 0.5)]
    assert (np.diff(shares) < 0).all()


def test_pure_noise_has_the_spectrum_of_random_matrices():
    # Marchenko-Pastur: s1² reaches (√copies + √units)²
    acts = np.random.default_rng(0).normal(size=(50, 100, 400))
    assert group_spectra(acts).s1.mean() == pytest.approx(10 + 20, rel=0.02)


@pytest.mark.parametrize("size", [1, 7, 6, 25, 1000])
def test_independent_of_how_the_rows_are_cut(size):
    acts = planted()
    rows, stream = acts.reshape(-1, 9), GroupSpectra(n_copies=6)
    for start in range(0, len(rows), size):
        stream.add(rows[start : start + size])
    for part, expected in zip(stream.result(), group_spectra(acts), strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-9, atol=1e-12)


def test_independent_of_how_many_groups_are_held_at_once(monkeypatch):
    whole = group_spectra(planted())
    monkeypatch.setattr(module, "_VALUES_AT_ONCE", 100)
    for part, expected in zip(group_spectra(torch.from_numpy(planted())), whole, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-12)


def test_what_is_never_active_has_singular_values_and_no_shares():
    acts = planted()
    acts[3] = 0
    spectrum = group_spectra(acts)
    assert (spectrum.s1[3], spectrum.s2[3]) == (0, 0)
    assert np.isnan([spectrum.first[3], spectrum.second[3], spectrum.rest[3]]).all()
    assert np.isfinite(np.delete(np.stack(spectrum), 3, axis=1)).all()
    means = mean_by_class(spectrum, np.zeros(30, dtype=int))
    assert means.n_groups.tolist() == [29, 29]
    assert means.mean.first[0] == pytest.approx(np.nanmean(spectrum.first))


def test_a_single_copy_has_a_single_component_and_no_group_is_no_error():
    spectrum = group_spectra(planted(copies=1))
    np.testing.assert_allclose(spectrum.first, 1)
    assert (spectrum.s2 == 0).all()
    assert len(group_spectra(np.zeros((0, 3, 2))).s1) == 0


def test_means_count_each_class_the_same():
    spectrum = group_spectra(planted())
    class_of = np.array([4] * 20 + [1] * 10)
    means = mean_by_class(spectrum, class_of)
    assert means.class_id.tolist() == [1, 4, ALL_CLASSES]
    assert means.n_groups.tolist() == [10, 20, 30]
    for name in Spectra._fields:
        values, row = getattr(spectrum, name), getattr(means.mean, name)
        expected = [values[20:].mean(), values[:20].mean()]
        np.testing.assert_allclose(row, [*expected, np.mean(expected)], rtol=1e-12)


def test_a_class_of_nothing_but_silence_has_no_mean():
    spectrum = group_spectra(np.concatenate([planted(groups=2), np.zeros((2, 6, 9))]))
    means = mean_by_class(spectrum, np.array([0, 0, 1, 1]))
    assert means.n_groups.tolist() == [2, 0, 2]
    assert np.isnan(means.mean.s1).tolist() == [False, True, False]
    silent = mean_by_class(group_spectra(np.zeros((2, 6, 9))), np.array([0, 0]))
    assert np.isnan(silent.mean.first).all()


def test_relative_change():
    values = np.array([[2.0, 0.0], [1.0, 4.0], [3.0, 2.0]])
    change = relative_change(values, passes=[0.0, 1.0, 5.0])
    assert np.isnan(change[0]).all()
    assert np.isnan(change[1, 1])  # from 0
    assert change[1, 0] == -0.5
    assert change[2].tolist() == [0.5, -0.125]


def test_errors():
    acts = planted()
    with pytest.raises(ValueError, match="at least 1 copy and 1 unit, got 0 and 9"):
        group_spectra(acts[:, :0])
    acts[0, 1, 2] = np.inf
    with pytest.raises(ValueError, match="finite activations of noisy copies, got 1 values"):
        group_spectra(acts)
    with pytest.raises(ValueError, match="at least 1 copy, got 0"):
        GroupSpectra(n_copies=0)
    stream = GroupSpectra(n_copies=6)
    with pytest.raises(ValueError, match="whole groups of 6 copies, got 0 rows beyond"):
        stream.result()
    stream.add(np.ones((8, 2)))
    with pytest.raises(ValueError, match="whole groups of 6 copies, got 2 rows beyond"):
        stream.result()
    with pytest.raises(ValueError, match="class of each of 30 groups, at least one, got 29"):
        mean_by_class(group_spectra(planted()), np.zeros(29, dtype=int))
    with pytest.raises(ValueError, match=r"wanted 2 passes that rise, one a checkpoint, got \[1.0, 1.0\]"):
        relative_change(np.ones(2), passes=[1.0, 1.0])
