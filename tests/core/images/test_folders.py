"""Images in files: folders, data sets of torchvision, transforms, class names; what cannot be used is named."""

import logging
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from PIL import Image
from torchvision.models import ResNet18_Weights
from torchvision.transforms import v2

from featcx_core.analyses.activations.make import record_activations
from featcx_core.analyses.training.make import train
from featcx_core.artefacts.register import register
from featcx_core.images import decoding, digests
from featcx_core.images.data import (
    batches,
    dictionary_images,
    image_digest,
    load_data,
    probe_digest,
    selection_digest,
)
from featcx_core.images.decoding import Decoded
from featcx_core.images.transforms import Preprocessing, preprocessing
from featcx_core.store.places import open_store
from featcx_core.study.fields import Data, Dictionary, Model, Probe, Study, StudyError, Training, Transform
from featcx_core.study.files import load_study, study_text
from tests.steps import arrays_of, remake

SIZES = {"train": 0.4, "fit": 0.2, "score": 0.2, "test": 0.2}
CPU = torch.device("cpu")


def picture(chance: np.random.Generator, size: tuple[int, int] = (12, 10), mode: str = "RGB") -> Image.Image:
    width, height = size
    return Image.fromarray(chance.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)


def folder(
    root: Path, *, each: int = 10, classes: tuple[str, ...] = ("cat", "dog"), ending: str = "png", seed: int = 0
) -> Path:
    """A folder of noise, `each` images a class, all 12 x 10."""
    chance = np.random.default_rng(seed)
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(each):
            picture(chance).save(root / name / f"{i:03}.{ending}")
    return root


def study(source: object, **fields: object) -> Study:
    data = {"source": str(source), "split": SIZES, **fields}
    few = {"probe": Probe(groups=2), "dictionary": Dictionary(atoms_per_class=2)}
    return Study(name="x", data=Data.model_validate(data), **few)


def of_folder(root: Path, **fields: object) -> Study:
    return study(f"folder:{root}", **fields)


# -- what is found -----------------------------------------------------------------------------------------------------


