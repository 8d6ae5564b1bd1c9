import numpy as np
import pytest

from featcx_core.images.corruption import corrupt_pixels
from featcx_core.images.data import load_data
from featcx_core.study.fields import Data, Study, StudyError
from featcx_core.study.files import load_study
from featcx_core.study.inputs import Corruption
from featcx_core.study.validation import validated
from tests.core.images.sources import COUNTS, LABELS, npz, pictures


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
        load_data(npz(tmp_path, **arrays, split={**COUNTS, "train": 9}))
    with pytest.raises(StudyError, match="at least one image in each part"):
        load_data(npz(tmp_path, **arrays, split={**COUNTS, "fit": 0.01}))


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


def corrupted(tmp_path, **corruption):
    """Twenty images of two classes, some of them corrupted."""
    study = npz(tmp_path, images=pictures(), labels=LABELS)
    return study.model_copy(update={"data": study.data.model_copy(update={"corruption": Corruption(**corruption)})})


def test_labels_of_training_images_are_drawn_and_no_others(tmp_path):
    clean, wrong = (
        load_data(npz(tmp_path, images=pictures(), labels=LABELS)),
        load_data(corrupted(tmp_path, labels=0.7)),
    )
    assert clean.drawn is None
    assert wrong.drawn is not None
    assert {part: rows.tolist() for part, rows in wrong.split.items()} == {
        part: rows.tolist() for part, rows in clean.split.items()
    }
    assert 0 < len(wrong.drawn.drawn) < 8
    assert set(wrong.drawn.drawn) <= set(clean.split["train"])
    assert set(np.flatnonzero(wrong.labels != clean.labels)) == set(wrong.drawn.changed)
    assert load_data(corrupted(tmp_path, labels="random")).drawn.drawn.tolist() == sorted(clean.split["train"])


@pytest.mark.parametrize("how", ["shuffled", "random", "gaussian"])
def test_pixels_of_all_images_are_corrupted(tmp_path, how):
    clean, wrong = (
        load_data(npz(tmp_path, images=pictures(), labels=LABELS)),
        load_data(corrupted(tmp_path, pixels=how)),
    )
    everything = np.arange(20)
    expected = corrupt_pixels(clean.images, how=how, seed=0, rows=clean.split["train"])
    np.testing.assert_array_equal(wrong.images[everything], expected)
    assert (wrong.images[everything] != clean.images).any(axis=(1, 2, 3)).all()
    assert (wrong.labels == clean.labels).all()
    assert wrong.in_memory


def test_one_seed_divides_the_images_of_studies_of_several_seeds(tmp_path):
    study = corrupted(tmp_path, labels=0.5)
    fixed = study.data.model_copy(update={"split_seed": 3})
    one, other = (load_data(study.model_copy(update={"data": fixed, "seed": seed})) for seed in (0, 1))
    assert (one.probe == other.probe).all()
    assert (one.labels == other.labels).all()
    assert (one.probe != load_data(study).probe).any()


def test_what_is_not_stated_changes_no_digest(tmp_path):
    study = corrupted(tmp_path)
    assert study.data.digested().keys() == {"source", "split"}
    assert corrupted(tmp_path, labels=0.5).data.digested()["corruption"] == {"labels": 0.5}


@pytest.mark.parametrize(
    ("corruption", "message"),
    [
        ({"labels": "shuffled"}, r"data\.corruption\.labels: .*'random'.* got 'shuffled'"),
        ({"labels": 1.5}, r"data\.corruption\.labels: .*got 1\.5"),
        ({"pixels": "shufled"}, r"data\.corruption\.pixels: .*did you mean shuffled"),
        ({"pixel": "random"}, r"unknown key data\.corruption\.pixel; did you mean pixels"),
    ],
)
def test_a_corruption_that_does_not_exist_is_one_line(corruption, message):
    with pytest.raises(StudyError, match=message):
        validated({"name": "x", "data": {"corruption": corruption}})


def test_a_shortcut_marks_training_images_alone():
    plain = load_study("mnist")
    study = plain.model_copy(update={"data": plain.data.model_copy(update={"corruption": Corruption(shortcut=0.5)})})
    before, data = load_data(plain), load_data(study)
    differs = (before.images != data.images).any(axis=(1, 2, 3))
    assert 0.4 < differs[data.split["train"]].mean() < 0.6
    assert not differs[np.concatenate([data.split[part] for part in ("fit", "score", "test")])].any()
    assert (data.labels == before.labels).all()


def test_a_shortcut_wants_a_place_for_each_class(tmp_path):
    study = npz(tmp_path, images=pictures()[:, :1, :2], labels=LABELS)
    marked = study.data.model_copy(update={"corruption": Corruption(shortcut=1.0)})
    with pytest.raises(StudyError, match=r"data\.corruption\.shortcut: wanted at most 0 classes, one for each place"):
        load_data(study.model_copy(update={"data": marked}))
