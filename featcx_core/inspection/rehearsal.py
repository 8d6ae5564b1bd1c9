"""A rehearsal: one epoch of the study's own work, timed, from which the whole is estimated.

Everything that the study asks for is made of one checkpoint, in a home of its own that is removed at the end. An
estimate is the measured time and size times the number of epochs at which the artefact's declaration has it made.
"""

import resource
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from featcx_core.analyses.reading import doubts
from featcx_core.artefacts.commits import place_of
from featcx_core.artefacts.declaration import Artefact, CheckpointFiles
from featcx_core.artefacts.given import StudyReader, Tools
from featcx_core.artefacts.making import make_stale
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.training import train_epochs
from featcx_core.networks.anatomy import Anatomy, anatomy_text
from featcx_core.progress import Progress, silent
from featcx_core.store.files import write_bytes
from featcx_core.store.places import Store
from featcx_core.study.fields import Study
from featcx_core.study.files import study_text


class Workflow(NamedTuple):
    """The cost of the workflow around the work."""

    seconds: float
    """To start and end the runs of a study."""
    partition_seconds: float
    """To keep account of a partition."""
    partition_bytes: float
    """Size of a partition in the run history."""


class Step(NamedTuple):
    """An artefact of the study."""

    name: str
    """As the command line names it."""
    seconds: float
    """Time of one epoch; of all together where it is made once."""
    n_bytes: float
    """On disk, likewise."""
    times: int
    """Epochs at which it is made; 1 where it is made once and does not grow with them."""
    n_partitions: int
    """In all."""


class Rehearsal(NamedTuple):
    """The measured epoch, and what follows from it for the whole study."""

    epoch: int
    """The epoch that was analysed."""
    n_epochs: int
    """Checkpoints of the whole study."""
    steps: tuple[Step, ...]
    """Artefacts in the order in which they are made."""
    on_the_way: dict[str, float]
    """Bytes of what is stored on the way, in all, by artefact."""
    workflow: Workflow
    """Around them."""
    recorded: dict[str, tuple[int, int]]
    """(image, unit) of each layer's array."""
    memory_bytes: int
    """The most memory that the process has held."""
    accuracy: float | None
    """On held-out images; None where no output is a class."""
    doubt: str
    """That another program's network only guesses; empty where it does better."""

    @property
    def n_partitions(self) -> int:
        """Partitions of the whole study."""
        return sum(step.n_partitions for step in self.steps)

    @property
    def workflow_seconds(self) -> float:
        """Time of the workflow."""
        return self.workflow.seconds + self.workflow.partition_seconds * self.n_partitions

    @property
    def seconds(self) -> float:
        """Time of the whole study."""
        return sum(step.seconds * step.times for step in self.steps) + self.workflow_seconds

    @property
    def disk(self) -> dict[str, float]:
        """Bytes of the whole study, by artefact, with the run history."""
        sizes = {step.name: float(step.n_bytes * step.times) for step in self.steps if step.n_bytes}
        return {**sizes, **self.on_the_way, "run history": self.workflow.partition_bytes * self.n_partitions}


def rehearse(
    study: Study,
    anatomy: Anatomy,
    *,
    home: Path,
    epochs: Sequence[int],
    workflow: Workflow,
    device: str = "auto",
    progress: Progress | None = None,
) -> Rehearsal:
    """Make everything that a study asks for of one epoch, and estimate the whole.

    `epochs` are those of the checkpoints that are there or will be trained; the last that is there is taken, or the
    first that is trained. Raises ValueError where the network or its images cannot be analysed.
    """
    with _store(study, anatomy, home, epochs) as store:
        tools = Tools(device=device)
        steps = list(_trained(store, tools)) if not study.checkpoints.folder else []
        on_the_way = dict[str, float]()
        snapshot = Snapshot(store)
        epoch = store.study.reference_epoch
        for artefact in (progress or silent)(_in_order(snapshot), desc="one epoch"):
            step, sizes = _timed(snapshot, artefact, epoch, len(epochs), _times(study, artefact, epochs), tools)
            steps.append(step)
            on_the_way |= {name: size * _times_read(snapshot, name, epochs) for name, size in sizes.items()}
            snapshot = Snapshot(store)
        return _measured(snapshot, steps, on_the_way, workflow, n_epochs=len(epochs))


def _trained(store: Store, tools: Tools) -> Iterator[Step]:
    """Train the first epoch."""
    snapshot = Snapshot(store)
    for artefact in snapshot.wanted:
        if any(isinstance(holding, CheckpointFiles) for holding in artefact.holds):
            start, fingerprint = time.monotonic(), snapshot.fingerprint(Partition(artefact.name))
            for epoch in train_epochs(store, fingerprint=fingerprint, device=tools.device):
                if epoch == 1:
                    break
                start = time.monotonic()
            n_epochs, size = store.study.training.epochs, store.checkpoint(1).stat().st_size
            yield Step(artefact.name, time.monotonic() - start, size, n_epochs, 1)


def _in_order(snapshot: Snapshot) -> list[Artefact]:
    training = [a for a in snapshot.wanted if any(isinstance(h, CheckpointFiles) for h in a.holds)]
    return [artefact for artefact in snapshot.wanted if artefact not in training]


