import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from featcx_core.images import pixels
from featcx_core.images.data import batches, image_digest, load_data, probe_digest
from featcx_core.images.splits import stratified_split
from featcx_core.study.fields import Data, Probe, Split, Study, StudyError
from featcx_core.study.files import load_study

SIZES = {"train": 8, "fit": 4, "score": 4, "test": 4}


def npz(folder: Path, *, split: dict[str, float] = SIZES, seed: int = 0, **arrays: np.ndarray) -> Study:
    np.savez(folder / "d.npz", **arrays)
    data = Data(source=f"npz:{folder / 'd.npz'}", split=Split(**split))
    return Study(name="x", seed=seed, data=data, probe=Probe(groups=2))


def pictures(n: int = 20, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, *(shape or (5, 6))), dtype=np.uint8)


def test_the_packaged_digits_are_divided_as_the_study_says():
    data = load_data(load_study("mnist"))
    assert data.images.shape == (5000, 1, 28, 28)
    assert data.images.dtype == np.uint8
    assert data.images.max() == 255
    assert data.class_names == tuple("0123456789")
    assert {part: len(rows) for part, rows in data.split.items()} == {
        "train": 3500, "fit": 500, "score": 500, "test": 500,
    }  # fmt: skip
    for part, each in {"train": 350, "fit": 50, "score": 50, "test": 50}.items():
        assert (np.bincount(data.labels[data.split[part]]) == each).all()
    assert len(np.unique(np.concatenate(list(data.split.values())))) == 5000
    assert (data.probe == np.concatenate([data.split["fit"], data.split["score"]])).all()
    assert load_data(load_study("mnist")) is data


def test_a_part_is_in_random_order_so_that_every_twentieth_image_is_a_fair_group():
    data = load_data(load_study("mnist"))
    labels = data.labels[data.split["score"]]
    for group in range(20):
        assert len(np.unique(labels[group::20])) > 5
    assert abs(np.corrcoef(np.arange(500), labels)[0, 1]) < 0.15


def test_split_is_seeded_disjoint_and_stratified_for_uneven_classes():
    labels = np.repeat([0, 1, 2], [500, 90, 10])
    parts = stratified_split(labels, sizes={"train": 0.5, "fit": 0.2, "score": 0.2, "test": 0.1}, seed=3)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(600))
    for part, share in {"train": 0.5, "fit": 0.2, "score": 0.2, "test": 0.1}.items():
        counts = np.bincount(labels[parts[part]], minlength=3)
        assert (np.abs(counts - share * np.array([500, 90, 10])) <= 1).all(), part
    again = stratified_split(labels, sizes={"train": 0.5, "fit": 0.2, "score": 0.2, "test": 0.1}, seed=3)
    other = stratified_split(labels, sizes={"train": 0.5, "fit": 0.2, "score": 0.2, "test": 0.1}, seed=4)
    assert all((parts[p] == again[p]).all() for p in parts)
    assert any((parts[p] != other[p]).any() for p in parts)


def test_shares_that_sum_to_one_use_every_image():
    parts = stratified_split(np.arange(101) % 2, sizes={"a": 0.7, "b": 0.1, "c": 0.1, "d": 0.1}, seed=0)
    assert sum(map(len, parts.values())) == 101


