import jaxtyping
import numpy as np
import pytest
import torch

from featcx_core.measures.decode_time import decode_time, first_epoch
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
