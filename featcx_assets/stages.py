"""Stages: the few runs that make a study, each one range of partitions, in the order the data flows.

Assets of different partitions cannot share a run, and a run has a cost; so all stale partitions of a stage go into
one run, or a few. The command line and the sensor both follow this plan.
"""

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import NamedTuple

from featcx_core.artefacts.state import ACROSS, ASSETS, BY_EPOCH, DETAILED, NEEDS, ONCE, Partition, State


class Stage(NamedTuple):
    """Assets that are made in one run."""

    name: str
    """What people read."""
    assets: tuple[str, ...]
    """In order."""


STAGES = (
    Stage("training", ("training",)),
    Stage("checkpoints", ("checkpoint",)),
    Stage("activations", ("activations",)),
    Stage("dictionary and codes", ("dictionary_activations", "dictionary", "codes")),
    Stage("V-information", ("v_information", "reference_v_information")),
    Stage("complexity and importance", ("complexity", "importance")),
    Stage("properties of concepts", DETAILED),
    Stage(
        "across epochs",
        (*ACROSS, "figures", "report", "explorer"),
    ),
)


class Work(NamedTuple):
    """What one run has to make."""

    stage: Stage
    """The stage."""
    assets: tuple[str, ...]
    """Its assets with something to make, in order."""
    partitions: tuple[Partition, ...]
    """What is stale and can be made; empty epochs stand for assets without partitions."""


def work(state: State, stage: Stage, *, only: Collection[str] = (), epochs: Collection[int] = ()) -> Work | None:
    """What a stage's run has to make now; None where there is nothing to do or nothing to make it from.

    `only` leaves out all assets but these and what they need, `epochs` all other epochs. What is named there is made
    even where the study does not ask for it.
    """
    wanted = needed(state, only or ASSETS)
    asked = {*state.wanted, *needed(state, [asset for asset in only if asset not in state.wanted])}
    assets: list[str] = []
    found: list[Partition] = []
    for asset in stage.assets:
        if asset not in wanted or asset not in asked:
            continue
        stale = [
            p
            for p in state.stale(asset)
            if (p.epoch < 0 or (p.epoch in wanted[asset] and (not epochs or p.epoch in epochs)))
            and _can_start(state, stage, p, found)
        ]
        if stale:
            assets.append(asset)
            found.extend(stale)
    return Work(stage, tuple(assets), tuple(found)) if found else None


def needed(state: State, only: Collection[str]) -> dict[str, frozenset[int]]:
    """The assets and everything that they are made from, each with the epochs at which it is needed.

    A detailed analysis needs its own epochs alone, all others every epoch.
    """
    every, found = frozenset(state.survey.digests), dict[str, frozenset[int]]()
    for asset in reversed(ASSETS):
        if asset in only:
            found[asset] = state.detailed_epochs(asset) if asset in DETAILED else every
        if asset in found:
            found |= {need: found.get(need, frozenset()) | found[asset] for need in NEEDS[asset]}
    return found


def _can_start(state: State, stage: Stage, partition: Partition, earlier: list[Partition]) -> bool:
    """Whether all it needs is there, or is made earlier in the same run."""
    if partition.asset in (*BY_EPOCH, "concept_paths", "explorer"):  # what they need is made in earlier stages
        return state.is_ready(partition)
    in_run = [need for need in NEEDS[partition.asset] if need in stage.assets]
    if any(p.asset in in_run and p.epoch == partition.epoch for p in earlier):
        return True
    return state.is_ready(partition)


def without(todo: Work | None, epochs: Collection[int]) -> Work | None:
    """The same work without some epochs; None where nothing is left."""
    if todo is None:
        return None
    left = tuple(p for p in todo.partitions if p.epoch not in epochs)
    assets = tuple(asset for asset in todo.assets if any(p.asset == asset for p in left))
    return Work(todo.stage, assets, left) if left else None


def runs(state: State, todo: Work, *, inserted: Sequence[int]) -> list[Work]:
    """The same work cut into runs.

    A run covers a range of the epochs in the order in which the instance has them, `inserted`. What is current inside
    it is skipped; an epoch that is stale but not to be made now, or has no usable checkpoint, must not lie inside.
    """
    if todo.stage.assets[0] in ONCE:
        return [todo]
    wanted = {p.epoch for p in todo.partitions}
    stale = {p.epoch for asset in todo.assets for p in state.stale(asset)}
    free = state.survey.digests.keys() - (stale - wanted)
    if todo.stage.assets == DETAILED:  # a range must not reach over epochs that have no such partition
        free &= {p.epoch for asset in todo.assets for p in state.partitions(asset)}
    stretches = [set(group) for is_free, group in groupby(inserted, key=lambda epoch: epoch in free) if is_free]
    parts = [without(todo, wanted - stretch) for stretch in stretches]
    return [part for part in parts if part is not None]
