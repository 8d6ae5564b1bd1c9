"""Images without classes."""

from pathlib import Path

import numpy as np
import pytest

from featcx_core.images.data import load_data
from featcx_core.study.fields import DictionarySettings, Study, StudyError
from tests.core.images.sources import picture

UNLABELLED = {
    "model": {"outputs": "none"},
    "dictionary": {"scope": "all"},
    "checkpoints": {"folder": "c", "pattern": "a.pt"},
}
SPLIT = {"train": 6, "fit": 3, "score": 3, "test": 2}


def study(source: str, **data: object) -> Study:
    given = {"source": source, "unlabelled": True, "split": SPLIT, **data}
    return Study.model_validate({"name": "x", "data": given, **UNLABELLED, "probe": {"groups": 3}})


def data_of_each_class(of_all: Study) -> Study:
    return of_all.model_copy(update={"dictionary": DictionarySettings()})


def test_a_flat_folder_and_folders_of_any_depth(tmp_path: Path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    chance = np.random.default_rng(0)
    for number in range(14):
        folder = (tmp_path, tmp_path / "a", tmp_path / "a" / "b")[number % 3]
        picture(chance, (8, 8)).save(folder / f"{number}.png")
    data = load_data(study(f"folder:{tmp_path}"))
    assert data.class_names == ("unlabelled",)
    assert data.images.shape == (14, 3, 8, 8)
    assert set(data.labels) == {0}
    assert {part: len(rows) for part, rows in data.split.items()} == SPLIT
    (tmp_path / "flat").mkdir()
    picture(chance, (8, 8)).save(tmp_path / "flat" / "0.png")
    with pytest.raises(StudyError, match=r"lie in no folder of a class; state data\.unlabelled = true"):
        load_data(study(f"folder:{tmp_path / 'flat'}", unlabelled=False))
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudyError, match=r"no image files in .*empty; wanted files with the ending"):
        load_data(study(f"folder:{tmp_path / 'empty'}"))


def test_arrays_need_no_labels(tmp_path: Path):
    images = np.arange(14 * 64, dtype=np.int64).astype(np.uint8).reshape(14, 8, 8)
    np.savez(tmp_path / "x.npz", images=images)
    np.save(tmp_path / "images.npy", images)
    for source in (f"npz:{tmp_path / 'x.npz'}", f"npy:{tmp_path}"):
        data = load_data(study(source))
        assert set(data.labels) == {0}
        np.testing.assert_array_equal(data.images[np.arange(14)][:, 0], images)


def test_what_asks_for_classes_is_refused():
    given = {"name": "x", "data": {"source": "folder:x", "unlabelled": True}, **UNLABELLED}
    Study.model_validate(given)
    for part, wanted in (
        ("model", 'model.outputs = "none"'),
        ("dictionary", 'dictionary.scope = "all"'),
        ("checkpoints", r"\[checkpoints\]"),
    ):
        with pytest.raises(ValueError, match=f"data.unlabelled wants .*{wanted}"):
            Study.model_validate({name: value for name, value in given.items() if name != part})


def test_one_dictionary_needs_no_training_image_of_every_class(tmp_path: Path):
    labels = np.arange(14)  # one image a class
    np.savez(tmp_path / "x.npz", images=np.zeros((14, 8, 8), dtype=np.uint8), labels=labels)
    data = load_data(study(f"npz:{tmp_path / 'x.npz'}", unlabelled=False))
    assert len(data.class_names) == 14
    assert len(data.split["train"]) == 6
    by_class = data_of_each_class(study(f"npz:{tmp_path / 'x.npz'}", unlabelled=False))
    with pytest.raises(StudyError, match="has no training image"):
        load_data(by_class)
