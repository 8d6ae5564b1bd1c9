"""Verification: everything of a study that is on disk is read and compared with what was written."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from featcx_core.artefacts.commits import committed_fingerprint, place_of, refuse_damage
from featcx_core.artefacts.declaration import CheckpointFiles
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.state_file import read_state
from featcx_core.checkpoints.survey import reread
from featcx_core.networks.anatomy import read_anatomy
from featcx_core.store.damage import ASIDE, Damaged
from featcx_core.store.manifests import MARKER, forget_verified, refuse_altered, unsealed
from featcx_core.store.parquet import refuse_altered_file
from featcx_core.store.places import Store
from featcx_core.study.fields import StudyError


class Finding(NamedTuple):
    """Something on disk that is not as it was written, or not there."""

    path: Path
    """The file, or the folder that is committed whole."""
    reason: str
    """What is wrong, in a few words."""
    remedy: str
    """What makes it whole again."""
    is_movable: bool = True
    """Whether putting it aside lets the next run make it again."""


_RUN = "`featcx run` makes it"
_REPAIR = "`featcx verify --repair` makes it again"  # a run would only where something reads it
_IF_WANTED = f"{_REPAIR} where it is still wanted"


def verify(store: Store) -> Iterator[Finding]:
    """Yield everything that is damaged, then what is missing of what the study asks for; reads every byte."""
    forget_verified()
    yield from _of_study(store)
    try:
        snapshot = Snapshot(store)
    except (StudyError, OSError) as error:
        yield Finding(store.root, str(error), "see above", is_movable=False)
        return
    yield from _of_checkpoints(store, snapshot)
    seen, missing = set[Path](), list[Finding]()
    for artefact in snapshot.catalogue:
        for partition in snapshot.partitions(artefact) if artefact.grain != "group" else ():
            places = [place_of(store, holding, partition) for holding in artefact.holds]
            if any(isinstance(holding, CheckpointFiles) for holding in artefact.holds):
                continue
            damage: list[Damaged] = []
            made = committed_fingerprint(store, artefact, partition, expected="", damage=damage)
            try:
                if not damage:
                    refuse_damage(store, artefact, partition)
            except Damaged as error:
                damage.append(error)
            yield from (Finding(each.path, each.reason, _REPAIR) for each in damage)
            seen.update(each.path for each in damage)
            if not damage:  # all of them were read
                seen.update(places)
            if made is None and not damage and artefact in snapshot.wanted:
                missing.append(Finding(places[0], "it is not made, or is gone", _RUN, is_movable=False))
    for path in sorted(store.root.glob("tables/*/*.parquet")):
        if path not in seen and not path.name.startswith("."):
            yield from _check(path, partial(refuse_altered_file, path, anew=True), _IF_WANTED)
    yield from _of_others(store, seen)
    yield from missing


def _of_others(store: Store, seen: set[Path]) -> Iterator[Finding]:
    """Yield damage to what nobody looked at yet: beside other damage, or of an epoch whose checkpoint is damaged."""
    for marker in sorted(store.root.rglob(MARKER)):
        parts = marker.relative_to(store.root).parts
        if marker.parent not in seen and parts[0] != ASIDE and not any(part.endswith(".partial") for part in parts):
            yield from _check(marker.parent, partial(refuse_altered, marker.parent), _IF_WANTED)


def _of_study(store: Store) -> Iterator[Finding]:
    """Yield what is wrong with the files beside the results."""
    layers, digests, state, current = store.layers_path, store.digests_path, store.training_state, store.current_path
    lost = "; what was made from files that are gone since is lost" if store.study.checkpoints.folder else ""
    yield from _check(layers, lambda: read_anatomy(layers), "`featcx run` looks at the network again")
    yield from _check(digests, lambda: unsealed(digests.read_bytes()), f"the checkpoints are read again{lost}")
    yield from _check(state, lambda: read_state(state), "training starts again where it must go on")
    yield from _check(current, lambda: refuse_altered_file(current, anew=True), "`featcx run` writes it anew")


def _of_checkpoints(store: Store, snapshot: Snapshot) -> Iterator[Finding]:
    """Yield the checkpoints that cannot be used, and those that are not as they were read before."""
    remedy = "copy it again" if store.study.checkpoints.folder else "training goes there again, to the same weights"
    altered = {**snapshot.survey.bad, **reread(store, snapshot.survey)}
    for epoch, reason in sorted(altered.items()):
        path, _, why = reason.partition(" is ") if " is " in reason else ("", "", reason)
        place = Path(path) if path.startswith("/") else store.checkpoint(epoch)
        yield Finding(place, why.removesuffix("; copy it again"), remedy, is_movable=False)


def _check(path: Path, look: Callable[[], object], remedy: str) -> Iterator[Finding]:
    """Yield a finding where a look at a file raises."""
    try:
        look()
    except FileNotFoundError:
        return
    except Damaged as error:
        yield Finding(path, error.reason, remedy)
    except (ValueError, TypeError, AttributeError):
        yield Finding(path, "it is not as it was written", remedy)
