"""What follows from all epochs together: time to decode, sedimentation, correlations."""

import math
from collections.abc import Iterator
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from featcx_core.analyses.over_epochs import (
    CONTROLS,
    Images,
    by_epoch,
    information_of,
    refuse_stale,
    scored,
    write_over_epochs,
)
from featcx_core.artefacts.state import BY_EPOCH, Partition, State, table_partition
from featcx_core.measures.correlations import correlation
from featcx_core.measures.decode_time import decode_time, first_epoch
from featcx_core.measures.over_images import Redrawn
from featcx_core.measures.sedimentation import Group, sedimentation
from featcx_core.store.places import Store, epoch_key

_CONTROL = "random_direction"
_LEVELS = {"redundancy": "masked_fraction", "sensitivity": "sigma"}
"""Table of a property with levels -> their column."""
_METHODS: tuple[Literal["spearman", "pearson"], ...] = ("spearman", "pearson")


def make_decode_time(store: Store) -> pd.DataFrame:
    """Λ of the reference epoch's concepts, over the checkpoints 1 … reference; writes its rows."""
    state, reference = State(store), store.study.reference_epoch
    curves = _followed(state)
    if reference not in curves:
        raise ValueError(f"no V-information at the reference epoch {reference}; materialise it first")
    epochs = np.array(sorted(curves))
    information = np.stack([curves[epoch]["v_information"].to_numpy() for epoch in epochs])
    first = first_epoch(information, epochs)
    frame = pd.DataFrame(
        {
            "reference_epoch": reference,
            "concept": curves[reference]["concept"].to_numpy(),
            "decode_time": decode_time(information),
            "first_epoch": pd.Series(first, dtype="Int64").mask(pd.Series(first < 0)),
        }
    )
    write_over_epochs(state, "decode_time", frame)
    return frame


def _followed(state: State) -> dict[int, pd.DataFrame]:
    """V-information of the penultimate layer about the reference epoch's concepts, at the checkpoints up to it."""
    store, reference = state.store, state.study.reference_epoch
    curves: dict[int, pd.DataFrame] = {}
    for epoch in sorted(state.survey.digests):
        asset = "v_information" if epoch == reference else "reference_v_information"
        partition = Partition(asset, epoch, store.anatomy.penultimate)
        if 1 <= epoch <= reference and partition in state.current:
            curves[epoch] = information_of(store, table_partition(partition))
    return curves


def make_sedimentation(store: Store) -> pd.DataFrame:
    """Mean K by epoch, of all concepts and of the most important ones, with bands; writes its rows.

    Raises ValueError where no epoch has all of complexity, importance and codes.
    """
    state, analyses = State(store), store.study.analyses
    images = Images(store)
    parts = []
    for epoch, concepts in by_epoch(state, BY_EPOCH["sedimentation"]):
        groups = sedimentation(
            concepts["complexity"].to_numpy(),
            concepts["importance"].to_numpy(),
            shares=analyses.top_shares,
            n_bootstrap=analyses.bootstrap,
            seed=store.study.seed,
            over_images=(images.complexity(epoch), images.importance(epoch)),
        )
        parts.append(pd.DataFrame(groups, columns=list(Group._fields)).assign(epoch=epoch))
    frame = pd.concat(parts, ignore_index=True)
    write_over_epochs(state, "sedimentation", frame)
    return frame


def make_correlations(store: Store) -> pd.DataFrame:
    """K with Γ, redundancy, sensitivity and the atom's sparsity, and with Λ at the reference epoch; writes its rows.

    Raw and partial, of every epoch that has complexity, with what else is there.

    Raises ValueError where no epoch has both complexity and codes, or Λ can be made and is not current.
    """
    state = State(store)
    refuse_stale(state, "correlations")
    images = Images(store)
    rows: list[dict[str, object]] = []
    for epoch, concepts in by_epoch(state, BY_EPOCH["correlations"]):
        rows.extend(_correlations(images, epoch, concepts, _properties(state, images, epoch), kind="concept"))
        if any(Partition(table, epoch) in state.current for table in _LEVELS):
            directions, reactions = (
                scored(store, epoch, kind=_CONTROL),
                _reactions(state, images, epoch, kind=_CONTROL),
            )
            rows.extend(_correlations(images, epoch, directions, reactions, kind=_CONTROL))
    frame = pd.DataFrame(rows)
    write_over_epochs(state, "correlations", frame)
    return frame


