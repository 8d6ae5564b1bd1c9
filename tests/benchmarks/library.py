"""The analysis of a study by plain library calls, without Dagster: what `featcx run` is compared with."""

from collections.abc import Sequence

from featcx_core.artefacts.given import Tools
from featcx_core.artefacts.making import make_stale
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.artefacts.visible_rows import write_current
from featcx_core.store.places import Store

DESCRIBED = ("checkpoint", "activations", "dictionary_activations", "dictionary", "codes")


def describe_epoch(store: Store, epoch: int, *, device: str = "cpu") -> None:
    """Activations, dictionary and codes of one epoch."""
    _make(store, DESCRIBED, epoch=epoch, device=device)


def measure_epoch(store: Store, epoch: int, *, device: str = "cpu") -> None:
    """Everything that is measured at one epoch, once the codes of the reference epoch are there."""
    of_epochs = [a for a in Snapshot(store).wanted if a.has_epochs and a.when != "detailed"]
    _make(
        store, [artefact.name for artefact in of_epochs if artefact.name not in DESCRIBED], epoch=epoch, device=device
    )


def detail_epoch(store: Store, epoch: int, *, device: str = "cpu") -> None:
    """The detailed analyses of one epoch, as by default: all but the pictures."""
    wanted = [artefact.name for artefact in Snapshot(store).wanted if artefact.when == "detailed"]
    _make(store, wanted, epoch=epoch, device=device)


def analyse_epochs(store: Store, *, device: str = "cpu") -> list[int]:
    """What is made of every epoch, given the checkpoints; returns the epochs."""
    epochs = list(Snapshot(store).epochs)
    for epoch in epochs:
        describe_epoch(store, epoch, device=device)
    for epoch in epochs:
        measure_epoch(store, epoch, device=device)
    return epochs


def analyse_study(store: Store, epochs: list[int], *, device: str = "cpu") -> None:
    """What follows it: together they are what `featcx run` makes with the default analyses."""
    for epoch in sorted(store.study.detailed_epochs(epochs)):
        detail_epoch(store, epoch, device=device)
    for artefact in Snapshot(store).wanted:
        if not artefact.has_epochs:
            _make(store, [artefact.name], device=device)
    snapshot = Snapshot(store)
    assert not any(snapshot.stale(artefact) for artefact in snapshot.wanted)
    write_current(store, snapshot.visible())


def _make(store: Store, names: Sequence[str], *, epoch: int = -1, device: str) -> None:
    """Make artefacts of an epoch, or without epochs, where they are stale; those of one `make` in one call."""
    snapshot = Snapshot(store)
    for name in names:
        stale = [place for place in snapshot.stale(snapshot.catalogue[name]) if place.epoch == epoch]
        list(make_stale(snapshot, stale, tools=Tools(device), together=names))
