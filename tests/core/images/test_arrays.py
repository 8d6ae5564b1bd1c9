import zipfile

import numpy as np
import pytest
import torch

from featcx_core.images.data import (
    batches,
    load_data,
)
from featcx_core.images.digests import content_digest
from featcx_core.study.fields import Data, Probe, Study, StudyError
from tests.core.images.sources import COUNTS, LABELS, npz, pictures, study


def test_npy_files_are_mapped(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 5, 6), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", np.arange(20) % 2)
    data = load_data(study(f"npy:{tmp_path}"))
    assert isinstance(data.images, np.memmap)
    np.testing.assert_array_equal(data.images, images[:, None])
    assert not data.in_memory
    (tmp_path / "labels.npy").write_bytes(b"not an array")
    with pytest.raises(StudyError, match=r"labels\.npy cannot be read as \.npy"):
        load_data(study(f"npy:{tmp_path}"))
    (tmp_path / "labels.npy").unlink()
    with pytest.raises(StudyError, match="labels is missing"):
        load_data(study(f"npy:{tmp_path}"))


@pytest.mark.parametrize("shape", [(5, 6), (3, 5, 6)])
def test_npz_with_and_without_channels(tmp_path, shape):
    images = pictures(20, *shape)
    data = load_data(npz(tmp_path, images=images, labels=np.arange(20) % 2, class_names=np.array(["cat", "dog"])))
    assert data.image_shape == (3 if len(shape) == 3 else 1, 5, 6)
    assert data.class_names == ("cat", "dog")
    pixels = data.images[data.split["train"]] / 255
    np.testing.assert_allclose(data.mean, pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(data.std, pixels.std((0, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_is_read_into_memory(tmp_path, order, save):
    images = np.asarray(pictures(20, 3, 5, 6), order=order)
    save(tmp_path / "d.npz", labels=LABELS, images=images, more=np.array([None]))  # an array of objects is not read
    data = load_data(Study(name="x", data=Data(source=f"npz:{tmp_path}/d.npz", split=COUNTS), probe=Probe(groups=2)))
    assert data.in_memory
    np.testing.assert_array_equal(data.images, images)
    (batch,) = batches(data, data.probe, batch_size=20, device=torch.device("cpu"))
    assert batch.shape == (len(data.probe), 3, 5, 6)


def test_an_archive_that_memory_does_not_hold(tmp_path):
    header = {"descr": "|u1", "fortran_order": False, "shape": (1 << 40, 1 << 10, 1 << 10)}
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive, archive.open("images.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, header)
    with pytest.raises(StudyError, match=r"d\.npz does not fit into memory; save .* images\.npy .*npy:FOLDER"):
        load_data(Study(name="x", data=Data(source=f"npz:{tmp_path}/d.npz")))


def test_an_archive_that_says_it_unpacks_to_more_than_memory_is_not_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "d.npz", images=np.zeros((40, 64, 64), np.uint8), labels=np.arange(40) % 2)
    monkeypatch.setattr("featcx_core.images.arrays.os.sysconf", lambda name: 300)
    with pytest.raises(StudyError, match=r"d\.npz does not fit into memory"):
        load_data(Study(name="x", data=Data(source=f"npz:{tmp_path}/d.npz")))


def test_a_device_is_no_archive():
    with pytest.raises(StudyError, match=r"data\.source: cannot read /dev/zero: it is no file"):
        content_digest(Data(source="npz:/dev/zero"))


def test_an_archive_that_was_cut_off(tmp_path):
    study = npz(tmp_path, images=pictures(20, 3, 5, 6), labels=np.arange(20) % 2)
    whole = (tmp_path / "d.npz").read_bytes()
    (tmp_path / "d.npz").write_bytes(whole[:1000])
    with pytest.raises(StudyError, match=r"cannot be read as \.npz"):
        load_data(study)
