"""`featcx reference`: another epoch whose concepts are followed."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from featcx_core.analyses.reading import doubts
from featcx_core.artefacts.given import StudyReader
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.networks.small_resnet import SmallResNet
from featcx_core.store.places import open_store
from featcx_core.study.fields import Checkpoints, Study
from featcx_core.study.files import load_study
from tests.assets.command import featcx, refused
from tests.conftest import write_tiny
from tests.steps import remake

NARROW = {"widths": [4, 8]}


def land(folder: Path, epoch: int) -> None:
    torch.manual_seed(epoch)
    save_file(SmallResNet(channels=1, n_classes=3, widths=(4, 8)).state_dict(), folder / f"{epoch}.safetensors")


@pytest.fixture
def tiny(tmp_path: Path) -> Study:
    return load_study(write_tiny(tmp_path))


@pytest.fixture
def followed(tiny: Study, empty_home: Path) -> Study:
    """A registered study that follows epoch 2, the last that was there; epoch 5 came later."""
    folder = empty_home.parent / "runs"
    folder.mkdir()
    for epoch in (1, 2):
        land(folder, epoch)
    study = tiny.model_copy(
        update={
            "checkpoints": Checkpoints(folder=str(folder), pattern="{epoch}.safetensors"),
            "model": tiny.model.model_copy(update={"arguments": NARROW}),
            "probe": tiny.probe.model_copy(update={"reference_epoch": "last_trained"}),
        }
    )
    register(study, home=empty_home)
    land(folder, 5)
    return study


def test_the_reference_moves_on(followed: Study, empty_home: Path):
    name = followed.name
    store = open_store(empty_home, name)
    assert store.study.reference_epoch == 2
    remake(store, "checkpoint", epoch=5)
    (line,) = (line for line in doubts(StudyReader(Snapshot(store))) if "newest" in line)
    assert line.startswith("the newest checkpoint is 5 (held-out accuracy ")
    assert line.endswith(f"are of epoch 2: `featcx reference {name}` moves on to the newest")
    assert featcx("reference", name).stdout == (
        f"{name}: follows epoch 5 (before: 2); `featcx run {name}` makes what follows from it\n"
    )
    moved = open_store(empty_home, name)
    assert moved.study.reference_epoch == 5
    assert not [line for line in doubts(StudyReader(Snapshot(moved))) if "newest" in line]
    assert featcx("reference", name, "5").stdout == f"{name}: follows epoch 5 already\n"
    assert "follows epoch 1 (before: 5)" in featcx("reference", name, "1").stdout
    assert refused("reference", name, "3").startswith(
        f"Error: wanted an epoch of {name} whose checkpoint can be used, got 3; the last are 1, 2, 5"
    )


def test_a_stated_reference_is_moved_in_the_study(tiny: Study, empty_home: Path):
    register(tiny, home=empty_home)
    assert refused("reference", tiny.name) == (
        f"Error: study {tiny.name} states which epoch it follows, {tiny.reference_epoch}; change probe.reference_epoch there"
    )
