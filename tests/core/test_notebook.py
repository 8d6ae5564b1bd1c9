import shutil
from pathlib import Path

import numpy as np
import pytest

import featcx_core as fx
from featcx_core.images.data import load_data
from featcx_core.store.places import Store
from featcx_core.study.fields import StudyError
from featcx_core.study.files import study_text


@pytest.fixture
def opened(trained: Store) -> fx.OpenStudy:
    return fx.open_study("tiny", home=trained.home)


def test_what_is_there(opened: fx.OpenStudy, tiny: fx.Study):
    assert opened.study == tiny
    assert opened.epochs == [0, 1, 2]
    assert list(opened.layers["layer"])[:2] == ["stem", "layer1.0"]
    assert set(opened.layers.columns) >= {"depth", "role", "in_complexity", "units", "height", "width", "shortcut"}
    assert repr(opened).startswith("OpenStudy('tiny', home=")


def test_halves_are_rows_of_the_probe_images(opened: fx.OpenStudy, tiny: fx.Study):
    data = load_data(tiny)
    fit, score = opened.split("fit"), opened.split("score")
    assert (fit == np.arange(60)).all()
    assert (score == np.arange(60, 120)).all()
    assert (opened.labels()[fit] == opened.labels("fit")).all()
    assert (opened.images()[score] == opened.images("score")).all()
    assert (opened.images("test") == data.images[data.split["test"]]).all()


def test_activations_codes_and_dictionary(opened: fx.OpenStudy, trained: Store):
    fx.record_activations(trained, epoch=2, device="cpu")
    acts = opened.acts(epoch=2, layer="layer3.2")
    assert acts.shape == (120, 64)
    assert {"layer", "pooling", "images"} <= set(acts.attrs)
    fx.make(trained, "dictionary", epoch=2, device="cpu")
    fx.make(trained, "codes", epoch=2, device="cpu")
    dictionary = opened.dictionary(epoch=2)
    assert dictionary.atoms.shape == (12, 64)
    assert list(dictionary.class_of) == [0] * 4 + [1] * 4 + [2] * 4
    assert opened.codes(epoch=2).shape == (120, 12)
    assert len(opened.table("concepts")) == 12
    dictionary = trained.study.dictionary.model_copy(update={"l1": 0.002})
    trained.study_path.write_text(study_text(trained.study.model_copy(update={"dictionary": dictionary})))
    changed = fx.open_study("tiny", home=trained.home)
    assert changed.table("concepts").empty  # made from something else


def test_what_is_not_there(opened: fx.OpenStudy, trained: Store):
    with pytest.raises(ValueError, match=r"study tiny: no epoch 7; wanted one of: 0, 1, 2"):
        opened.acts(epoch=7, layer="stem")
    with pytest.raises(ValueError, match=r"no layer 'layer3\.3'; did you mean layer3\.\d\?$"):
        opened.acts(epoch=1, layer="layer3.3")
    with pytest.raises(
        ValueError, match=r"epoch 1, layer stem: no activations yet at .*; materialise activations first"
    ):
        opened.acts(epoch=1, layer="stem")
    with pytest.raises(ValueError, match=r"epoch 1: no codes yet"):
        opened.codes(epoch=1)
    with pytest.raises(ValueError, match=r"epoch 1: no dictionary yet"):
        opened.dictionary(epoch=1)
    with pytest.raises(ValueError, match=r"no table 'complexty'; did you mean complexity\?"):
        opened.table("complexty")
    with pytest.raises(ValueError, match=r"no half 'test'; wanted one of: fit, score"):
        opened.split("test")
    with pytest.raises(ValueError, match=r"no part 'all'; wanted one of: probe, train, fit, score, test"):
        opened.images("all")
    with pytest.raises(StudyError, match=r"no study 'other' in .*; it has: tiny"):
        fx.open_study("other", home=trained.home)


def test_opening_writes_nothing(trained: Store):
    before = {path: path.stat().st_mtime_ns for path in trained.home.rglob("*")}
    opened = fx.open_study("tiny", home=trained.home)
    opened.table("epochs")
    assert len(opened.layers) == 10
    assert opened.images("fit").shape == (60, 1, 12, 12)
    assert {path: path.stat().st_mtime_ns for path in trained.home.rglob("*")} == before


def test_another_programs_checkpoints(tiny: fx.Study, trained: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    folder = tmp_path / "runs"
    folder.mkdir()
    for epoch in (1, 2):
        shutil.copy(trained.checkpoint(epoch), folder / f"e{epoch}.safetensors")
    (folder / "e3.safetensors").write_bytes(b"cut off")
    checkpoints = {"folder": str(folder), "pattern": "e{epoch}.safetensors"}
    study = fx.Study.model_validate(
        {**tiny.model_dump(), "probe": {"groups": tiny.probe.groups}, "checkpoints": checkpoints}
    )
    store = fx.use_checkpoints(study, home=tmp_path / "home")
    assert store.study.reference_epoch == 2
    assert "e3.safetensors" in caplog.text
    assert fx.open_study("tiny", home=tmp_path / "home").epochs == [1, 2]
    fx.make(store, "checkpoint", epoch=2, device="cpu")
    rows = fx.open_study("tiny", home=tmp_path / "home").table("epochs")
    assert rows["test_accuracy"].notna().all()
    with pytest.raises(StudyError, match="featcx trains its network; state checkpoints"):
        fx.use_checkpoints(tiny, home=tmp_path / "home")
