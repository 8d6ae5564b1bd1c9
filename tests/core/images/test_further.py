from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featcx_core.images.data import load_data
from featcx_core.images.further import further_images
from featcx_core.study.fields import Study, StudyError
from featcx_core.study.files import load_study
from tests.conftest import TINY, write_tiny


def study_with(tmp_path: Path, dictionary: str) -> Study:
    text = TINY.replace('source = "npz:tiny.npz"', f'source = "npz:tiny.npz"\ndictionary = "{dictionary}"')
    return load_study(write_tiny(tmp_path, text=text.replace("[dictionary]", '[dictionary]\nscope = "all"')))


def pixels(n: int, side: int = 12) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (n, side, side)).astype(np.uint8)


def test_an_archive_without_labels(tmp_path: Path):
    np.savez(tmp_path / "more.npz", images=pixels(7))
    study = study_with(tmp_path, "npz:more.npz")
    data = load_data(study)
    further = further_images(study, data)
    np.testing.assert_array_equal(further.images, pixels(7)[:, None])
    assert further.split["train"].tolist() == list(range(7))
    np.testing.assert_array_equal(further.mean, data.mean)


def test_a_folder_of_files_at_any_depth(tmp_path: Path):
    (tmp_path / "more" / "deep").mkdir(parents=True)
    for i, image in enumerate(pixels(3)):
        Image.fromarray(image).save(tmp_path / "more" / ("deep" if i else ".") / f"{i}.png")
    study = study_with(tmp_path, "folder:more")
    further = further_images(study, load_data(study))
    np.testing.assert_array_equal(further.images[further.split["train"]], pixels(3)[:, None])


def test_without_further_images_there_are_none(tmp_path: Path):
    study = load_study(write_tiny(tmp_path))
    assert further_images(study, load_data(study)) is None


@pytest.mark.parametrize(
    ("dictionary", "says"),
    [
        ("npz:lost.npz", r"data.dictionary: cannot read .*lost.npz: No such file"),
        ("npz:empty.npz", r"data.dictionary: .*empty.npz: wanted an .npz with an array `images`, got"),
        (
            "npz:large.npz",
            r"data.dictionary: wanted images of 1 x 12 x 12 as the study's, got 1 x 20 x 20; state data.",
        ),
        ("npz:floats.npz", r"wanted images as uint8 \(image, \[channel,\] height, width\), got float64 \(2, 12, 12\)"),
        ("folder:none", r"data.dictionary: no image files in .*none; wanted files with the ending .jpg"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, dictionary: str, says: str):
    np.savez(tmp_path / "empty.npz", labels=np.zeros(2))
    np.savez(tmp_path / "large.npz", images=pixels(2, side=20))
    np.savez(tmp_path / "floats.npz", images=np.zeros((2, 12, 12)))
    (tmp_path / "none").mkdir()
    study = study_with(tmp_path, dictionary)
    with pytest.raises(StudyError, match=says):
        further_images(study, load_data(study))


def test_images_without_labels_need_one_dictionary_for_all(tmp_path: Path):
    with pytest.raises(StudyError, match=r'data.dictionary needs dictionary.scope = "all": its images have no labels'):
        load_study(write_tiny(tmp_path, text=TINY.replace("[data]", '[data]\ndictionary = "npz:more.npz"')))
    with pytest.raises(StudyError, match=r"data.dictionary"):
        load_study(write_tiny(tmp_path, text=TINY.replace("[data]", '[data]\ndictionary = "more"')))
