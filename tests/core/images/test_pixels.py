import numpy as np
import torch

from featcx_core.images import pixels
from featcx_core.images.data import batches, load_data
from tests.core.images.sources import npz, pictures


def test_a_constant_channel_stays_finite(tmp_path):
    data = load_data(npz(tmp_path, images=np.full((20, 5, 6), 7, np.uint8), labels=np.arange(20) % 2))
    (batch,) = batches(data, data.probe, batch_size=20, device=torch.device("cpu"))
    assert torch.isfinite(batch).all()


def test_mean_and_deviation_are_those_of_the_training_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "_ROWS", 3)
    data = load_data(npz(tmp_path, images=pictures(20, 3, 5, 6), labels=np.arange(20) % 2))
    values = data.images[data.split["train"]].astype(np.float64) / 255
    np.testing.assert_allclose(data.mean, values.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(data.std, values.std(axis=(0, 2, 3)), rtol=1e-6)
