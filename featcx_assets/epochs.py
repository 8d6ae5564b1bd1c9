"""Making what is stale of one artefact at one epoch, whoever asks: an asset of the web UI or a task of a cluster."""

import traceback
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from featcx_core.artefacts.declaration import Artefact
from featcx_core.artefacts.given import Tools
from featcx_core.artefacts.making import make_stale, refuse_lacking
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.landing import whereabouts

Note = Callable[[Partition], None]
"""Told of each partition as it is committed."""


class Failed(NamedTuple):
    """Something that could not be made; the rest is."""

    epoch: int
    """Its epoch; -1 where it has none."""
    reason: str
    """One line."""
    defect: Exception | None = None
    """The error, where nobody foresaw it."""


def make_epoch(
    snapshot: Snapshot,
    artefact: Artefact,
    asked: Sequence[Partition],
    *,
    tools: Tools,
    together: Collection[str],
    note: Note = lambda partition: None,
) -> list[Partition] | Failed:
    """Make what is stale of partitions of one epoch; returns it, or why it could not be made.

    The caller holds the epoch's lock and took the snapshot within it.
    """
    epoch, store = asked[0].epoch, snapshot.store
    if epoch in snapshot.survey.bad or epoch not in snapshot.survey.digests:
        return Failed(epoch, snapshot.survey.bad.get(epoch, f"epoch {epoch}: no checkpoint in {whereabouts(store)}"))
    possible = set(snapshot.partitions(artefact))
    stale = [p for p in asked if p in possible and not snapshot.is_whole(p)]
    try:
        for partition in make_stale(snapshot, stale, tools=tools, together=together):
            note(partition)
    except (ValueError, OSError) as error:
        named = f"epoch {epoch}"
        return Failed(epoch, str(error) if str(error).startswith(named) else f"{named}: {error}")
    except Exception as error:  # a defect, or a GPU out of memory: it is this epoch's
        return Failed(epoch, f"epoch {epoch}, {artefact.name}: {_raised(error)}", error)
    return stale


def make_once(snapshot: Snapshot, artefact: Artefact, *, tools: Tools, note: Note) -> Failed | None:
    """Make an artefact without epochs where it is stale; returns why it could not be made.

    The caller holds the artefact's lock and took the snapshot within it.
    """
    place = Partition(artefact.name)
    if snapshot.is_current(place):
        return None
    try:
        refuse_lacking(snapshot, place)
        for partition in make_stale(snapshot, [place], tools=tools):
            note(partition)
    except (ValueError, OSError) as error:
        return Failed(-1, str(error))
    except Exception as error:
        return Failed(-1, f"{artefact.name}: {_raised(error)}", error)
    return None


def _raised(error: Exception) -> str:
    """Return an error that nobody foresaw in one line: its kind, its text and the line that raised it."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {text} ({Path(place.filename).name}, line {place.lineno})"
