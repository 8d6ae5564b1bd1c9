"""What follows from all epochs together: time to decode, sedimentation, correlations."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from featcx_core.measures.correlations import correlation
from featcx_core.measures.decode_time import decode_time, first_epoch
from featcx_core.measures.over_images import Redrawn, draw_groups, redraw, redraw_lack
from featcx_core.measures.sedimentation import Group, sedimentation
from featcx_core.staleness import BY_EPOCH, NEEDS, ONCE, Partition, State, table_partition
from featcx_core.steps.measures import jackknife_of
from featcx_core.store import Store, epoch_key

CONTROLS = ("prevalence_fraction", "variance")
"""What partial correlations hold fixed."""


def make_decode_time(store: Store) -> pd.DataFrame:
    """Λ of the reference epoch's concepts, over the checkpoints 1 … reference; writes its rows."""
    state, reference = State(store), store.study.reference_epoch
    curves = _followed(state)
    if reference not in curves:
        raise ValueError(f"no V-information at the reference epoch {reference}; materialise it first")
    epochs = np.array(sorted(curves))
    by_epoch = np.stack([curves[epoch]["v_information"].to_numpy() for epoch in epochs])
    first = first_epoch(by_epoch, epochs)
    frame = pd.DataFrame(
        {
            "reference_epoch": reference,
            "concept": curves[reference]["concept"].to_numpy(),
            "decode_time": decode_time(by_epoch),
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
            curves[epoch] = _of_concepts(store, table_partition(partition))
    return curves


def make_sedimentation(store: Store) -> pd.DataFrame:
    """Mean K by epoch, of all concepts and of the most important ones, with bands; writes its rows.

    Raises ValueError where no epoch has all of complexity, importance and codes.
    """
    state, analyses = State(store), store.study.analyses
    images = Images(store)
    parts = []
    for epoch, concepts in _by_epoch(state, BY_EPOCH["sedimentation"]):
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
    for epoch, concepts in _by_epoch(state, BY_EPOCH["correlations"]):
        k = images.complexity(epoch)
        for of in _properties(state, images, epoch):
            rows.extend(_correlations(store, epoch, concepts, of, k=k))
    frame = pd.DataFrame(rows)
    write_over_epochs(state, "correlations", frame)
    return frame


class Images:
    """Resamples of the probe images, the same for all measures and epochs.

    Args:
        store: the study's artefacts.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        study = store.study
        self.groups = study.probe.groups
        self.weights = draw_groups(self.groups, n_bootstrap=study.analyses.bootstrap, seed=study.seed)

    def complexity(self, epoch: int) -> Redrawn:
        """K of an epoch's concepts in each resample."""
        key, layers = epoch_key(epoch), self.store.anatomy.in_complexity
        return self.lack([_of_concepts(self.store, f"{key}-{layer}") for layer in layers])

    def importance(self, epoch: int) -> Redrawn:
        """Γ of an epoch's concepts in each resample."""
        rows = self.store.read_partition("importance", epoch_key(epoch), columns=["importance", "jackknife"])
        return self.redraw(rows, "importance")

    def redraw(self, rows: pd.DataFrame, column: str) -> Redrawn:
        """What rows hold beside its jackknife, in each resample."""
        return redraw(rows[column].to_numpy(), jackknife_of(rows, self.groups).astype(np.float64), self.weights)

    def lack(self, parts: list[pd.DataFrame]) -> Redrawn:
        """1 − mean V-information over layers or epochs in each resample: K or Λ."""
        information = np.stack([part["v_information"].to_numpy() for part in parts])
        return redraw_lack(information, np.stack([jackknife_of(part, self.groups) for part in parts]), self.weights)


class _Property(NamedTuple):
    """What complexity is correlated with."""

    y: str
    """Its column."""
    level: float
    """Its masked share or noise level; NaN where it has none."""
    values: pd.Series
    """By concept."""
    redrawn: Redrawn | None
    """In resamples of the images; None where it is not known in them."""


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
    atoms = read("concepts", "hoyer", "variance")
    hoyer = np.tile(atoms["hoyer"].to_numpy(), (len(images.weights), 1))  # no probe image has a part in it
    yield _Property("hoyer", math.nan, atoms["hoyer"], hoyer)
    for table, level in (("redundancy", "masked_fraction"), ("sensitivity", "sigma")):
        if Partition(table, epoch) not in state.current:
            continue
        printed = f"{table}_as_printed"
        rows = read(table, "kind", table, printed, level, "jackknife")
        for at in sorted({*rows[level].astype(float)}):
            own = rows[(rows["kind"] == "concept") & (rows[level] == at)]
            redrawn = images.redraw(own, table)
            yield _Property(table, at, own[table], redrawn)
            variance = atoms["variance"].to_numpy()  # held fixed
            yield _Property(printed, at, own[printed], redrawn * variance if table == "sensitivity" else None)


def _of_concepts(store: Store, partition: str) -> pd.DataFrame:
    wanted = ["kind", "concept", "v_information", "jackknife"]
    rows = store.read_partition("v_information", partition, columns=wanted)
    return rows[rows["kind"] == "concept"]


def refuse_stale(state: State, asset: str) -> None:
    """Raise ValueError where something over all epochs that an asset reads can be made and is not current.

    The asset's fingerprint counts on it: made without, the asset would pass for whole ever after.
    """
    for need in NEEDS[asset]:
        part = Partition(need)
        if need in ONCE and need in state.wanted and state.is_ready(part) and not state.is_current(part):
            raise ValueError(f"{asset}: {need} is not current; materialise {need} first")


def _correlations(
    store: Store, epoch: int, concepts: pd.DataFrame, of: _Property, *, k: Redrawn
) -> Iterator[dict[str, object]]:
    x_values, y_values = concepts["complexity"].to_numpy(), of.values.loc[concepts["concept"]].to_numpy()
    for method in ("spearman", "pearson"):
        for controls in ((), CONTROLS):
            found = correlation(
                x_values,
                y_values,
                method=method,
                controls=concepts[list(controls)].to_numpy() if controls else None,
                n_bootstrap=store.study.analyses.bootstrap,
                seed=store.study.seed,
                over_images=None if of.redrawn is None else (k, of.redrawn),
            )
            keys = {"epoch": epoch, "x": "complexity", "y": of.y, "level": of.level}
            yield {**keys, "method": method, "controls": ",".join(controls), **found._asdict()}


def _by_epoch(state: State, read: tuple[str, ...]) -> Iterator[tuple[int, pd.DataFrame]]:
    """K, the controls and, where it is read, Γ of the concepts of each epoch at which what is read is current.

    Raises ValueError where there is none.
    """
    store = state.store
    epochs = [epoch for epoch in state.survey.digests if state.current.issuperset(Partition(a, epoch) for a in read)]
    if not epochs:
        raise ValueError(f"no epoch has all of {', '.join(read)}; materialise what is missing first")
    for epoch in sorted(epochs):
        key = epoch_key(epoch)
        own = store.read_partition("complexity", key, columns=["kind", "concept", "complexity"])
        own = own[own["kind"] == "concept"].drop(columns="kind")
        concepts = own.merge(store.read_partition("concepts", key, columns=["concept", *CONTROLS]), on="concept")
        if "importance" in read:
            gamma = store.read_partition("importance", key, columns=["concept", "importance"])
            concepts = concepts.merge(gamma, on="concept")
        yield epoch, concepts


def write_over_epochs(state: State, table: str, frame: pd.DataFrame) -> None:
    """Write the rows of a table over all epochs, with what they were made from."""
    fingerprint, inputs = state.cross_epoch(table), state.inputs(table)
    state.store.write_table(table, "all", frame, fingerprint=fingerprint, inputs=inputs)
