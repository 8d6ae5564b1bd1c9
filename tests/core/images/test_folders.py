import numpy as np
import pytest
from PIL import Image

from featcx_core.images.corruption import CorruptedPixels
from featcx_core.images.data import load_data
from featcx_core.study.fields import StudyError
from tests.core.images.sources import folder, of_folder, picture


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
    assert [data.file_of(row) for row in (0, 19)] == ["cat/000.png", "dog/009.png"]
    assert data._replace(images=CorruptedPixels(data.images, how="shuffled", seed=0)).file_of(19) == "dog/009.png"
    assert data._replace(images=pixels).file_of(19) == ""
    assert {part: len(rows) for part, rows in data.split.items()} == {"train": 8, "fit": 4, "score": 4, "test": 4}
    train_pixels = pixels[data.split["train"]] / 255
    np.testing.assert_allclose(data.mean, train_pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(data.std, train_pixels.std((0, 2, 3)), rtol=1e-5)


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


def test_train_and_test_are_no_classes(tmp_path):
    folder(tmp_path, classes=("train", "test"))
    with pytest.raises(StudyError, match=r"holds test, train, which name parts, not classes; wanted train and val"):
        load_data(of_folder(tmp_path))