class _Property(NamedTuple):
    """What complexity is correlated with."""

    y: str
    """Its column."""
    level: float
    """Its masked share or noise level; NaN where it has none."""
    values: pd.Series
    """By concept."""
    redrawn: Redrawn
    """In resamples of the images."""


def _properties(state: State, images: Images, epoch: int) -> Iterator[_Property]:
    """The properties of an epoch's concepts that are there and current."""
    store, key = state.store, epoch_key(epoch)

    def read(table: str, *columns: str) -> pd.DataFrame:
        partition = "all" if table == "decode_time" else key
        return store.read_partition(table, partition, columns=["concept", *columns]).set_index("concept")

    if Partition("importance", epoch) in state.current:
        yield _Property(
            "importance", math.nan, read("importance", "importance")["importance"], images.importance(epoch)
        )
    if epoch == state.study.reference_epoch and state.is_current(Partition("decode_time")):
        drawn = images.lack([*_followed(state).values()])
        yield _Property("decode_time", math.nan, read("decode_time", "decode_time")["decode_time"], drawn)
    hoyer = read("concepts", "hoyer")["hoyer"]
    of_no_image = np.tile(hoyer, (len(images.weights), 1))
    yield _Property("hoyer", math.nan, hoyer, of_no_image)
    yield from _reactions(state, images, epoch, kind="concept")


def _reactions(state: State, images: Images, epoch: int, *, kind: str) -> Iterator[_Property]:
    """How an epoch's concepts, or random directions, take masks and noise, where that is there and current."""
    for table, level in _LEVELS.items():
        if Partition(table, epoch) not in state.current:
            continue
        rows, printed = state.store.read_partition(table, epoch_key(epoch)), f"{table}_as_printed"
        rows = rows[rows["kind"] == kind].set_index("concept")
        for at in sorted({*rows[level].astype(float)}):
            own = rows[rows[level] == at]
            redrawn = images.redraw(own, table)
            yield _Property(table, at, own[table], redrawn)
            if table == "redundancy":
                drawn = images.redraw(own, printed, jackknife="jackknife_as_printed")
            else:  # the same times the code's variance, which is held fixed
                value, as_printed = (own[name].to_numpy(dtype=float) for name in (table, printed))
                drawn = redrawn * np.divide(as_printed, value, out=np.zeros(len(own)), where=value > 0)
            yield _Property(printed, at, own[printed], drawn)


def _correlations(
    images: Images, epoch: int, concepts: pd.DataFrame, properties: Iterator[_Property], *, kind: str
) -> Iterator[dict[str, object]]:
    """A row a property, method and set of controls, of which random directions have none."""
    study, k = images.store.study, images.complexity(epoch, kind=kind)
    control_sets = [names for names in ((), CONTROLS) if {*names} <= {*concepts}]
    x_values = concepts["complexity"].to_numpy()
    for of in properties:
        y_values = of.values.loc[concepts["concept"]].to_numpy()
        for method, controls in product(_METHODS, control_sets):
            found = correlation(
                x_values,
                y_values,
                method=method,
                controls=concepts[list(controls)].to_numpy() if controls else None,
                n_bootstrap=study.analyses.bootstrap,
                seed=study.seed,
                over_images=(k, of.redrawn),
            )
            keys = {"epoch": epoch, "kind": kind, "x": "complexity", "y": of.y, "level": of.level}
            yield {**keys, "method": method, "controls": ",".join(controls), **found._asdict()}