def test_a_folder_gives_the_pixels_of_its_files_by_sorted_class(tmp_path):
    folder(tmp_path, classes=("dog", "cat"))
    data = load_data(of_folder(tmp_path))
    assert data.class_names == ("cat", "dog")
    assert data.images.shape == (20, 3, 10, 12)
    assert data.image_shape == (3, 10, 12)
    assert not data.in_memory
    files = [tmp_path / name / f"{i:03}.png" for name in ("cat", "dog") for i in range(10)]
    pixels = np.stack([np.asarray(Image.open(file)).transpose(2, 0, 1) for file in files])
    np.testing.assert_array_equal(data.images[np.arange(20)], pixels)
    np.testing.assert_array_equal(data.labels, np.repeat([0, 1], 10))
    assert {part: len(rows) for part, rows in data.split.items()} == {"train": 8, "fit": 4, "score": 4, "test": 4}
    train_pixels = pixels[data.split["train"]] / 255
    np.testing.assert_allclose(data.mean, train_pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(data.std, train_pixels.std((0, 2, 3)), rtol=1e-5)


def test_files_and_arrays_of_the_same_pixels_are_the_same_data(tmp_path):
    files = load_data(of_folder(folder(tmp_path / "a")))
    np.savez(tmp_path / "a.npz", images=files.images[np.arange(20)], labels=files.labels)
    arrays = load_data(study(f"npz:{tmp_path}/a.npz"))
    assert all((files.split[part] == arrays.split[part]).all() for part in SIZES)
    assert image_digest(files, files.probe) == image_digest(arrays, arrays.probe)
    assert probe_digest(of_folder(tmp_path / "a")) == image_digest(arrays, arrays.probe)
    np.testing.assert_array_equal(files.mean, arrays.mean)
    for size in (3, 100):
        both = [list(batches(data, data.probe, batch_size=size, device=CPU)) for data in (files, arrays)]
        assert all(torch.equal(x, y) for x, y in zip(*both, strict=True))


def test_train_and_val_feed_their_own_parts(tmp_path):
    folder(tmp_path / "train", each=6)
    folder(tmp_path / "val", each=9, seed=1)
    sizes = {"train": 1.0, "fit": 6, "score": 6, "test": 0.25}
    data = load_data(of_folder(tmp_path, split=sizes))
    assert sorted(data.split["train"]) == list(range(12))
    assert {part: len(rows) for part, rows in data.split.items()} == {"train": 12, "fit": 6, "score": 6, "test": 4}
    held_out = np.concatenate([data.split[part] for part in ("fit", "score", "test")])
    assert held_out.min() >= 12
    assert len(set(held_out.tolist())) == 16
    assert (np.bincount(data.labels[data.split["fit"]]) == 3).all()
    first = np.asarray(Image.open(tmp_path / "val" / "cat" / "000.png")).transpose(2, 0, 1)
    np.testing.assert_array_equal(data.images[np.array([12])][0], first)


def test_files_in_folders_of_a_class_count_and_hidden_or_other_files_do_not(tmp_path):
    folder(tmp_path)
    (tmp_path / "cat" / "more").mkdir()
    picture(np.random.default_rng(1)).save(tmp_path / "cat" / "more" / "x.PNG")
    (tmp_path / "cat" / "._000.png").write_bytes(b"what a Mac adds")
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / ".cache").mkdir()
    data = load_data(of_folder(tmp_path))
    assert data.class_names == ("cat", "dog")
    assert np.bincount(data.labels).tolist() == [11, 10]
    assert data.broken == ()


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "I;16"])
def test_every_kind_of_picture_becomes_grey_or_colour(tmp_path, mode):
    chance = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(10):
            if mode == "I;16":
                image = Image.fromarray(chance.integers(0, 65536, (10, 12), dtype=np.uint16))
            else:
                image = picture(chance, mode=mode)
            transparent = {"transparency": bytes([0, 128])} if mode == "P" else {}
            image.save(tmp_path / name / f"{i}.{'tif' if mode == 'CMYK' else 'png'}", **transparent)
    data = load_data(of_folder(tmp_path))
    grey = mode in ("L", "1", "LA", "I;16")
    assert data.image_shape == (1 if grey else 3, 10, 12)
    assert data.images[np.arange(20)].max() > 200
    colour = load_data(of_folder(tmp_path, transform={"channels": 3}))
    assert colour.image_shape == (3, 10, 12)
    if mode == "I;16":
        wide = np.asarray(Image.open(tmp_path / "cat" / "0.png"))
        np.testing.assert_array_equal(data.images[np.array([0])][0, 0], wide // 256)


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


# -- data sets of torchvision ------------------------------------------------------------------------------------------


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


# -- transforms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(40, 30), (30, 41), (24, 24), (17, 19)])
@pytest.mark.parametrize("filter_name", ["bilinear", "bicubic"])
def test_resize_and_crop_are_torchvisions(size, filter_name):
    image = picture(np.random.default_rng(0), size)
    steps = Preprocessing(24, 20, filter_name, None, None, None)
    mode = v2.InterpolationMode(filter_name)
    theirs = v2.Compose([v2.Resize(24, interpolation=mode), v2.CenterCrop(20), v2.PILToTensor()])(image)
    np.testing.assert_array_equal(steps.pixels(image, channels=3), theirs.numpy())
    assert steps.size(*image.size) == (20, 20)
    whole = Preprocessing(24, None, filter_name, None, None, None)
    resized = v2.Resize(24, interpolation=mode)(image)
    assert whole.size(*image.size) == resized.size
    np.testing.assert_array_equal(whole.pixels(image, channels=3), np.asarray(resized).transpose(2, 0, 1))


def unequal(root: Path) -> Path:
    folder(root)
    picture(np.random.default_rng(2), (30, 20)).save(root / "dog" / "003.png")
    return root


def test_images_of_several_sizes_need_a_transform(tmp_path):
    unequal(tmp_path)
    with pytest.raises(StudyError, match=r"one size, got 12 x 10 .* 30 x 20 .*003\.png.*transform = \{crop = 224\}"):
        load_data(of_folder(tmp_path))
    data = load_data(of_folder(tmp_path, transform={"crop": 8}))
    assert data.image_shape == (3, 8, 8)
    with pytest.raises(StudyError, match=r"9 x 8 .* 12 x 8"):  # resized alone, they stay unequal
        load_data(of_folder(tmp_path, transform={"resize": 8}))


def test_stated_mean_and_deviation_are_used(tmp_path):
    folder(tmp_path)
    data = load_data(of_folder(tmp_path, transform={"mean": [0.5, 0.4, 0.3], "std": [0.1, 0.2, 0.3]}))
    (batch,) = batches(data, data.probe, batch_size=99, device=CPU)
    pixels = data.images[data.probe] / 255
    expected = (pixels - np.array([0.5, 0.4, 0.3])[:, None, None]) / np.array([0.1, 0.2, 0.3])[:, None, None]
    np.testing.assert_allclose(batch.numpy(), expected, atol=1e-5)
    only_mean = load_data(of_folder(tmp_path, transform={"mean": [0.5, 0.4, 0.3]}))
    np.testing.assert_allclose(only_mean.std, load_data(of_folder(tmp_path)).std)


def test_auto_is_the_transform_of_the_weights_that_are_named(tmp_path):
    unequal(tmp_path)
    named = of_folder(tmp_path, transform={"weights": "ResNet18_Weights.IMAGENET1K_V1"})
    data = load_data(named)
    assert data.image_shape == (3, 224, 224)
    image = Image.open(tmp_path / "dog" / "003.png")
    (row,) = np.flatnonzero(data.labels == 1)[[3]]
    theirs = ResNet18_Weights.IMAGENET1K_V1.transforms()(image)
    (batch,) = batches(data, np.array([row]), batch_size=1, device=CPU)
    np.testing.assert_allclose(batch[0].numpy(), theirs.numpy(), atol=1e-5)
    network = Model(source="torchvision:resnet18", weights="IMAGENET1K_V1")
    implied = of_folder(tmp_path).model_copy(update={"model": network})
    assert preprocessing(implied) == preprocessing(named)
    own = of_folder(tmp_path, transform={"crop": 8}).model_copy(update={"model": network})
    assert preprocessing(own)[:3] == (8, 8, "bilinear")
    assert preprocessing(own).mean == (0.485, 0.456, 0.406)
    with pytest.raises(StudyError, match=r"no weights 'ResNet18_Weights.V9'; wanted a name such as"):
        load_data(of_folder(tmp_path, transform={"weights": "ResNet18_Weights.V9"}))


def test_timms_squashed_images_are_those_of_timm():
    timm = pytest.importorskip("timm")
    name = "coat_lite_medium_384.in1k"
    study = Study(name="x", model=Model(source=f"timm:{name}"))
    steps, config = preprocessing(study), timm.get_pretrained_cfg(name).to_dict()
    assert (steps.resize, steps.crop, steps.fit) == (384, 384, "squash")
    image = picture(np.random.default_rng(0), (50, 30)).convert("RGB")
    wanted = timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=config))(image)
    pixels = steps.pixels(image, channels=3) / 255
    found = (pixels - np.array(steps.mean)[:, None, None]) / np.array(steps.std)[:, None, None]
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)
    own = preprocessing(study.model_copy(update={"data": Data(transform=Transform(crop=128))}))
    assert (own.resize, own.fit) == (128, "crop")  # a crop of one's own


