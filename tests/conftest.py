"""What all tests share: a tiny study on generated images, finished once a session, and a gate against silent skips."""

import logging
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from filelock import FileLock

from tests.checked_types import check_types

if TYPE_CHECKING:
    from featcx_core.store.places import Store

# One thread, in subprocesses too: the order in which threads sum decides the last bits, and so many at once on a busy
# machine are slower. Read when torch is first imported.
os.environ["OMP_NUM_THREADS"] = "1"

# Studies of the tests name networks that lie beside them; tests of what may run take this back.
os.environ["FEATCX_ALLOW_CODE"] = "/"

check_types()

TINY = """
name = "tiny"
[data]
source = "npz:tiny.npz"
split = {train = 120, fit = 60, score = 60, test = 30}
[model]
source = "builtin:small_resnet"
[training]
epochs = 2
save = []
batch_size = 32
[dictionary]
atoms_per_class = 4
images_per_class = 30
[probe]
groups = 7
[analyses]
bootstrap = 100
[sensitivity]
images = 30
draws = 4
[similarity]
permutations = 10
draws = 1
[ablation]
images = 14
clamps = ["zero", "mean"]
orders = 2
steps = 2
noise = [1.0]
[monitor]
images = 30
copies = 4
adaptive_starts = 2
[spectra]
copies = 4
sigmas = [0.05, 0.2]
"""
"""A study that runs in seconds: 3 classes of 12 x 12 images."""


def write_tiny(folder: Path, *, text: str = TINY) -> Path:
    """The study file and its images; returns the file."""
    chance = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 90)
    images = chance.integers(0, 60, (270, 12, 12))
    for image, label in zip(images, labels, strict=True):  # a bright bar whose direction is the class
        place = chance.integers(2, 9)
        rows = [(slice(place, place + 2), slice(None)), (slice(None), slice(place, place + 2))]
        if label < 2:
            image[rows[label]] = 220
        else:
            image[np.arange(12), (np.arange(12) + place) % 12] = 220
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "tiny.npz", images=images.astype(np.uint8), labels=labels)
    (folder / "tiny.toml").write_text(text)
    return folder / "tiny.toml"


FEW_LAYERS = """
[activations]
layers = ["stem", "layer2.0"]
"""
"""Makes it the small study: recorded at three layers only, these and the penultimate one."""


MadeOnce = Callable[[str, Callable[[Path], None]], Path]
"""Gives the folder of a name, filled by the function."""


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> MadeOnce:
    """Folders that all workers of a session share: the first that asks fills one, the others wait for it."""
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent

    def folder_of(name: str, fill: Callable[[Path], None]) -> Path:
        folder, made = shared / name, shared / f"{name}.made"
        with FileLock(shared / f"{name}.lock"):
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
                folder.mkdir()
                fill(folder)
                made.touch()
        return folder

    return folder_of


@pytest.fixture(scope="session")
def finished_home(made_once: MadeOnce) -> Path:
    """A home in which `featcx run` on the tiny study has ended; not to be changed."""
    return made_once("finished", lambda folder: _run(write_tiny(folder), home=folder / "home")) / "home"


@pytest.fixture(scope="session")
def small_home(finished_home: Path, made_once: MadeOnce) -> Path:
    """A home with all tables of the small study, whose pictures are out of date; not to be changed."""

    def fill(folder: Path) -> None:
        from featcx_core.artefacts.catalogue import catalogue

        home = shutil.copytree(finished_home, folder / "home")
        shutil.rmtree(home / "dagster")
        study = home / "tiny" / "study.toml"
        study.write_text(study.read_text() + FEW_LAYERS)
        _run(study, home=home, only=tuple(artefact.name for artefact in catalogue().shown if artefact.tables))

    return made_once("small", fill) / "home"


def _run(study: Path, *, home: Path, only: tuple[str, ...] = ()) -> None:
    from featcx_assets.runner import run_study
    from featcx_core.artefacts.register import register
    from featcx_core.study.files import load_study

    with pytest.MonkeyPatch.context() as patch:
        _use(home, patch)
        store = register(load_study(study), home=home, text=study.read_text())
        outcome = run_study(store, only=only, epochs=(), device="cpu", say=lambda line: None)
    assert not outcome.failures, outcome.failures


def _use(home: Path, patch: pytest.MonkeyPatch) -> None:
    """Make a home the current one, and forget at the end what a run sets."""
    patch.setenv("FEATCX_HOME", str(home))
    patch.setenv("DAGSTER_HOME", str(home / "dagster"))
    patch.setenv("DAGSTER_EVENT_BATCH_SIZE", "200")


@pytest.fixture
def home(finished_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished home, to change at will."""
    copy = shutil.copytree(finished_home, tmp_path / "home")
    _use(copy, monkeypatch)
    return copy


@pytest.fixture
def small(small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Store":
    """A copy of the small study's home, to change at will."""
    from featcx_core.store.places import open_store

    copy = shutil.copytree(small_home, tmp_path / "small")
    _use(copy, monkeypatch)
    return open_store(copy, "tiny")


@pytest.fixture
def no_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs draw the training's curves and the sheet of concepts only: for tests that look at what is made, not drawn."""
    leave_out_gallery(monkeypatch)


def leave_out_gallery(patch: pytest.MonkeyPatch) -> None:
    """The same for the length of a patch."""
    from featcx_core.analyses.figures import make

    patch.setattr(make, "gallery", lambda tables, **_: {})


def rehearse_less(patch: pytest.MonkeyPatch, **most: int) -> None:
    """Let `featcx new` rehearse with the tiny study's numbers of repeats, and at most so many images of a part.

    For tests that look at what it says. Steps count as ten times as long: the shortest would not be listed.
    """
    from featcx_core.inspection import rehearsal
    from featcx_core.networks.anatomy import Anatomy
    from featcx_core.study.fields import Study

    rehearse = rehearsal.rehearse
    few = {
        part: values
        for part, values in tomllib.loads(TINY).items()
        if part not in ("name", "data", "model", "training")
    }

    def rehearse_few(study: Study, anatomy: Anatomy, **options: Any) -> rehearsal.Rehearsal:
        values = study.model_dump()
        values = {**values, **{part: values[part] | changed for part, changed in few.items()}}
        split = values["data"]["split"]
        split |= {part: min(split[part], n_images) for part, n_images in most.items()}
        result = rehearse(Study.model_validate(values), anatomy, **options)
        return result._replace(steps=tuple(step._replace(seconds=10 * step.seconds) for step in result.steps))

    patch.setattr(rehearsal, "rehearse", rehearse_few)


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any study."""
    _use(tmp_path / "empty", monkeypatch)
    return tmp_path / "empty"


@pytest.fixture(autouse=True)
def logger_as_it_was() -> Iterator[None]:
    """Take back what a run within the process sets on the logger: tests read what it says."""
    logger = logging.getLogger("featcx")
    level, handlers, propagate = logger.level, [*logger.handlers], logger.propagate
    yield
    logger.setLevel(level)
    logger.handlers[:], logger.propagate = handlers, propagate


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """With FEATCX_REFUSE_SKIPS, a test may skip only for want of a GPU: everything else can be installed."""
    report = yield
    if report.skipped and os.environ.get("FEATCX_REFUSE_SKIPS") and not item.get_closest_marker("gpu"):
        report.outcome, report.longrepr = "failed", f"skipped, which is refused here: {report.longrepr}"
    return report
