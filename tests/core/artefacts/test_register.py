import os
import subprocess
import sys

import numpy as np
import pytest

from featcx_core.artefacts.making import make
from featcx_core.artefacts.register import register
from featcx_core.networks.anatomy import read_anatomy
from featcx_core.store.places import open_store
from featcx_core.study.fields import Model, Study, StudyError
from featcx_core.study.files import load_study, packaged_studies, study_text
from tests.conftest import TINY, write_tiny
from tests.steps import table_of


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_registered_study_has_all_that_later_steps_read(tiny, tmp_path):
    store = register(tiny, home=tmp_path)
    assert open_store(tmp_path, "tiny").study == tiny
    assert store.anatomy.names == ["stem", *(f"layer{s}.{b}" for s in (1, 2, 3) for b in range(3))]
    make(store, "layers")
    assert list(table_of(store, "layers")["layer"]) == store.anatomy.names


def test_registering_again_writes_only_what_changed(tiny, tmp_path):
    store = register(tiny, home=tmp_path)
    before = stamps(tmp_path)
    register(tiny, home=tmp_path)
    assert stamps(tmp_path) == before
    register(tiny.model_copy(update={"seed": 5}), home=tmp_path)
    changed = {path.name for path, stamp in stamps(tmp_path).items() if before.get(path) != stamp}
    assert changed == {"study.toml", "study.toml.before"}
    smaller = tiny.model_copy(update={"model": Model(source="builtin:small_resnet", arguments={"widths": [4, 8]})})
    register(smaller, home=tmp_path)
    assert store.anatomy.penultimate == "layer2.2"
    after = {path.name for path, stamp in stamps(tmp_path).items() if before.get(path) != stamp}
    assert after == {"study.toml", "study.toml.before", "layers.json"}


def test_an_anatomy_of_another_version_is_found_anew(tiny, tmp_path):
    store = register(tiny, home=tmp_path)
    store.layers_path.write_text('{"layers": []}')
    with pytest.raises(
        StudyError, match=r"layers\.json is not from this version of featcx; `featcx run tiny` writes it"
    ):
        _ = store.anatomy
    register(tiny, home=tmp_path)
    assert store.anatomy.head == "fc"


def test_a_registered_study_that_says_something_else_is_kept_beside_and_named(tiny, tmp_path, caplog):
    store = register(tiny, home=tmp_path)
    mine = "# mine\n" + store.study_path.read_text()
    store.study_path.write_text(mine)
    register(tiny, home=tmp_path)
    assert not (tmp_path / "tiny" / "study.toml.before").exists()  # it says the same
    store.study_path.write_text(mine.replace("bootstrap = 100", "bootstrap = 200"))
    register(tiny, home=tmp_path)
    assert (tmp_path / "tiny" / "study.toml.before").read_text() == mine.replace("bootstrap = 100", "bootstrap = 200")
    assert open_store(tmp_path, "tiny").study == tiny
    (said,) = [record.message for record in caplog.records]
    assert said.endswith("kept as study.toml.before; changed: analyses.bootstrap: 200 -> 100")


def test_the_packaged_study_needs_no_torch(tmp_path):
    code = f"""
import sys
from featcx_core.artefacts.register import register
from featcx_core.study.files import load_study
store = register(load_study("mnist"), home={str(tmp_path)!r})
print(store.anatomy.penultimate, sorted({{"torch", "sklearn", "torchvision", "mlxtend"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "layer3.2 []"
    packaged = packaged_studies()["mnist"].with_suffix(".layers.json")
    assert open_store(tmp_path, "mnist").anatomy == read_anatomy(packaged)


def test_comments_survive_and_a_path_to_data_becomes_absolute(tmp_path):
    for quote in ('"', "'"):
        text = "# mine\n" + TINY.replace('"npz:tiny.npz"', f"{quote}npz:tiny.npz{quote}  # drawn by hand")
        study = load_study(write_tiny(tmp_path / "data", text=text))
        store = register(study, home=tmp_path / "home", text=text)
        assert store.study_path.read_text() == text.replace(
            f"{quote}npz:tiny.npz{quote}", f'"npz:{tmp_path}/data/tiny.npz"'
        )
        assert open_store(tmp_path / "home", "tiny").study == study


def test_a_text_that_says_something_else_is_not_kept():
    study = Study(name="a", seed=3)
    for text in ('name = "a"', 'name = "a', 'name = "a"\nsed = 3'):
        assert "seed = 3" in study_text(study, text=text)


def test_a_study_made_in_python_comes_back_from_its_file(tmp_path):
    study = load_study("mnist").model_copy(
        update={
            "name": "b",
            "model": Model(source="my.net:make", arguments={"widths": [1, 2.5], "bn": True, "o": {"né": 'q"\\\n'}}),
        }
    )
    (tmp_path / "b.toml").write_text(study_text(study), encoding="utf-8")
    lies = study.model.model_copy(update={"folder": str(tmp_path)})  # beside the file its factory may lie
    assert load_study(tmp_path / "b.toml") == study.model_copy(update={"model": lies})
    nothing = study.model_copy(update={"model": Model(source="my.net:make", arguments={"x": None})})
    with pytest.raises(StudyError, match="a study file cannot hold None"):
        study_text(nothing)


def test_a_home_that_cannot_be_written(tiny, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        StudyError, match=r"cannot write to .*file.*: (Not a directory|File exists); choose another home"
    ):
        register(tiny, home=tmp_path / "file")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
def test_a_read_only_home(tiny, tmp_path, monkeypatch):
    from featcx_core.artefacts import register as module

    def refuse(path, content):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(module, "write_bytes", refuse)
    with pytest.raises(StudyError, match=r"cannot write to .*layers\.json: Permission denied; choose another home"):
        register(tiny, home=tmp_path)


def test_data_that_cannot_be_read_registers_nothing(tmp_path):
    study = Study(name="lost", data={"source": f"npz:{tmp_path}/nowhere.npz"})
    with pytest.raises(StudyError, match=r"data\.source: cannot read .*nowhere\.npz"):
        register(study, home=tmp_path / "home")
    assert not list((tmp_path / "home").rglob("*.toml"))


def test_other_data_at_the_same_path_are_looked_at_again(tmp_path):
    path = write_tiny(tmp_path)
    store = register(load_study(path), home=tmp_path / "home")
    before = store.anatomy
    with np.load(tmp_path / "tiny.npz") as held:
        images, labels = held["images"], held["labels"]
    np.savez(tmp_path / "tiny.npz", images=images, labels=np.where(np.arange(270) % 9, labels, 3))
    register(load_study(path), home=tmp_path / "home")
    assert (before.n_classes, store.anatomy.n_classes) == (3, 4)


def test_a_share_of_the_images_that_is_too_small_for_the_jackknife(tmp_path):
    path = write_tiny(tmp_path, text=TINY.replace("score = 60", "score = 0.01"))
    with pytest.raises(
        StudyError, match=r"probe\.groups = 7 needs as many score images, got 3; raise data\.split\.score"
    ):
        register(load_study(path), home=tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_an_analysis_that_nobody_declares_is_refused(tiny, tmp_path):
    for run, said in {
        ("complexty",): r"analyses\.run: no analysis 'complexty'; did you mean complexity\?",
        ("support", "complexity"): r"support needs importance in analyses\.run",
    }.items():
        study = tiny.model_copy(update={"analyses": tiny.analyses.model_copy(update={"run": run})})
        with pytest.raises(StudyError, match=said):
            register(study, home=tmp_path)
    assert not list(tmp_path.rglob("study.toml"))