def test_timms_padded_images_are_refused_until_sizes_are_stated():
    timm = pytest.importorskip("timm")
    padded = [name for name in timm.list_models(pretrained=True) if timm.get_pretrained_cfg(name).crop_mode == "border"]
    study = Study(name="x", model=Model(source=f"timm:{padded[0]}"))
    with pytest.raises(
        StudyError, match=r"padded to a square \(crop_mode = border\), which is not done here; state the"
    ):
        preprocessing(study)
    assert preprocessing(study.model_copy(update={"data": Data(transform=Transform(resize=64, crop=64))})).crop == 64


def test_auto_is_timms_data_configuration_where_the_name_has_a_tag():
    pytest.importorskip("timm")
    tagged = Study(name="x", model=Model(source="timm:resnet50.a1_in1k"))
    assert preprocessing(tagged)[:3] == (235, 224, "bicubic")
    assert preprocessing(Study(name="x", model=Model(source="timm:resnet50"))).crop is None


def test_arrays_are_transformed_too_and_otherwise_left_alone(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 10, 12), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", images=images, labels=np.arange(20) % 2)
    source = f"npz:{tmp_path}/d.npz"
    assert load_data(study(source)).in_memory
    data = load_data(study(source, transform={"crop": 6, "channels": 3}))
    assert data.image_shape == (3, 6, 6)
    expected = Preprocessing(6, 6, "bilinear", None, None, None).pixels(Image.fromarray(images[7]), channels=1)
    np.testing.assert_array_equal(data.images[np.array([7])][0], np.repeat(expected, 3, axis=0))
    np.savez(tmp_path / "four.npz", images=np.zeros((20, 4, 5, 6), np.uint8), labels=np.arange(20) % 2)
    with pytest.raises(StudyError, match="wanted images with 1 or 3 channels to transform, got 4"):
        load_data(study(f"npz:{tmp_path}/four.npz", transform={"crop": 3}))
    four = {"mean": [0.1] * 4, "std": [0.2] * 4}
    np.testing.assert_allclose(load_data(study(f"npz:{tmp_path}/four.npz", transform=four)).std, 0.2)


