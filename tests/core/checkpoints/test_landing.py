"""Checkpoints of another program: found by a pattern, read where they lie, followed as they come and go."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
import torch
from safetensors.torch import load_file, save_file

from featcx_core.analyses.activations.make import record_activations
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.landing import landed
from featcx_core.checkpoints.survey import load_checkpoint, read_head, read_metrics, survey
from featcx_core.networks.models import build_model
from featcx_core.networks.safetensors_files import CheckpointError
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import Checkpoints, Study, StudyError
from tests.steps import refresh, remake, table_of


@pytest.fixture
def runs(trained: Store, tmp_path: Path) -> Path:
    """Files of another program: nested, prefixed, of sparse epochs."""
    folder = tmp_path / "runs"
    folder.mkdir()
    for epoch, source in {1: 0, 10: 1, 30: 2}.items():
        state = {f"module.{name}": held for name, held in load_file(trained.checkpoint(source)).items()}
        torch.save({"epoch": epoch, "model": state}, folder / f"ckpt-{epoch}.pt")
        os.utime(folder / f"ckpt-{epoch}.pt", (0, 0))
    return folder


def study_of(tiny: Study, folder: Path | str, pattern: str = "ckpt-{epoch}.pt", **more: str) -> Study:
    return tiny.model_copy(
        update={"name": "other", "checkpoints": Checkpoints(folder=str(folder), pattern=pattern, **more)}
    )


@pytest.fixture
def store(tiny: Study, runs: Path, tmp_path: Path) -> Store:
    return register(study_of(tiny, runs), home=tmp_path / "home")


def test_they_are_the_same_checkpoints_in_another_form(store: Store, trained: Store, tiny: Study):
    own, other = survey(trained), survey(store)
    assert list(other.digests) == [1, 10, 30]
    assert list(other.digests.values()) == list(own.digests.values())
    assert other.found_as[10] == "weights of model, without the prefix module."
    assert (other.bad, other.young, other.gone) == ({}, frozenset(), frozenset())
    model = build_model(tiny, n_classes=3, image_shape=(1, 12, 12))
    load_checkpoint(store, model, epoch=30)
    saved = load_file(trained.checkpoint(2))
    assert all(torch.equal(saved[name], held) for name, held in model.state_dict().items())
    for mine, theirs in zip(read_head(trained, epoch=1), read_head(store, epoch=10), strict=True):
        assert (mine == theirs).all()


def test_metrics_that_no_file_has_are_measured(store: Store, trained: Store):
    row = remake(store, "checkpoint", epoch=30, device="cpu").iloc[0]
    known = remake(trained, "checkpoint", epoch=2, device="cpu").iloc[0]
    assert row["test_accuracy"] == pytest.approx(known["test_accuracy"])
    assert row["train_loss"] == pytest.approx(known["train_loss"], rel=1e-4)


def test_metrics_that_came_along_are_of_other_images(trained: Store, tiny: Study, tmp_path):
    store = register(study_of(tiny, trained.checkpoints, "{epoch}.safetensors"), home=tmp_path / "home")
    assert read_metrics(trained, epoch=2)["test_accuracy"] > 0
    assert read_metrics(store, epoch=2) is None


def test_a_head_that_was_saved_as_parameters(store: Store, runs: Path, trained: Store):
    saved = load_file(trained.checkpoint(2))
    state = {name: torch.nn.Parameter(held) if held.is_floating_point() else held for name, held in saved.items()}
    torch.save(state, runs / "ckpt-60.pt")
    for mine, theirs in zip(read_head(trained, epoch=2), read_head(store, epoch=60), strict=True):
        assert (mine == theirs).all()


def test_a_file_that_vanishes_while_it_is_read_holds_nothing_up(store: Store, runs: Path, monkeypatch):
    torch.save(torch.load(runs / "ckpt-1.pt"), runs / "ckpt-60.pt")

    def vanish(path: Path, **_: object) -> object:
        raise FileNotFoundError(2, "No such file or directory", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("featcx_core.checkpoints.survey.contents", vanish)
        found = survey(store)
        assert found.bad[60].endswith("ckpt-60.pt cannot be read: No such file or directory")
        assert list(found.digests) == [1, 10, 30]
    assert 60 in survey(store).digests  # it was not remembered as bad

    def stumble(path: Path, **_: object) -> object:
        raise RecursionError("too deep")

    torch.save(torch.load(runs / "ckpt-1.pt"), runs / "ckpt-90.pt")
    monkeypatch.setattr("featcx_core.checkpoints.survey.contents", stumble)
    assert "ckpt-90.pt cannot be used (RecursionError: too deep)" in survey(store).bad[90]


def test_another_pattern_chooses_its_own_reference(store: Store, runs: Path, tiny: Study):
    torch.save(torch.load(runs / "ckpt-1.pt"), runs / "new-7.pt")
    assert register(study_of(tiny, runs, "new-{epoch}.pt"), home=store.home).study.reference_epoch == 7
    with pytest.raises(StudyError, match=r"nothing in .* matches 'old-\{epoch\}\.pt'"):
        register(study_of(tiny, runs, "old-{epoch}.pt"), home=store.home)


def test_the_reference_is_the_last_when_registered_and_stays(store: Store, runs: Path, tiny: Study):
    assert store.study.reference_epoch == 30
    torch.save(torch.load(runs / "ckpt-30.pt"), runs / "ckpt-60.pt")
    again = register(study_of(tiny, runs), home=store.home)
    assert again.study.reference_epoch == open_store(store.home, "other").study.reference_epoch == 30
    assert sorted(Snapshot(again).survey.digests) == [1, 10, 30, 60]
    assert "training" not in Snapshot(again).wanted


def test_only_with_a_stated_reference_may_checkpoints_be_still_to_come(tiny: Study, tmp_path):
    empty = tmp_path / "empty"
    study = study_of(tiny, empty)
    with pytest.raises(StudyError, match=r"checkpoints\.folder: no folder .*empty"):
        register(study, home=tmp_path / "home")
    empty.mkdir()
    with pytest.raises(
        StudyError, match=r"checkpoints\.pattern: nothing in .*empty matches 'ckpt-\{epoch\}\.pt'; it is empty"
    ):
        register(study, home=tmp_path / "home")
    (empty / "epoch1.pth").touch()
    with pytest.raises(StudyError, match=r"matches 'ckpt-\{epoch\}\.pt'; it holds epoch1\.pth"):
        register(study, home=tmp_path / "home")
    assert not (tmp_path / "home" / "other").exists()
    stated = study.with_reference(30)
    assert Snapshot(register(stated, home=tmp_path / "home")).survey.digests == {}
    (empty / "ckpt-1.pt").write_bytes(b"broken")
    with pytest.raises(StudyError, match=r"ckpt-1\.pt is truncated, corrupt .*state the epoch to follow as probe"):
        register(study, home=tmp_path / "home")


@pytest.mark.parametrize(
    ("pattern", "name", "epoch"),
    [
        ("ckpt-{epoch}.pt", "ckpt-07.pt", 7),
        ("ckpt-{epoch}.pt", "ckpt-best.pt", None),
        ("ckpt-{epoch}.pt", "old/ckpt-7.pt", None),
        ("*/step-{epoch}/model.pt", "run_1/step-500/model.pt", 500),
        ("model_{epoch}_acc*.pth", "model_12_acc0.91.pth", 12),
        ("model[{epoch}]?.pt", "model[3]?.pt", 3),
        ("model[{epoch}]?.pt", "model33.pt", None),
        ("final.pt", "final.pt", 1),
        ("*{epoch}.pt", "run2_120.pt", 120),
        ("{epoch}*.pt", "12_final.pt", 12),
    ],
)
def test_patterns(tiny: Study, tmp_path, pattern, name, epoch):
    path = tmp_path / "runs" / name
    path.parent.mkdir(parents=True)
    path.touch()
    found = landed(Store(tmp_path, study_of(tiny, tmp_path / "runs", pattern)))
    assert {epoch: [file.place for file in files] for epoch, files in found.items()} == (
        {} if epoch is None else {epoch: [str(path)]}
    )


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"folder": "x"},
            r'checkpoints\.folder needs checkpoints\.pattern, for instance pattern = "epoch_\{epoch\}\.pt"',
        ),
        ({"pattern": "x"}, r"checkpoints\.pattern needs checkpoints\.folder"),
        ({"folder": "x", "pattern": "{epoch}-{epoch}.pt"}, r"wanted \{epoch\} once, got"),
        ({"folder": "x", "pattern": "../{epoch}.pt"}, r"wanted names within the folder, got"),
        ({"folder": "x", "pattern": "/{epoch}.pt"}, r"wanted names within the folder, got"),
    ],
)
def test_settings_that_cannot_be(settings, reason):
    with pytest.raises(ValueError, match=reason):
        Checkpoints(**settings)


def test_a_bad_one_and_two_of_one_epoch_do_not_stop_the_others(store: Store, runs: Path, monkeypatch):
    (runs / "ckpt-2.pt").write_bytes((runs / "ckpt-1.pt").read_bytes()[:1000])
    torch.save({"model": {"fc.weight": torch.ones(3, 3)}}, runs / "ckpt-3.pt")
    torch.save(torch.load(runs / "ckpt-1.pt"), runs / "ckpt-010.pt")
    torch.save(torch.load(runs / "ckpt-1.pt"), runs / "ckpt-1000000.pt")
    found = survey(store)
    assert list(found.digests) == [1, 30]
    assert "ckpt-2.pt is truncated, corrupt" in found.bad[2]
    assert "missing, first" in found.bad[3]
    assert "wanted one file" in found.bad[10]
    assert "ckpt-010.pt and" in found.bad[10]
    assert "wanted an epoch up to 999999, got 1000000" in found.bad[1_000_000]
    assert found.young == {2, 3, 10, 1_000_000}
    monkeypatch.setattr("featcx_core.checkpoints.survey.contents", lambda *_, **__: pytest.fail("read again"))
    assert survey(store).bad == found.bad  # within a process bad ones are read once, too


def test_a_replaced_one_makes_its_own_epoch_stale(store: Store, runs: Path):
    record_activations(store, epoch=1, device="cpu")
    record_activations(store, epoch=10, device="cpu")
    layer = store.anatomy.names[0]
    one, ten = (Partition("activations", epoch, layer) for epoch in (1, 10))
    state = torch.load(runs / "ckpt-1.pt")
    state["model"]["module.fc.bias"] += 1
    torch.save(state, runs / "ckpt-1.pt")
    assert not Snapshot(store).is_current(one)
    assert Snapshot(store).is_current(ten)


def test_a_file_whose_tensors_change_but_not_its_time_is_damaged(store: Store, runs: Path):
    path = runs / "ckpt-1.pt"
    before, status, content = survey(store).digests, path.stat(), path.read_bytes()
    state = torch.load(path)
    state["model"]["module.fc.bias"] += 1
    torch.save(state, path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    surveyed = survey(store)
    assert 1 not in surveyed.digests
    assert "is damaged: it holds other tensors than before, though its time of change is the same" in surveyed.bad[1]
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert survey(store).digests == before  # put back
    torch.save(state, path)
    assert survey(store).digests[1] != before[1]  # written anew: another checkpoint


def test_a_link_changes_with_the_file_that_it_leads_to(store: Store, runs: Path, tmp_path: Path):
    target = tmp_path / "latest.pt"
    torch.save(torch.load(runs / "ckpt-1.pt"), target)
    (runs / "ckpt-60.pt").symlink_to(target)
    (runs / "ckpt-90.pt").symlink_to(tmp_path / "nowhere")
    (before,) = landed(store)[60]
    assert before.size_bytes == target.stat().st_size
    target.write_bytes(bytes(before.size_bytes))
    assert landed(store)[60][0].changed != before.changed
    assert 90 not in landed(store)


def test_what_was_made_of_one_that_is_gone_stays(store: Store, runs: Path):
    remake(store, "checkpoint", epoch=10, device="cpu")
    refresh(store)
    (runs / "ckpt-10.pt").unlink()
    state = Snapshot(store)
    assert state.survey.gone == {10}
    assert list(state.partitions(catalogue()["checkpoint"])) == [
        Partition("checkpoint", epoch) for epoch in (1, 10, 30)
    ]
    assert Partition("checkpoint", 10) in state.current
    assert [p.epoch for p in state.stale(catalogue()["activations"]) if p.layer == store.anatomy.names[0]] == [1, 30]
    assert table_of(store, "epochs")["epoch"].tolist() == [10]
    with pytest.raises(
        CheckpointError, match=r"epoch 10: wanted one checkpoint in .*runs \(ckpt-\{epoch\}\.pt\), got 0"
    ):
        load_checkpoint(store, torch.nn.Linear(1, 1), epoch=10)


def test_another_folder_is_another_set(store: Store, runs: Path, tiny: Study, tmp_path):
    survey(store)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (runs / "ckpt-30.pt").rename(elsewhere / "ckpt-30.pt")
    moved = register(study_of(tiny, elsewhere), home=store.home)
    assert list(survey(moved).digests) == [30]


@pytest.fixture
def bucket(runs: Path) -> Iterator[str]:
    """An object store in memory."""
    memory = fsspec.filesystem("memory")
    for path in runs.iterdir():
        memory.pipe(f"/bucket/{path.name}", path.read_bytes())
    yield "memory://bucket"
    memory.rm("/bucket", recursive=True)


def test_an_object_store(bucket: str, tiny: Study, trained: Store, tmp_path):
    store = register(study_of(tiny, bucket), home=tmp_path / "home")
    assert list(survey(store).digests.values()) == list(survey(trained).digests.values())
    assert len(list((store.root / "downloads").iterdir())) == 3
    assert json.loads(store.digests_path.read_text())["accounts"].keys() == {
        f"memory://bucket/ckpt-{e}.pt" for e in (1, 10, 30)
    }
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/ckpt-10.pt", memory.cat("/bucket/ckpt-30.pt"))
    found = survey(store)
    assert found.digests[10] == found.digests[30]
    assert len(list((store.root / "downloads").iterdir())) == 3  # the older copy is gone
    memory.pipe("/bucket/ckpt-90.pt", b"half")
    assert "is truncated, corrupt or no file" in survey(store).bad[90]


def test_an_object_store_that_is_not_there(tiny: Study, tmp_path):
    with pytest.raises(StudyError, match=r"checkpoints\.folder: nope://bucket: .*nope"):
        register(study_of(tiny, "nope://bucket"), home=tmp_path)
    with pytest.raises(
        StudyError, match=r"checkpoints\.pattern: nothing in memory://none matches 'ckpt-\{epoch\}\.pt'"
    ):
        register(study_of(tiny, "memory://none"), home=tmp_path)


def test_a_folder_in_a_study_file_is_relative_to_it(tiny: Study, runs: Path, tmp_path):
    from featcx_core.study.files import load_study, study_text

    text = study_text(tiny) + f'\n[checkpoints]\nfolder = "{runs.name}/"  # theirs\npattern = "ckpt-{{epoch}}.pt"\n'
    text = text.replace('[checkpoints]\nfolder = ""\npattern = ""\nweights = "auto"\n', "")
    path = tmp_path / "study.toml"
    path.write_text(text)
    study = load_study(path)
    assert study.checkpoints.folder == str(runs)
    store = register(study, home=tmp_path / "home", text=text)
    assert "# theirs" in store.study_path.read_text()
    assert open_store(tmp_path / "home", study.name).study.checkpoints.folder == str(runs)


def test_young_files_settle(store: Store, runs: Path):
    path = runs / "ckpt-60.safetensors"
    save_file({"x": torch.ones(1)}, path)
    now = time.time()
    os.utime(runs / "ckpt-30.pt", (now, now))
    assert survey(store).young == {30}
    os.utime(runs / "ckpt-30.pt", (now - 60, now - 60))
    assert survey(store).young == set()
    os.utime(runs / "ckpt-30.pt", (now + 7200, now + 7200))  # by a machine whose clock is wrong
    assert survey(store).young == set()
