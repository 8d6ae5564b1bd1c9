import jaxtyping
import numpy as np
import pytest
import torch

from featcx_core.measures.decode_time import decode_time, decode_time_normalised, first_epoch, times_over_images
from featcx_core.measures.over_images import Redrawn
from tests.references import decode_time as reference

CURVES = np.array([[0.1, 0.0, 0.9], [0.3, 0.0, 0.5], [0.8, 0.5, 0.6], [0.6, 0.6, 0.6]])
EPOCHS = np.array([1, 2, 5, 12])


def test_by_hand():
    assert decode_time(CURVES) == pytest.approx([1 - 1.8 / 4, 1 - 1.1 / 4, 1 - 2.6 / 4])
    assert first_epoch(CURVES, EPOCHS).tolist() == [2, 5, 1]


def test_equals_the_definition():
    chance = np.random.default_rng(0)
    curves = chance.random((30, 50)) * np.linspace(0, 1, 30)[:, None]
    epochs = np.cumsum(chance.integers(1, 4, size=30))
    np.testing.assert_allclose(decode_time(curves), reference.decode_time(curves), rtol=1e-12)
    assert first_epoch(curves, epochs).tolist() == reference.first_epoch(curves, epochs)


def test_bounds_and_earlier_is_lower():
    early = (np.arange(10)[:, None] >= np.arange(10)).astype(float)  # concept i is there from checkpoint i on
    times = decode_time(early)
    assert times[0] == 0
    assert (np.diff(times) > 0).all()
    assert decode_time(np.zeros((10, 1))) == 1
    assert first_epoch(early, np.arange(1, 11)).tolist() == list(range(1, 11))


def test_nothing_to_reach():
    curves = np.array([[np.nan, 0.3, 0.0], [np.nan, 0.0, 0.0]])
    assert first_epoch(curves, np.array([1, 2])).tolist() == [-1, -1, -1]
    assert np.isnan(decode_time(curves)[0])


def test_kind_comes_back():
    assert isinstance(decode_time(torch.from_numpy(CURVES)), torch.Tensor)
    assert isinstance(first_epoch(CURVES, EPOCHS), np.ndarray)
    tensors = first_epoch(torch.from_numpy(CURVES), torch.from_numpy(EPOCHS))
    assert tensors.tolist() == [2, 5, 1]
    assert not tensors.is_floating_point()


def test_errors(monkeypatch):
    with pytest.raises(ValueError, match="at least one checkpoint, got none"):
        decode_time(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="at least one checkpoint, got none"):
        first_epoch(np.zeros((0, 3)), np.zeros(0, dtype=int))
    with pytest.raises(ValueError, match=r"rising epochs, got \[1, 5, 2, 12\]"):
        first_epoch(CURVES, np.array([1, 5, 2, 12]))
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    with pytest.raises(ValueError, match="got 4 rows and 3 epochs"):
        first_epoch(CURVES, EPOCHS[1:])


def test_normalised_by_hand():
    curves = np.array([[0.1, 0.9, 0.0], [0.2, 0.3, 0.4], [0.4, 0.6, 0.0]])
    # 1/4, 1/2 and 1; never below the end but once, by half; nothing is read in the end
    assert decode_time_normalised(curves)[:2] == pytest.approx([1 - 1.75 / 3, 1 - 2.5 / 3])
    assert np.isnan(decode_time_normalised(curves)[2])


def test_normalised_equals_the_definition_and_is_free_of_how_well():
    chance = np.random.default_rng(0)
    curves = np.sort(chance.random((8, 30)), axis=0)
    curves[:, 3] = np.nan
    np.testing.assert_allclose(decode_time_normalised(curves), reference.decode_time_normalised(curves), rtol=1e-12)
    scaled = curves * chance.uniform(0.1, 1, 30)
    np.testing.assert_allclose(decode_time_normalised(scaled), decode_time_normalised(curves), rtol=1e-9)
    assert np.nanmax(decode_time_normalised(curves)) <= 1 - 1 / 8
    assert isinstance(decode_time_normalised(torch.from_numpy(curves)), torch.Tensor)
    with pytest.raises(ValueError, match="at least one checkpoint, got none"):
        decode_time_normalised(np.zeros((0, 3)))


def test_over_images_is_each_resample_by_itself():
    chance = np.random.default_rng(1)
    epochs = np.array([1, 2, 5, 9])
    redrawn = np.sort(chance.random((4, 50, 6)), axis=0)  # checkpoint, draw, concept
    redrawn[:, 7, 2] = 0.0  # nothing is read of a concept in one resample
    each = [Redrawn(draws, draws[0], groups=20) for draws in redrawn]
    times = times_over_images(iter(each), epochs, at_reference=each[-1])
    np.testing.assert_allclose(times.normalised.unclipped, times.normalised.draws[0], rtol=1e-12)
    for draw in range(50):
        wanted = reference.decode_time_normalised(redrawn[:, draw])
        np.testing.assert_allclose(times.normalised.draws[draw], wanted, rtol=1e-12)
    first = np.array([reference.first_epoch(redrawn[:, draw], epochs) for draw in range(50)]).astype(float)
    first[first < 0] = np.nan
    for concept in range(6):
        drawn = first[~np.isnan(first[:, concept]), concept]
        assert times.first_low[concept] == np.quantile(drawn, 0.025, method="lower")
        assert times.first_high[concept] == np.quantile(drawn, 0.975, method="higher")


def test_over_images_of_a_dead_concept_there_is_no_time():
    dead = Redrawn(np.full((5, 1), np.nan), np.full(1, np.nan), groups=20)
    times = times_over_images([dead, dead], np.array([1, 2]), at_reference=dead)
    assert np.isnan(times.first_low).all()
    assert np.isnan(times.first_high).all()
    assert np.isnan(times.normalised.draws).all()
