import struct
from pathlib import Path

import numpy as np
import pytest

from featcx_core.images.data import (
    load_data,
)
from featcx_core.study.fields import StudyError
from tests.core.images.sources import folder, study


def write_mnist(root: Path) -> np.ndarray:
    """A tiny data set in MNIST's own files."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    for stem, rows in (("train", slice(0, 20)), ("t10k", slice(20, 40))):
        part, labels = images[rows], (np.arange(40) % 10).astype(np.uint8)[rows]
        header = struct.pack(">4i", 0x803, len(part), 28, 28)
        (raw / f"{stem}-images-idx3-ubyte").write_bytes(header + part.tobytes())
        (raw / f"{stem}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, len(part)) + labels.tobytes())
    return images


def test_a_torchvision_data_set_that_lies_there(tmp_path):
    images = write_mnist(tmp_path)
    data = load_data(study(f"torchvision:MNIST:{tmp_path}", split={"train": 1.0, "fit": 6, "score": 6, "test": 6}))
    assert data.image_shape == (1, 28, 28)
    assert data.class_names[:2] == ("0 - zero", "1 - one")
    assert sorted(data.split["train"]) == list(range(20))
    np.testing.assert_array_equal(data.images[np.arange(40)][:, 0], images)
    np.testing.assert_array_equal(data.labels, np.arange(40) % 10)


def test_a_torchvision_data_set_without_parts_is_divided(tmp_path):
    folder(tmp_path / "eurosat" / "2750", classes=("Forest", "River"))
    data = load_data(study(f"torchvision:EuroSAT:{tmp_path}"))
    assert data.class_names == ("Forest", "River")
    assert len(data.split["train"]) == 8


def test_torchvision_data_sets_that_cannot_be_used(tmp_path):
    with pytest.raises(StudyError, match=r"no data set 'CIFAR11'; did you mean CIFAR10"):
        load_data(study(f"torchvision:CIFAR11:{tmp_path}"))
    with pytest.raises(StudyError, match=r"CIFAR10 cannot be read from .* not found .*featcx downloads nothing"):
        load_data(study(f"torchvision:CIFAR10:{tmp_path}"))
    with pytest.raises(StudyError, match=r"SVHN cannot be read from .*featcx downloads nothing"):
        load_data(study(f"torchvision:SVHN:{tmp_path}"))
    with pytest.raises(StudyError, match="FakeData has no root"):
        load_data(study(f"torchvision:FakeData:{tmp_path}"))
    with pytest.raises(StudyError, match=r"cannot read .*nowhere"):
        load_data(study(f"torchvision:MNIST:{tmp_path}/nowhere"))
    with pytest.raises(StudyError, match="did you mean torchvision:NAME:ROOT"):
        load_data(study("torchvision:MNIST"))
    assert list(tmp_path.iterdir()) == []  # nothing was downloaded