def test_mean_of_other_channels(tmp_path):
    folder(tmp_path)
    with pytest.raises(StudyError, match=r"transform\.mean: wanted 3 values, one a channel, got 1"):
        load_data(of_folder(tmp_path, transform={"mean": [0.5], "channels": 3}))
    with pytest.raises(StudyError, match=r"wanted 1 or 3 channels .* got 2"):
        load_data(of_folder(tmp_path, transform={"mean": [0.5, 0.5]}))


MISTAKES = {
    "crop = 9 is larger than resize = 8": {"resize": 8, "crop": 9},
    "mean has 1 values, std 3": {"mean": [0.5], "std": [1, 1, 1]},
    "valid dictionary or instance of Transform": "autoo",
    "greater than or equal to 1": {"crop": 0},
    "greater than 0": {"std": [0.0]},
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_transform_that_cannot_be(message):
    with pytest.raises(ValueError, match=message):
        Data.model_validate({"transform": MISTAKES[message]})


# -- broken files ------------------------------------------------------------------------------------------------------


def broken_folder(root: Path, *, ending: str, each: int = 10) -> Path:
    """A folder whose first cat is cut off."""
    folder(root, ending=ending, each=each)
    first = root / "cat" / f"000.{ending}"
    first.write_bytes(first.read_bytes()[:-20])
    return root


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "webp", "gif", "tif"])
def test_a_file_that_is_cut_off_is_named_counted_and_left_out(tmp_path, caplog, ending):
    whole = load_data(of_folder(folder(tmp_path / "whole", ending=ending)))
    root = broken_folder(tmp_path / "broken", ending=ending)
    with caplog.at_level(logging.WARNING, logger="featcx"):
        data = load_data(of_folder(root, broken_share=0.05))
    assert data.broken == (str(root / "cat" / f"000.{ending}"),)
    said = f"1 of the 20 image files that are used cannot be read and are left out: {data.broken[0]} ("
    assert said in caplog.text
    for part, rows in data.split.items():  # nothing else moves
        np.testing.assert_array_equal(rows, whole.split[part][whole.split[part] != 0])
    data.images[np.concatenate(list(data.split.values()))]
    with pytest.raises(
        StudyError, match=rf"1 of the 20 image files .*data\.broken_share = 0.01: .*000\.{ending} \(.*delete"
    ):
        load_data(of_folder(root))