def _timed(
    snapshot: Snapshot, artefact: Artefact, epoch: int, n_epochs: int, times: int, tools: Tools
) -> tuple[Step, dict[str, float]]:
    """Make an artefact of the epoch; also one that is made at other epochs only, whose cost is the same here.

    Returns its cost, and the bytes of what was stored on the way, by artefact.
    """
    layers, start = snapshot.layers_of(artefact), time.monotonic()
    places = [Partition(artefact.name, epoch if artefact.has_epochs else -1, layer) for layer in layers]
    made = list(make_stale(snapshot, places, tools=tools)) if times else []
    seconds = time.monotonic() - start
    sizes = dict[str, float]()
    for place in made:
        sizes[place.artefact] = sizes.get(place.artefact, 0.0) + _size(snapshot, place)
    n_bytes = sizes.pop(artefact.name, 0.0)
    n_partitions = times * len(layers) if artefact.has_epochs else 1
    scale = 1 if artefact.has_epochs or not artefact.grows else n_epochs
    return Step(artefact.name, seconds * scale, n_bytes * scale, times, n_partitions), sizes


def _times_read(snapshot: Snapshot, name: str, epochs: Sequence[int]) -> int:
    """Return at how many epochs something is stored on the way: as many as it is read at."""
    stored = snapshot.catalogue[name]
    readers = [a for a in snapshot.wanted if stored in (need.artefact for need in snapshot.catalogue.needs(a))]
    of_epochs = [_times(snapshot.study, reader, epochs) for reader in readers if reader.has_epochs]
    return min(_times(snapshot.study, stored, epochs), max(of_epochs, default=1))


def _times(study: Study, artefact: Artefact, epochs: Sequence[int]) -> int:
    """Return at how many epochs an artefact is made; 1 where it is made once."""
    if not artefact.has_epochs:
        return 1
    last = max(epochs, default=0)
    chosen = study.with_reference(last) if study.waits_for_reference else study
    match artefact.when:
        case "detailed":
            return len(chosen.detailed_epochs(epochs))
        case "reference":
            return int(chosen.reference_epoch in epochs)
        case "others":
            return max(0, len(epochs) - 1) if chosen.reference_epoch in epochs else 0
    return len(epochs)


def _size(snapshot: Snapshot, place: Partition) -> int:
    artefact = snapshot.catalogue[place.artefact]
    paths = [place_of(snapshot.store, holding, place) for holding in artefact.holds]
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    return sum(file.stat().st_size for file in files if file.is_file())


def _measured(
    snapshot: Snapshot, steps: list[Step], on_the_way: dict[str, float], workflow: Workflow, *, n_epochs: int
) -> Rehearsal:
    reader = StudyReader(snapshot)
    n_probe = len(reader.data.probe)
    rows = reader.table("epochs")
    accuracy = rows["test_accuracy"].dropna().tolist()
    return Rehearsal(
        epoch=snapshot.study.reference_epoch,
        n_epochs=n_epochs,
        steps=tuple(steps),
        on_the_way=on_the_way,
        workflow=workflow,
        recorded={row.layer: (n_probe, row.units) for row in snapshot.anatomy.layers},
        memory_bytes=_peak_bytes(),
        accuracy=accuracy[-1] if accuracy else None,
        doubt=next(iter(doubts(reader)), ""),
    )


@contextmanager
def _store(study: Study, anatomy: Anatomy, home: Path, epochs: Sequence[int]) -> Iterator[Store]:
    """Give a home beside the real one, on the same disk, in which the epoch is the reference; it goes at the end."""
    folder = home / f".rehearsal-{uuid.uuid4().hex[:8]}"
    epoch = max(epochs) if study.checkpoints.folder else 1
    probe = study.probe.model_copy(update={"reference_epoch": epoch})
    training = study.training.model_copy(update={"save": ()})  # epoch 1 is a whole epoch, whose time is taken
    store = Store(folder, study.model_copy(update={"probe": probe, "training": training}))
    write_bytes(store.layers_path, anatomy_text(anatomy).encode())
    write_bytes(store.study_path, study_text(store.study).encode())
    try:
        yield store
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # of an empty home that was made for it
            home.rmdir()


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Apple counts bytes


def rehearsal_lines(rehearsal: Rehearsal) -> Iterator[str]:
    """Yield the estimate, for people."""
    yield f"{'layer':<32}recorded an epoch"
    for layer, (n_images, units) in rehearsal.recorded.items():
        yield f"{layer:<32}{n_images} x {units}"
    if rehearsal.accuracy is not None:
        yield f"accuracy of epoch {rehearsal.epoch} on held-out images: {rehearsal.accuracy:.1%}"
    yield f"time: about {_time(rehearsal.seconds)} for {rehearsal.n_epochs} checkpoints, from epoch {rehearsal.epoch}"
    yield from (
        f"  {s.name:<44}{_time(s.seconds):>8} x {s.times}" for s in rehearsal.steps if s.seconds * s.times > 0.05
    )
    yield f"  {f'the workflow, {rehearsal.n_partitions} partitions':<44}{_time(rehearsal.workflow_seconds):>8}"
    largest = sorted(rehearsal.disk.items(), key=lambda item: -item[1])
    listed = ", ".join(f"{name} {_bytes(size)}" for name, size in largest if size > 1e5)
    yield f"disk: about {_bytes(sum(rehearsal.disk.values()))}: {listed}"
    yield f"memory: {_bytes(float(rehearsal.memory_bytes))} at the peak"


def rehearsal_values(rehearsal: Rehearsal) -> dict[str, Any]:
    """Return the same for machines."""
    return {
        "layers": {layer: list(shape) for layer, shape in rehearsal.recorded.items()},
        "epoch": rehearsal.epoch,
        "seconds": rehearsal.seconds,
        "seconds_by_step": {step.name: step.seconds * step.times for step in rehearsal.steps},
        "disk_bytes": rehearsal.disk,
        "memory_bytes": rehearsal.memory_bytes,
        "partitions": rehearsal.n_partitions,
        "accuracy": rehearsal.accuracy,
    }


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _bytes(n: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if n < 999.5:
            return f"{n:.0f} {unit}" if unit == "B" or n >= 9.95 else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} TB"
