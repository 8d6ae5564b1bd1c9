from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.models import ResNet18_Weights
from torchvision.transforms import v2

from featcx_core.images.data import (
    batches,
    load_data,
)
from featcx_core.images.transforms import Preprocessing, preprocessing
from featcx_core.study.fields import Data, Model, Study, StudyError, Transform
from tests.core.images.sources import CPU, folder, of_folder, picture, study


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
