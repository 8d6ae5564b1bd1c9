"""A tiny trained study, without the workflow around it."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from featcx_core.analyses.training.make import train
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import Study
from featcx_core.study.files import load_study
from tests.conftest import write_tiny

# Networks this small run up to ten times as fast on one thread where the machine is busy. Subprocesses too: the order
# in which threads sum decides the last bits of a training.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The tiny study: 3 classes of 12 x 12 images, 2 epochs."""
    return load_study(write_tiny(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="session")
def trained_home(tiny: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the tiny study is trained; not to be changed."""
    return train(tiny, home=tmp_path_factory.mktemp("trained"), device="cpu").home


@pytest.fixture
def trained(trained_home: Path, tmp_path: Path) -> Store:
    """A copy of it, to change at will."""
    return open_store(shutil.copytree(trained_home, tmp_path / "trained"), "tiny")
