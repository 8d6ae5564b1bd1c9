"""The estimate of time, disk and memory: its counts are those of a finished study, its sizes near the real ones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from featcx_core.analyses.training.make import train
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.features.dictionary import fit_dictionary
from featcx_core.features.forward import Network
from featcx_core.images.data import load_data
from featcx_core.inspection import sample
from featcx_core.inspection.dry_run import DryRun, Workflow, dry_run, dry_run_lines, dry_run_values
from featcx_core.inspection.passes import forward_passes
from featcx_core.inspection.size import size_of
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import Study
from featcx_core.study.files import load_study
from tests.steps import table_of

WORKFLOW = Workflow(seconds=5.0, partition_seconds=0.1, n_bytes=1e6, partition_bytes=1e3, memory_bytes=1e8)


@pytest.fixture(scope="module")
def finished(finished_home: Path) -> Store:
    return open_store(finished_home, "tiny")


@pytest.fixture(scope="module")
def found(finished: Store) -> DryRun:
    study = load_study(finished.home.parent / "tiny.toml")
    return dry_run(study, finished.anatomy, epochs=(0, 1, 2), workflow=WORKFLOW, device="cpu")


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_counts_are_those_of_the_finished_study(finished: Store, found: DryRun):
    state, size = Snapshot(finished), found.size
    assert size.n_partitions == sum(len(list(state.partitions(asset))) for asset in state.wanted)
    rows = table_of(finished, "v_information", columns=["epoch", "layer", "dictionary_epoch", "kind"])
    at_one_layer = rows[(rows["epoch"] == 1) & (rows["layer"] == finished.anatomy.penultimate)]
    assert size.columns == len(at_one_layer)
    assert size.own_columns == (at_one_layer["dictionary_epoch"] == 1).sum()
    assert size.n_concepts == len(table_of(finished, "concepts")) / 3
    assert (size.n_probe, size.n_train, size.n_dictionary, size.n_trained) == (120, 120, 90, 2)


def test_disk_is_about_what_the_finished_study_takes(finished: Store, found: DryRun):
    parts = ("checkpoints", "activations", "dictionary_activations", "dictionary", "codes", "sums", "tables")
    for part in (*parts, "sums_without_groups"):
        real = folder_bytes(finished.root / part)
        assert 0.4 < found.disk[part] / real < 2.0, part  # small files have heads as large as their content
    assert found.disk["run history"] == 1e6 + 1e3 * found.size.n_partitions


def test_time_adds_up(found: DryRun):
    cost = found.cost
    names = ["training", "activations", "positions of the dictionary images", "dictionary", "codes", "V-information"]
    assert [step.name for step in cost.each] == [*names, "sensitivity", "redundancy"]
    assert [step.times for step in cost.each] == [2, 3, 3, 3, 3, 3, 2, 2]
    assert all(step.epoch_seconds > 0 for step in (*cost.each, *cost.once))
    work = sum(step.epoch_seconds * step.times for step in (*cost.each, *cost.once))
    assert found.seconds == pytest.approx(work + 5.0 + 0.1 * found.size.n_partitions)


def test_lines_and_values_say_the_same(found: DryRun):
    lines, values = list(dry_run_lines(found)), dry_run_values(found)
    assert lines[0].split() == ["layer", "recorded", "an", "epoch", "bytes"]
    assert [line.split()[0] for line in lines[1 : 1 + len(found.layers)]] == list(values["layers"])
    assert values["layers"]["stem"] == [120, 16]
    assert any(line.split()[:4] == ["stem", "120", "x", "16"] for line in lines)
    assert values["seconds"] == found.seconds
    for start in ("forward pass: ", "time: about ", "  training ", "disk: about ", "memory: about "):
        assert any(line.startswith(start) for line in lines), start
    assert set(values["memory_bytes"]) == {"libraries", *found.cost.memory}


def test_checkpoints_of_another_program_are_measured_and_not_trained(finished: Store, tiny: Study, tmp_path: Path):
    checkpoints = {"folder": str(finished.checkpoints), "pattern": "{epoch}.safetensors"}
    study = Study.model_validate({**tiny.model_dump(), "checkpoints": checkpoints})
    found = dry_run(study, finished.anatomy, epochs=(0, 1, 2), workflow=WORKFLOW, device="cpu")
    assert found.cost.each[0].name == "accuracy and loss"
    assert found.size.n_trained == 0
    assert found.disk["checkpoints"] == 0
    assert "training" not in found.cost.memory
    assert found.accuracy is not None
    assert (found.accuracy.epoch, found.accuracy.n_images) == (2, 120)
    assert (found.accuracy.accuracy < 0.38) == bool(found.accuracy.doubt)
    assert f"accuracy of epoch 2 on 120 probe images: {found.accuracy.accuracy:.1%}" in list(dry_run_lines(found))


def test_one_checkpoint_follows_none(finished: Store, tiny: Study):
    size = size_of(tiny, finished.anatomy, load_data(tiny), epochs=(1,))
    assert size.reference_columns == 0
    n_detailed, n_once = 5, 10
    assert size.n_partitions == 6 + 2 * len(finished.anatomy.layers) + n_detailed + n_once


def test_positions_that_are_not_kept_take_no_disk(finished: Store, tiny: Study):
    streamed = tiny.model_copy(update={"dictionary": tiny.dictionary.model_copy(update={"keep_positions_gb": 0.0})})
    found = dry_run(streamed, finished.anatomy, epochs=(0, 1, 2), workflow=WORKFLOW, device="cpu")
    assert found.disk["dictionary_activations"] == 0


def test_broken_weights_are_said(trained: Store, tiny: Study):
    network = Network.load(trained, epoch=1, device="cpu")
    with torch.no_grad():
        network.model.get_parameter("stem.0.weight").fill_(torch.nan)
    with pytest.raises(ValueError, match=r"epoch 1, layer stem: .* activations are NaN or infinite"):
        forward_passes(network, tiny, trained.anatomy, epoch=1)


def test_time_grows_with_what_is_not_in_the_sample(tiny: Study):
    """The sample is the same, so the scaled times are in proportion, timing noise aside."""
    chance = np.random.default_rng(0)
    acts = np.abs(chance.standard_normal((64, 16))).astype(np.float32)
    atoms = fit_dictionary(acts, n_concepts=4).atoms
    cpu = torch.device("cpu")
    few, _ = sample.codes_seconds(acts, atoms, tiny, n_concepts=8, n_images=1_000, device=cpu)
    many, _ = sample.codes_seconds(acts, atoms, tiny, n_concepts=8, n_images=1_000_000, device=cpu)
    assert many > 20 * few
    narrow = sample.information_seconds(tiny, units=8, columns=10, n_half=2_000, device=cpu)
    long = sample.information_seconds(tiny, units=8, columns=10, n_half=2_000_000, device=cpu)
    assert long > 20 * narrow


def test_a_dictionary_of_classes_that_the_sample_lacks(tiny: Study):
    chance = np.random.default_rng(0)
    positions = np.abs(chance.standard_normal((10, 3, 6))).astype(np.float32)
    cpu = torch.device("cpu")
    seconds, atoms = sample.dictionary_seconds(positions, tiny, counts=(4, 4, 4), method="nmf", device=cpu)
    assert atoms.shape == (8, 6)  # of the two classes that it has whole
    assert seconds > 0
    _, atoms = sample.dictionary_seconds(positions, tiny, counts=(40, 40), method="nmf", device=cpu)
    assert atoms.shape == (4, 6)  # of a part of the first


def test_the_training_that_was_timed_leaves_nothing(tiny: Study, tmp_path: Path):
    """The dry run trains some steps; the study's own training starts from its own weights all the same."""
    first = train(tiny, home=tmp_path / "a", device="cpu")
    dry_run(tiny, first.anatomy, epochs=(0, 1, 2), workflow=WORKFLOW, device="cpu")
    second = train(tiny, home=tmp_path / "b", device="cpu")
    assert Snapshot(first).survey.digests == Snapshot(second).survey.digests
