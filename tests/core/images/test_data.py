import numpy as np
import pytest
import torch
import zarr

from featcx_core.analyses.activations.make import record_activations
from featcx_core.analyses.training.make import train
from featcx_core.artefacts.register import register
from featcx_core.images.corruption import corrupt_labels
from featcx_core.images.data import (
    batches,
    dictionary_images,
    image_digest,
    load_data,
    probe_digest,
    selection_digest,
)
from featcx_core.store.places import open_store
from featcx_core.study.fields import Model, Training
from featcx_core.study.inputs import Corruption
from tests.core.images.sources import CPU, LABELS, SHARES, folder, npz, of_folder, pictures, study
from tests.steps import arrays_of, path_of, remake


def test_files_and_arrays_of_the_same_pixels_are_the_same_data(tmp_path):
    files = load_data(of_folder(folder(tmp_path / "a")))
    np.savez(tmp_path / "a.npz", images=files.images[np.arange(20)], labels=files.labels)
    arrays = load_data(study(f"npz:{tmp_path}/a.npz"))
    assert all((files.split[part] == arrays.split[part]).all() for part in SHARES)
    assert image_digest(files, files.probe) == image_digest(arrays, arrays.probe)
    assert probe_digest(of_folder(tmp_path / "a")) == image_digest(arrays, arrays.probe)
    np.testing.assert_array_equal(files.mean, arrays.mean)
    for size in (3, 100):
        both = [list(batches(data, data.probe, batch_size=size, device=CPU)) for data in (files, arrays)]
        assert all(torch.equal(x, y) for x, y in zip(*both, strict=True))


def test_a_study_of_files_trains_and_records_what_its_arrays_would(tmp_path):
    network = Model(source="builtin:small_resnet", arguments={"widths": [4, 8]})
    short = {"model": network, "training": Training(epochs=1, batch_size=8)}
    of_files = of_folder(folder(tmp_path / "d", each=20)).model_copy(update=short)
    data = load_data(of_files)
    np.savez(tmp_path / "d.npz", images=data.images[np.arange(40)], labels=data.labels)
    of_arrays = study(f"npz:{tmp_path}/d.npz").model_copy(update=short)
    acts = []
    for one, home in ((of_files, "files"), (of_arrays, "arrays")):
        store = train(one, home=tmp_path / home, device="cpu")
        record_activations(store, epoch=1, device="cpu")
        recorded = arrays_of(store, "activations", epoch=1, layer=store.anatomy.penultimate)
        acts.append(recorded[:])
        assert recorded.attrs["images"] == probe_digest(of_files)
        remake(store, "dictionary_activations", epoch=1)
        chosen = dictionary_images(load_data(one), one)
        kept = zarr.open_group(str(path_of(store, "dictionary_activations", 1)), mode="r").attrs
        assert kept["images"] == selection_digest(chosen) != selection_digest([rows[::-1] for rows in chosen])
    np.testing.assert_array_equal(*acts)


def test_another_transform_is_another_anatomy(tmp_path):
    of_files = of_folder(folder(tmp_path / "d", each=20))
    store = register(of_files, home=tmp_path / "home")
    assert store.anatomy.image_shape == (3, 10, 12)
    register(of_folder(tmp_path / "d", transform={"crop": 8}), home=tmp_path / "home")
    assert open_store(tmp_path / "home", "x").anatomy.image_shape == (3, 8, 8)


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


def test_digest_depends_on_pixels_and_order_only(tmp_path):
    data = load_data(npz(tmp_path, images=pictures(), labels=np.arange(20) % 2))
    assert image_digest(data, data.probe) == image_digest(data, data.probe.copy())
    assert image_digest(data, data.probe) != image_digest(data, data.probe[::-1].copy())


def test_shared_arrays_cannot_be_changed(tmp_path):
    data = load_data(npz(tmp_path, images=pictures(), labels=np.arange(20) % 2))
    with pytest.raises(ValueError, match="read-only"):
        data.images[0] = 0


def test_only_so_many_bytes_are_copied_to_the_device(tmp_path):
    data = load_data(npz(tmp_path, images=pictures(20, 3, 5, 6), labels=LABELS))
    small, large = (np.broadcast_to(np.uint8(0), (n, 1, 1024, 1024)) for n in (1024, 1025))
    assert data._replace(images=small).in_memory
    assert not data._replace(images=large).in_memory
    np.save(tmp_path / "images.npy", data.images)
    assert not data._replace(images=np.load(tmp_path / "images.npy", mmap_mode="r")).in_memory


def test_a_study_corrupts_its_labels_and_pixels(tmp_path):
    plain = npz(tmp_path, images=pictures(), labels=LABELS)
    before = load_data(plain)
    assert (before.labels_before == before.labels).all()

    def corrupted(**corruption):
        return plain.model_copy(update={"data": plain.data.model_copy(update={"corruption": Corruption(**corruption)})})

    shuffled = load_data(corrupted(pixels="shuffled"))
    rows = before.split["train"]
    assert (
        np.sort(shuffled.images[rows].reshape(len(rows), -1)) == np.sort(before.images[rows].reshape(len(rows), -1))
    ).all()
    assert (shuffled.images[rows] != before.images[rows]).any()
    assert (shuffled.labels == before.labels).all()
    drawn = load_data(corrupted(labels="random"))
    expected = corrupt_labels(
        before.labels, probability=1.0, n_classes=len(before.class_names), seed=plain.seed, rows=rows
    )
    assert (drawn.labels == expected.labels).all()
    assert (drawn.labels_before == before.labels).all()
    assert corrupted(labels=0.0).digest("data") == plain.digest("data") != corrupted(labels=0.1).digest("data")
    for wrong in ({"labels": 1.5}, {"pixels": "shuffeld"}):
        with pytest.raises(ValueError, match=r"labels|pixels"):
            Corruption(**wrong)
