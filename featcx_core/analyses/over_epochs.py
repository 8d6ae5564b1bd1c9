"""What the steps over all epochs share: the epochs that have all they read, other images, and what is written."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from featcx_core.analyses.measures import jackknife_of
from featcx_core.artefacts.state import NEEDS, ONCE, Partition, State
from featcx_core.measures.intervals import draw_groups
from featcx_core.measures.over_images import Redrawn, redraw, redraw_lack
from featcx_core.store.places import Store, epoch_key

CONTROLS = ("prevalence_fraction", "variance")
"""What partial correlations hold fixed."""


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

    def complexity(self, epoch: int, *, kind: str = "concept") -> Redrawn:
        """K of an epoch's concepts, or of a control, in each resample."""
        key, layers = epoch_key(epoch), self.store.anatomy.in_complexity
        return self.lack([information_of(self.store, f"{key}-{layer}", kind=kind) for layer in layers])

    def importance(self, epoch: int) -> Redrawn:
        """Γ of an epoch's concepts in each resample."""
        rows = self.store.read_partition("importance", epoch_key(epoch), columns=["importance", "jackknife"])
        return self.redraw(rows, "importance")

    def redraw(self, rows: pd.DataFrame, column: str, *, jackknife: str = "jackknife") -> Redrawn:
        """What rows hold beside its jackknife, in each resample."""
        left_out = jackknife_of(rows, self.groups, column=jackknife)
        return redraw(rows[column].to_numpy(), left_out.astype(np.float64), self.weights)

    def lack(self, parts: list[pd.DataFrame]) -> Redrawn:
        """1 − mean V-information over layers or epochs in each resample: K or Λ."""
        information = np.stack([part["v_information"].to_numpy() for part in parts])
        return redraw_lack(information, np.stack([jackknife_of(part, self.groups) for part in parts]), self.weights)


def refuse_stale(state: State, asset: str) -> None:
    """Raise ValueError where something over all epochs that an asset reads can be made and is not current.

    The asset's fingerprint counts on it: made without, the asset would pass for whole ever after.
    """
    for need in NEEDS[asset]:
        part = Partition(need)
        if need in ONCE and need in state.wanted and state.is_ready(part) and not state.is_current(part):
            raise ValueError(f"{asset}: {need} is not current; materialise {need} first")


def by_epoch(state: State, read: tuple[str, ...]) -> Iterator[tuple[int, pd.DataFrame]]:
    """K, the controls and, where it is read, Γ of the concepts of each epoch at which what is read is current.

    Raises ValueError where there is none.
    """
    store = state.store
    for epoch in epochs_with(state, read):
        key = epoch_key(epoch)
        own = scored(store, epoch, kind="concept")
        concepts = own.merge(store.read_partition("concepts", key, columns=["concept", *CONTROLS]), on="concept")
        if "importance" in read:
            gamma = store.read_partition("importance", key, columns=["concept", "importance"])
            concepts = concepts.merge(gamma, on="concept")
        yield epoch, concepts


def scored(store: Store, epoch: int, *, kind: str) -> pd.DataFrame:
    """K of an epoch's codes of one kind."""
    rows = store.read_partition("complexity", epoch_key(epoch), columns=["kind", "concept", "complexity"])
    return rows[rows["kind"] == kind].drop(columns="kind")


def epochs_with(state: State, read: tuple[str, ...]) -> tuple[int, ...]:
    """The epochs at which what is read is whole and current; ValueError where there is none."""
    if not (epochs := state.epochs_with(read)):
        raise ValueError(f"no epoch has all of {', '.join(read)}; materialise what is missing first")
    return epochs


def information_of(store: Store, partition: str, *, kind: str = "concept") -> pd.DataFrame:
    """V-information of one kind of codes, with the same without each group of images."""
    wanted = ["kind", "concept", "v_information", "jackknife"]
    rows = store.read_partition("v_information", partition, columns=wanted)
    return rows[rows["kind"] == kind]


def write_over_epochs(state: State, table: str, frame: pd.DataFrame) -> None:
    """Write the rows of a table over all epochs, with what they were made from."""
    fingerprint, inputs = state.cross_epoch(table), state.inputs(table)
    state.store.write_table(table, "all", frame, fingerprint=fingerprint, inputs=inputs)
