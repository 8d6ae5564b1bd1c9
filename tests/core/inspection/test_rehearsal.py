"""The estimate of time, disk and memory, from one epoch of the study's own work."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.inspection.rehearsal import Rehearsal, Workflow, rehearsal_lines, rehearsal_values, rehearse
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import Study
from featcx_core.study.files import load_study

WORKFLOW = Workflow(seconds=5.0, partition_seconds=0.1, partition_bytes=1e3)


@pytest.fixture(scope="module")
def finished(finished_home: Path) -> Store:
    return open_store(finished_home, "tiny")


@pytest.fixture(scope="module")
def rehearsed(finished: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[Rehearsal, Path]:
    """The rehearsal of the tiny study, and the home beside which it was made."""
    home = tmp_path_factory.mktemp("rehearsed")
    study = load_study(finished.home.parent / "tiny.toml")
    settings = {"home": home, "epochs": (0, 1, 2), "workflow": WORKFLOW, "device": "cpu"}
    return rehearse(study, finished.anatomy, **settings), home


def test_nothing_of_it_stays(rehearsed: tuple[Rehearsal, Path]):
    assert not list(rehearsed[1].glob("*")) + list(rehearsed[1].glob(".*"))


def test_partitions_are_those_of_the_finished_study(finished: Store, rehearsed: tuple[Rehearsal, Path]):
    snapshot = Snapshot(finished)
    real = {artefact.name: len(snapshot.partitions(artefact)) for artefact in snapshot.wanted}
    assert {step.name: step.n_partitions for step in rehearsed[0].steps} == real
    assert rehearsed[0].n_partitions == sum(real.values())


def test_disk_is_about_that_of_the_finished_study(finished: Store, rehearsed: tuple[Rehearsal, Path]):
    sizes = rehearsed[0].disk
    for part in ("activations", "dictionary_activations", "dictionary", "codes"):
        real = sum(path.stat().st_size for path in (finished.root / part).rglob("*") if path.is_file())
        assert 0.4 < sizes[part] / real < 2.0, part  # small files have heads as large as their content
    assert sizes["run history"] == 1e3 * rehearsed[0].n_partitions


def test_time_adds_up(rehearsed: tuple[Rehearsal, Path]):
    rehearsal = rehearsed[0]
    times = {step.name: step.times for step in rehearsal.steps}
    assert times["training"] == 2
    assert times["activations"] == times["codes"] == 3
    assert times["reference_v_information"] == times["sensitivity"] == 2
    assert times["report"] == 1
    work = sum(step.seconds * step.times for step in rehearsal.steps)
    assert rehearsal.seconds == pytest.approx(work + 5.0 + 0.1 * rehearsal.n_partitions)
    assert all(step.seconds > 0 for step in rehearsal.steps)


def test_lines_and_values_say_the_same(rehearsed: tuple[Rehearsal, Path]):
    rehearsal = rehearsed[0]
    lines, values = list(rehearsal_lines(rehearsal)), rehearsal_values(rehearsal)
    assert any(line.split() == ["stem", "120", "x", "16"] for line in lines)
    assert values["layers"]["stem"] == [120, 16]
    assert values["seconds"] == rehearsal.seconds
    for start in ("accuracy of epoch 1", "time: about ", "  training ", "disk: about ", "memory: "):
        assert any(line.startswith(start) for line in lines), start


def test_checkpoints_of_another_program_are_measured_and_not_trained(finished: Store, tiny: Study, tmp_path: Path):
    checkpoints = {"folder": str(finished.checkpoints), "pattern": "{epoch}.safetensors"}
    values = {**tiny.model_dump(), "checkpoints": checkpoints, "analyses": {"run": ["complexity"]}}
    study = Study.model_validate(values)
    settings = {"home": tmp_path, "epochs": (0, 1, 2), "workflow": WORKFLOW, "device": "cpu"}
    rehearsal = rehearse(study, finished.anatomy, **settings)
    assert rehearsal.epoch == 2
    assert "training" not in {step.name for step in rehearsal.steps}
    assert rehearsal.accuracy is not None
    assert (rehearsal.accuracy < 0.38) == bool(rehearsal.doubt)


def test_broken_weights_are_said(finished: Store, tiny: Study, tmp_path: Path):
    tensors = load_file(finished.checkpoint(2))
    tensors["stem.0.weight"].fill_(torch.nan)
    (tmp_path / "runs").mkdir()
    save_file(tensors, tmp_path / "runs" / "1.safetensors")
    checkpoints = {"folder": str(tmp_path / "runs"), "pattern": "{epoch}.safetensors"}
    study = Study.model_validate({**tiny.model_dump(), "checkpoints": checkpoints})
    settings = {"home": tmp_path / "home", "epochs": (1,), "workflow": WORKFLOW, "device": "cpu"}
    with pytest.raises(ValueError, match=r"1\.safetensors: the loss is nan; .* replace or delete it"):
        rehearse(study, finished.anatomy, **settings)