def test_what_is_no_image_at_all(tmp_path):
    folder(tmp_path)
    for i, content in enumerate((b"", b"<html>not found</html>", bytes(500))):
        (tmp_path / "dog" / f"{i:03}.png").write_bytes(content)
    flipped = tmp_path / "dog" / "003.png"
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 255
    flipped.write_bytes(content)
    (tmp_path / "dog" / "004.png").unlink()
    (tmp_path / "dog" / "004.png").symlink_to(tmp_path / "nowhere.png")
    data = load_data(of_folder(tmp_path, broken_share=0.5))
    assert [Path(name).stem for name in data.broken] == ["000", "001", "002", "003", "004"]
    with pytest.raises(
        StudyError, match=r"000\.png \(no image, or its beginning is damaged\).*004\.png \(No such file or directory\)"
    ):
        load_data(of_folder(tmp_path, broken_share=0.2))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_is_damaged_in_its_middle_is_left_out(tmp_path, progressive):
    folder(tmp_path, ending="jpg")
    chance = np.random.default_rng(1)
    for i in range(6):
        place = tmp_path / "cat" / f"{i:03}.jpg"
        picture(chance, (64, 64)).resize((12, 10)).save(place, progressive=progressive)
        content = bytearray(place.read_bytes())
        middle = (content.rindex(b"\xff\xda") + len(content)) // 2
        if i < 3:
            content[middle : middle + 8] = b"\xff\xd8\xff\xc4" * 2
        place.write_bytes(content)
    data = load_data(of_folder(tmp_path, broken_share=0.5))
    assert [Path(name).stem for name in data.broken] == ["000", "001", "002"]
    data.images[np.concatenate(list(data.split.values()))]


def test_a_jpeg_with_bytes_after_its_end_is_whole(tmp_path):
    folder(tmp_path, ending="jpg")
    with (tmp_path / "cat" / "000.jpg").open("ab") as file:
        file.write(b"a camera's own notes")
    assert load_data(of_folder(tmp_path)).broken == ()


def test_only_files_that_are_used_are_looked_at(tmp_path):
    folder(tmp_path, each=40)
    data = load_data(of_folder(tmp_path, split={"train": 8, "fit": 4, "score": 4, "test": 4}))
    unused = sorted(set(range(80)) - set(np.concatenate(list(data.split.values())).tolist()))
    (tmp_path / ("cat" if unused[0] < 40 else "dog") / f"{unused[0] % 40:03}.png").write_bytes(b"")
    assert load_data(of_folder(tmp_path, split={"train": 8, "fit": 4, "score": 4, "test": 4})).broken == ()


def test_a_file_that_breaks_later_stops_the_reading_by_its_name(tmp_path):
    data = load_data(of_folder(folder(tmp_path)))
    (tmp_path / "cat" / "002.png").write_bytes(b"")
    with pytest.raises(StudyError, match=r"002\.png cannot be decoded .*replace or delete it"):
        list(batches(data, np.arange(20), batch_size=4, device=CPU))
    picture(np.random.default_rng(0), (5, 5)).save(tmp_path / "cat" / "002.png")
    with pytest.raises(StudyError, match=r"002\.png: wanted pixels \(3, 10, 12\), got \(3, 5, 5\); was it replaced\?"):
        data.images[np.array([2])]


def test_folders_that_cannot_be_used(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudyError, match=r"no image files in .*empty; wanted CLASS/\*\.jpg"):
        load_data(of_folder(tmp_path / "empty"))
    with pytest.raises(StudyError, match=r"cannot read .*nowhere: No such file"):
        load_data(of_folder(tmp_path / "nowhere"))
    with pytest.raises(StudyError, match="at least two classes, got 1"):
        load_data(of_folder(folder(tmp_path / "one", classes=("cat",))))
    (folder(tmp_path / "hollow") / "elk").mkdir()
    with pytest.raises(StudyError, match=r"class 'elk' has no training image \(it has 0 of 20"):
        load_data(of_folder(tmp_path / "hollow"))
    folder(tmp_path / "both" / "train")
    folder(tmp_path / "both" / "val", classes=("cat", "cow"))
    with pytest.raises(StudyError, match=r"class 'cow' is in .*val but not among those for training"):
        load_data(of_folder(tmp_path / "both"))
    folder(tmp_path / "lost")
    for file in (tmp_path / "lost").rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(
        StudyError, match=r"20 of the 20 image files that are used cannot be read: .* and 15 more; replace"
    ):
        load_data(of_folder(tmp_path / "lost", broken_share=1.0))


# -- names -------------------------------------------------------------------------------------------------------------


