"""What a report and the end of a run read back; needs neither torch nor a drawing library."""

from featcx_core.figures.study_tables import StudyTables
from featcx_core.sources.classes import doubt
from featcx_core.staleness import DETAILED
from featcx_core.store import Store, epoch_key
from featcx_core.tables import TABLES


def read_tables(store: Store) -> StudyTables:
    """The visible rows of every table; of detailed analyses those of two epochs, the first and the reference.

    Nothing is drawn or said of the epochs between them: at 10,000 concepts, 50 blocks and 90 epochs, millions of rows.
    """
    columns = {"v_information": ["epoch", "layer", "dictionary_epoch", "kind", "concept", "v_information"]}
    frames = {}
    for name in StudyTables._fields:
        of_table = [column.name for column in TABLES[name].columns if column.dtype != "list<float>"]
        wanted = ["study", *columns[name]] if name in columns else of_table
        partitions = _ends(store, name) if name in DETAILED else None
        frames[name] = store.read_table(name, columns=wanted, partitions=partitions)
    return StudyTables(**frames)


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
