"""What a report and the end of a run read back; needs neither torch nor a drawing library."""

import pandas as pd

from featcx_core.artefacts.state import DETAILED
from featcx_core.findings.study_tables import StudyTables
from featcx_core.images.classes import doubt
from featcx_core.store.places import Store, epoch_key
from featcx_core.store.tables import without_lists

_MEANS_OF = ["study", "epoch", "layer", "dictionary_epoch", "kind"]
_WITH_JACKKNIFE = ("branches",)
"""Tables of whose groups of concepts something is said over other images."""
_ROWS = 1_000_000
"""Of V-information that are held before they become means."""


def read_tables(store: Store) -> StudyTables:
    """The visible rows of every table; of detailed analyses those of two epochs, the first and the reference.

    Nothing is drawn or said of the epochs between them: at 10,000 concepts, 50 blocks and 90 epochs, millions of rows.
    Of V-information between them the means are: they stand in one row a layer and kind, with concept −1.
    """
    frames = {"v_information": _information(store)}
    for name in StudyTables._fields:
        if name not in frames:
            wanted = None if name in _WITH_JACKKNIFE else without_lists(name)
            partitions = _ends(store, name) if name in DETAILED else None
            frames[name] = store.read_table(name, columns=wanted, partitions=partitions)
    return StudyTables(**frames)


def _information(store: Store) -> pd.DataFrame:
    """V-information of every concept before training and at the reference epoch; of the other epochs the means."""
    wanted, ends = [*_MEANS_OF, "concept", "v_information"], (0, store.study.reference_epoch)
    whole, between = [store.read_table("v_information", columns=wanted, partitions=())], list[pd.DataFrame]()
    for partition in store.visible_partitions("v_information"):
        rows = store.read_partition("v_information", partition, columns=wanted)
        is_end = len(rows) > 0 and int(rows["epoch"].iloc[0]) in ends  # a partition is of one epoch
        (whole if is_end else between).append(rows)
        if sum(map(len, between)) > _ROWS:
            between = [_means(between)]
    return pd.concat([part for part in (*whole, _means(between)) if len(part)] or whole, ignore_index=True)


def _means(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """A row an epoch, layer, dictionary and kind, all of which lie in one part."""
    if not parts:
        return pd.DataFrame()
    rows = pd.concat(parts, ignore_index=True)
    return rows.groupby(_MEANS_OF, sort=False)["v_information"].mean().reset_index().assign(concept=-1)


def _ends(store: Store, table: str) -> set[str]:
    """The first epoch of a detailed analysis and the reference epoch; the last one where that is not analysed."""
    there, reference = store.visible_partitions(table), epoch_key(store.study.reference_epoch)
    return {*there[:1], *([reference] if reference in there else there[-1:])}


def doubts(store: Store) -> list[str]:
    """What the numbers say against the settings: a network of another program that only guesses."""
    study, rows = store.study, store.read_table("epochs", columns=["epoch", "test_accuracy"])
    accuracy = rows.loc[rows["epoch"] == study.reference_epoch, "test_accuracy"].dropna()
    if not study.checkpoints.folder or accuracy.empty:
        return []
    of = f"held-out accuracy at epoch {study.reference_epoch}"
    said = doubt(study.model, float(accuracy.iloc[0]), n_outputs=store.anatomy.n_classes, of=of)
    return [said] if said else []
