"""Training of a study's network, as an artefact and as a plain call."""

from collections.abc import Iterator
from pathlib import Path

from featcx_core.artefacts.given import Given
from featcx_core.artefacts.making import make
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.register import register
from featcx_core.checkpoints.training import train_epochs
from featcx_core.progress import Progress
from featcx_core.store.places import Store
from featcx_core.study.fields import Study, StudyError


def train_network(given: Given) -> Iterator[tuple[Partition, None]]:
    """Train epoch by epoch; each checkpoint is committed as it is written."""
    tools, (partition,) = given.tools, given.partitions
    fingerprint = given.snapshot.fingerprint(partition)
    for epoch in train_epochs(given.store, fingerprint=fingerprint, device=tools.device, progress=tools.progress):
        given.tell(epoch)
    yield partition, None


def train(study: Study, *, home: str | Path, device: str = "auto", progress: Progress | None = None) -> Store:
    """Register the study and train its network, or finish what a killed training began; returns the study's store.

    Raises StudyError where another program writes the checkpoints; else as `register` and `train_epochs`.
    """
    if study.checkpoints.folder:
        raise StudyError(f"study {study.name}: its checkpoints come from {study.checkpoints.folder}; nothing to train")
    store = register(study, home=home)
    make(store, "training", device=device, progress=progress)
    return store