@pytest.mark.parametrize("shape", [(5, 6), (3, 5, 6)])
def test_npz_with_and_without_channels(tmp_path, shape):
    images = pictures(20, *shape)
    data = load_data(npz(tmp_path, images=images, labels=np.arange(20) % 2, class_names=np.array(["cat", "dog"])))
    assert data.image_shape == (3 if len(shape) == 3 else 1, 5, 6)
    assert data.class_names == ("cat", "dog")
    pixels = data.images[data.split["train"]] / 255
    np.testing.assert_allclose(data.mean, pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(data.std, pixels.std((0, 2, 3)), rtol=1e-5)


def test_a_file_that_is_replaced_is_read_again(tmp_path):
    images = pictures(20)
    first = load_data(npz(tmp_path, images=images, labels=np.arange(20) % 2))
    study = npz(tmp_path, images=255 - images, labels=np.arange(20) % 2)
    second = load_data(study)
    np.testing.assert_array_equal(second.images, 255 - first.images)
    assert probe_digest(study) == image_digest(second, second.probe) != image_digest(first, first.probe)
    assert load_data(study) is second


def test_batches_are_normalised_in_order_whatever_their_size(tmp_path):
    data = load_data(npz(tmp_path, images=pictures(20, 3, 5, 6), labels=np.arange(20) % 2))
    rows = data.split["train"]
    whole = torch.cat(list(batches(data, rows, batch_size=100, device=torch.device("cpu"))))
    parts = list(batches(data, rows, batch_size=3, device=torch.device("cpu")))
    assert [len(part) for part in parts] == [3, 3, 2]
    assert torch.equal(torch.cat(parts), whole)
    assert whole.is_contiguous(memory_format=torch.channels_last)
    expected = (data.images[rows] / 255 - data.mean[:, None, None]) / data.std[:, None, None]
    np.testing.assert_allclose(whole.numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(whole.numpy().mean((0, 2, 3)), 0, atol=1e-5)  # the statistics are the training images'
    np.testing.assert_allclose(whole.numpy().std((0, 2, 3)), 1, atol=1e-5)


def test_a_constant_channel_stays_finite(tmp_path):
    data = load_data(npz(tmp_path, images=np.full((20, 5, 6), 7, np.uint8), labels=np.arange(20) % 2))
    (batch,) = batches(data, data.probe, batch_size=20, device=torch.device("cpu"))
    assert torch.isfinite(batch).all()


def test_digest_depends_on_pixels_and_order_only(tmp_path):
    data = load_data(npz(tmp_path, images=pictures(), labels=np.arange(20) % 2))
    assert image_digest(data, data.probe) == image_digest(data, data.probe.copy())
    assert image_digest(data, data.probe) != image_digest(data, data.probe[::-1].copy())


def test_shared_arrays_cannot_be_changed(tmp_path):
    data = load_data(npz(tmp_path, images=pictures(), labels=np.arange(20) % 2))
    with pytest.raises(ValueError, match="read-only"):
        data.images[0] = 0


LABELS = np.arange(20) % 2
CASES = {
    "images is missing": {"labels": LABELS},
    "labels is missing": {"images": pictures()},
    "wanted images as uint8": {"images": pictures().astype(float), "labels": LABELS},
    "one label >= 0 for each of 20 images, got int64 .19,.": {"images": pictures(), "labels": LABELS[1:]},
    "at least two classes, got 1": {"images": pictures(), "labels": LABELS * 0},
    "wanted 2 class_names, got 1": {"images": pictures(), "labels": LABELS, "class_names": np.array(["a"])},
    "class '1' has no training image": {"images": pictures(), "labels": LABELS * 2},
}


@pytest.mark.parametrize("message", CASES)
def test_data_that_cannot_be_used(tmp_path, message):
    with pytest.raises(StudyError, match=message):
        load_data(npz(tmp_path, **CASES[message]))


def test_a_split_that_does_not_fit(tmp_path):
    arrays = {"images": pictures(), "labels": LABELS}
    with pytest.raises(StudyError, match=r"wanted 21 images \(train 9 .* got 20; lower"):
        load_data(npz(tmp_path, **arrays, split={**SIZES, "train": 9}))
    with pytest.raises(StudyError, match="at least one image in each part"):
        load_data(npz(tmp_path, **arrays, split={**SIZES, "fit": 0.01}))


def test_sources_that_are_not_there(tmp_path):
    with pytest.raises(StudyError, match=r"cannot read .*nowhere\.npz: No such file"):
        load_data(Study(name="x", data=Data(source=f"npz:{tmp_path}/nowhere.npz")))
    with pytest.raises(StudyError, match="did you mean packaged:mnist5k"):
        load_data(Study(name="x", data=Data(source="packaged:mnist")))
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(StudyError, match=r"bad\.npz cannot be read as \.npz"):
        load_data(Study(name="x", data=Data(source=f"npz:{tmp_path}/bad.npz")))
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(StudyError, match=r"one\.npy cannot be read as \.npz"):
        load_data(Study(name="x", data=Data(source=f"npz:{tmp_path}/one.npy")))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_is_read_into_memory(tmp_path, order, save):
    images = np.asarray(pictures(20, 3, 5, 6), order=order)
    save(tmp_path / "d.npz", labels=LABELS, images=images, more=np.array([None]))  # an array of objects is not read
    data = load_data(Study(name="x", data=Data(source=f"npz:{tmp_path}/d.npz", split=SIZES), probe=Probe(groups=2)))
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


def test_only_so_many_bytes_are_copied_to_the_device(tmp_path):
    data = load_data(npz(tmp_path, images=pictures(20, 3, 5, 6), labels=LABELS))
    small, large = (np.broadcast_to(np.uint8(0), (n, 1, 1024, 1024)) for n in (1024, 1025))
    assert data._replace(images=small).in_memory
    assert not data._replace(images=large).in_memory
    np.save(tmp_path / "images.npy", data.images)
    assert not data._replace(images=np.load(tmp_path / "images.npy", mmap_mode="r")).in_memory


def test_mean_and_deviation_are_those_of_the_training_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "_ROWS", 3)
    data = load_data(npz(tmp_path, images=pictures(20, 3, 5, 6), labels=np.arange(20) % 2))
    values = data.images[data.split["train"]].astype(np.float64) / 255
    np.testing.assert_allclose(data.mean, values.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(data.std, values.std(axis=(0, 2, 3)), rtol=1e-6)


def test_an_archive_that_was_cut_off(tmp_path):
    study = npz(tmp_path, images=pictures(20, 3, 5, 6), labels=np.arange(20) % 2)
    whole = (tmp_path / "d.npz").read_bytes()
    (tmp_path / "d.npz").write_bytes(whole[:1000])
    with pytest.raises(StudyError, match=r"cannot be read as \.npz"):
        load_data(study)