def test_class_names_from_a_file(tmp_path):
    folder(tmp_path / "d", classes=("n01", "n02"))
    names = tmp_path / "names.txt"
    names.write_text("tench\ngreat white shark\n\n")
    assert load_data(of_folder(tmp_path / "d", classes=str(names))).class_names == ("tench", "great white shark")
    names.write_text("n02 great white shark\nn01 tench, Tinca tinca\nn03 more\n")
    data = load_data(of_folder(tmp_path / "d", classes=str(names)))
    assert data.class_names == ("tench, Tinca tinca", "great white shark")
    names.write_text("a\nb\nc\n")
    with pytest.raises(StudyError, match=r"names\.txt: wanted 2 names, one a class, got 3 lines"):
        load_data(of_folder(tmp_path / "d", classes=str(names)))
    with pytest.raises(StudyError, match=r"data\.classes: cannot read .*lost\.txt"):
        load_data(of_folder(tmp_path / "d", classes=str(tmp_path / "lost.txt")))


def test_superclasses_from_the_study_or_a_file(tmp_path):
    folder(tmp_path / "d", classes=("car", "cat", "dog"))
    groups = {"animal": ["cat", "dog"]}
    assert load_data(of_folder(tmp_path / "d", superclasses=groups)).superclass_of == ("", "animal", "animal")
    file = tmp_path / "groups.toml"
    file.write_text('animal = ["cat", "dog"]\nthing = ["car"]')
    data = load_data(of_folder(tmp_path / "d", superclasses=str(file)))
    assert data.superclass_of == ("thing", "animal", "animal")
    for text, message in {
        'animal = ["cta"]': r"animal: no class 'cta'; did you mean cat",
        'a = ["cat"]\nb = ["cat"]': r"class 'cat' is in a and in b; keep one",
        "a = 3": r"wanted lines NAME = .* got a = 3",
        "a = [": "not valid TOML",
    }.items():
        file.write_text(text)
        with pytest.raises(StudyError, match=message):
            load_data(of_folder(tmp_path / "d", superclasses=str(file)))


# -- staleness, registration -------------------------------------------------------------------------------------------


def test_a_file_that_is_added_changed_or_removed_makes_stale(tmp_path):
    settings = of_folder(folder(tmp_path)).data
    seen = [digests.content_digest(settings)]

    def again() -> str:
        seen.append(digests.content_digest(settings))
        return seen[-1]

    assert again() == seen[0]
    (tmp_path / "readme.txt").write_text("counts for nothing")
    assert again() == seen[0]
    picture(np.random.default_rng(3)).save(tmp_path / "cat" / "000.png")
    picture(np.random.default_rng(4)).save(tmp_path / "cat" / "new.png")
    after = again()
    assert after != seen[0]
    assert load_data(of_folder(tmp_path)).images.shape[0] == 21
    (tmp_path / "cat" / "new.png").unlink()
    assert again() not in (seen[0], after)
    assert load_data(of_folder(tmp_path)).images.shape[0] == 20


def test_fingerprints_of_studies_without_new_fields_hold_and_names_touch_no_pixels(tmp_path):
    plain = of_folder(tmp_path)
    assert plain.data.digested().keys() == {"source", "split"}
    assert of_folder(tmp_path, transform="auto") == plain
    other = of_folder(tmp_path, classes="c.txt", superclasses={"a": ["b"]}, broken_share=0.5)
    assert other.digest("data", "data.transform") == plain.digest("data")
    moved = of_folder(tmp_path, transform={"crop": 3})
    assert moved.digest("data") != plain.digest("data")
    assert moved.digest("data.source", "data.transform") != plain.digest("data.source", "data.transform")


TEXT = """# mine
name = "x"
[data]
source = 'folder:pictures'  # drawn by hand
split = {train = 0.4, fit = 0.2, score = 0.2, test = 0.2}
classes = "names.txt"
superclasses = "groups.toml"
[data.transform]
crop = 8
[probe]
groups = 2
"""


def test_relative_paths_of_a_study_file_become_absolute(tmp_path):
    folder(tmp_path / "pictures")
    (tmp_path / "names.txt").write_text("Cat\nDog\n")
    (tmp_path / "groups.toml").write_text('pet = ["Cat", "Dog"]')
    (tmp_path / "x.toml").write_text(TEXT)
    read = load_study(tmp_path / "x.toml")
    assert read.data.source == f"folder:{tmp_path}/pictures"
    assert load_data(read).superclass_of == ("pet", "pet")
    text = study_text(read, text=TEXT)
    assert text.startswith("# mine")
    assert f'source = "folder:{tmp_path}/pictures"  # drawn by hand' in text
    (tmp_path / "y.toml").write_text(study_text(read))
    assert load_study(tmp_path / "y.toml") == read
    for field in ("crop", "crp"):
        (tmp_path / "z.toml").write_text(TEXT.replace("crop = 8", f"{field} = 8"))
        if field == "crp":
            with pytest.raises(StudyError, match=r"unknown key data\.transform\.crp; did you mean crop\?"):
                load_study(tmp_path / "z.toml")


