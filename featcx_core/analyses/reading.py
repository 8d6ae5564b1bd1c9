"""The tables that a report and the end of a run read back; needs neither torch nor a drawing library."""

import pandas as pd

from featcx_core.analyses.branches import BRANCHES
from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.analyses.figures import FAILED, FIGURES
from featcx_core.analyses.v_information import V_INFORMATION_TABLE
from featcx_core.artefacts.commits import place_of
from featcx_core.artefacts.given import StudyReader
from featcx_core.artefacts.partition import Partition
from featcx_core.findings.correlations import with_dictionaries
from featcx_core.findings.study_tables import StudyTables
from featcx_core.images.outputs import doubt
from featcx_core.store.parquet import read_rows

_MEANS_OF = ["study", "epoch", "layer", "dictionary_epoch", "kind"]
_ROWS = 1_000_000
"""Of V-information that are held before they become means."""


def read_tables(reader: StudyReader) -> StudyTables:
    """Read the current rows of every table; of detailed analyses those of two epochs, the first and the reference.

    Nothing is drawn or said of the epochs between them: at 10,000 concepts, 50 blocks and 90 epochs, millions of rows.
    Of V-information between them the means are read: they stand in one row a layer and kind, with concept −1.
    """
    frames = {V_INFORMATION_TABLE.name: _information(reader)}
    with_jackknife = {table.name for table in BRANCHES.tables}  # groups of its concepts are judged over other images
    for name in StudyTables._fields:
        if name not in frames:
            table, holders = reader.snapshot.catalogue.tables[name], reader.snapshot.catalogue.holders[name]
            columns = None if name in with_jackknife else table.scalars
            epochs = _ends(reader, name) if any(artefact.when == "detailed" for artefact in holders) else None
            frames[name] = reader.table(name, columns=columns, epochs=epochs)
    over_dictionaries = frames["stability_correlations"]
    return StudyTables(**frames | {"correlations": with_dictionaries(frames["correlations"], over_dictionaries)})


def doubts(reader: StudyReader) -> list[str]:
    """Return what needs a look: a network that only guesses, concepts of an old epoch, figures not drawn."""
    return [*_guesses(reader), *_lags(reader), *_undrawn(reader)]


def _undrawn(reader: StudyReader) -> list[str]:
    folder = place_of(reader.store, FIGURES.folders[0], Partition(FIGURES.name))
    return [
        f"{path.name.partition('.')[0]}: its figures could not be drawn; {path} says why"
        for path in sorted(folder.glob(f"*.{FAILED}.png"))
    ]


def _lags(reader: StudyReader) -> list[str]:
    """Say that the checkpoints have gone on since the reference epoch was chosen, and how far the network is."""
    reference, newest = reader.study.reference_epoch, max(reader.snapshot.epochs, default=0)
    if newest <= reference or not reader.store.reference_path.is_file():
        return []
    rows = reader.table(CHECKPOINT.tables[0].name, columns=["epoch", "test_accuracy"])
    accuracy = rows.loc[rows["epoch"] == newest, "test_accuracy"].dropna()
    now = f" (held-out accuracy {accuracy.iloc[0]:.1%})" if len(accuracy) else ""
    return [
        f"the newest checkpoint is {newest}{now}, the concepts that are followed are of epoch {reference}: "
        f"`featcx reference {reader.study.name}` moves on to the newest"
    ]


def _guesses(reader: StudyReader) -> list[str]:
    study, (table,) = reader.study, CHECKPOINT.tables
    rows = reader.table(table.name, columns=["epoch", "test_accuracy"])
    accuracy = rows.loc[rows["epoch"] == study.reference_epoch, "test_accuracy"].dropna()
    if not study.checkpoints.folder or accuracy.empty:
        return []
    which = f"held-out accuracy at epoch {study.reference_epoch}"
    sentence = doubt(study.model, float(accuracy.iloc[0]), n_outputs=reader.anatomy.n_classes, which=which)
    return [sentence] if sentence else []


def _information(reader: StudyReader) -> pd.DataFrame:
    """Read V-information of every concept before training and at the reference epoch; of the other epochs the means."""
    name, wanted = V_INFORMATION_TABLE.name, [*_MEANS_OF, "concept", "v_information"]
    ends = (0, reader.study.reference_epoch)
    whole, between = [reader.table(name, columns=wanted, epochs=())], list[pd.DataFrame]()
    for place, path in reader.files(name):
        rows = read_rows(path, columns=wanted)
        (whole if place.epoch in ends else between).append(rows)
        if sum(map(len, between)) > _ROWS:
            between = [_means(between)]
    return pd.concat([part for part in (*whole, _means(between)) if len(part)] or whole, ignore_index=True)


def _means(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Return a row an epoch, layer, dictionary and kind, all of which lie in one part."""
    if not parts:
        return pd.DataFrame()
    rows = pd.concat(parts, ignore_index=True)
    return rows.groupby(_MEANS_OF, sort=False)["v_information"].mean().reset_index().assign(concept=-1)


def _ends(reader: StudyReader, table: str) -> set[int]:
    """Return the first epoch of a detailed analysis and the reference epoch; the last where that is not analysed."""
    epochs, reference = [place.epoch for place, _ in reader.files(table)], reader.study.reference_epoch
    return {*epochs[:1], *([reference] if reference in epochs else epochs[-1:])}