# -- decoding ahead ----------------------------------------------------------------------------------------------------


def test_images_are_decoded_ahead_and_no_more_than_that(tmp_path):
    data = load_data(of_folder(folder(tmp_path, each=30)))
    assert isinstance(data.images, Decoded)
    asked: list[int] = []
    parts = (asked.append(start) or np.arange(start, start + 5) for start in range(0, 60, 5))
    stream = data.images.ahead(parts)
    first = next(stream)
    assert len(asked) == 1 + decoding.N_AHEAD
    np.testing.assert_array_equal(first, data.images[np.arange(5)])
    next(stream)
    assert len(asked) == 2 + decoding.N_AHEAD
    stream.close()


def test_the_wait_for_data_is_told(tmp_path, caplog):
    data = load_data(of_folder(folder(tmp_path)))
    with caplog.at_level(logging.INFO, logger="featcx"):
        list(batches(data, data.probe, batch_size=3, device=CPU))
    assert "8 images decoded in" in caplog.text
    assert "waiting for data" in caplog.text


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
        remake(store, "dictionary_activations", epoch=1, device="cpu")
        chosen = dictionary_images(load_data(one), one)
        kept = zarr.open_group(str(store.dictionary_activations(1)), mode="r").attrs
        assert kept["images"] == selection_digest(chosen) != selection_digest([rows[::-1] for rows in chosen])
    np.testing.assert_array_equal(*acts)


def test_another_transform_is_another_anatomy(tmp_path):
    of_files = of_folder(folder(tmp_path / "d", each=20))
    store = register(of_files, home=tmp_path / "home")
    assert store.anatomy.image_shape == (3, 10, 12)
    register(of_folder(tmp_path / "d", transform={"crop": 8}), home=tmp_path / "home")
    assert open_store(tmp_path / "home", "x").anatomy.image_shape == (3, 8, 8)


def test_every_field_of_the_data_says_what_it_is():
    assert all(field.description for part in (Data, Transform) for field in part.model_fields.values())


def test_train_and_test_are_no_classes(tmp_path):
    folder(tmp_path, classes=("train", "test"))
    with pytest.raises(StudyError, match=r"holds test, train, which name parts, not classes; wanted train and val"):
        load_data(of_folder(tmp_path))


def test_a_resize_counts_where_the_crop_is_as_large_as_the_images(tmp_path):
    folder(tmp_path / "a")
    data = load_data(of_folder(tmp_path / "a", transform={"crop": 10}))
    pixels = data.images[np.arange(len(data.labels))]
    np.savez(tmp_path / "square.npz", images=pixels, labels=data.labels)
    square = study(f"npz:{tmp_path / 'square.npz'}")
    resized = study(f"npz:{tmp_path / 'square.npz'}", transform={"resize": 12, "crop": 10})
    np.testing.assert_array_equal(load_data(square).images, pixels)
    rows = np.array([0, 7])
    wanted = [
        np.asarray(Image.fromarray(p.transpose(1, 2, 0)).resize((12, 12), Image.Resampling.BILINEAR))
        for p in pixels[rows]
    ]
    np.testing.assert_array_equal(load_data(resized).images[rows], [w[1:11, 1:11].transpose(2, 0, 1) for w in wanted])


def test_a_crop_that_is_larger_than_what_weights_resize_to(tmp_path):
    named = of_folder(folder(tmp_path), transform={"weights": "ResNet18_Weights.IMAGENET1K_V1", "resize": 128})
    with pytest.raises(StudyError, match=r"data\.transform: crop = 224 is larger than resize = 128"):
        load_data(named)
    with pytest.raises(StudyError, match=r"FCN_ResNet50_Weights.* are not those of a classifier"):
        load_data(of_folder(tmp_path, transform={"weights": "FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1"}))
