"""What `featcx run` says at the end: the main numbers, and where things lie."""

from typing import Any

from featcx_assets.catalog import database
from featcx_core.figures.summary import Headline, headlines
from featcx_core.steps.report import read_tables
from featcx_core.store import Store


def summary_lines(store: Store) -> list[str]:
    """The main numbers of the reference epoch, a line each, then the paths of report, explorer and database."""
    found = _headlines(store)
    width = max((len(row.name) for row in found), default=0)
    numbers = [f"  {row.name:<{width}}  {row.value}   ({row.meaning})" for row in found]
    return [*numbers, *(f"{name}: {path}" for name, path in _places(store).items())]


def summary_values(store: Store) -> dict[str, Any]:
    """The same for machines."""
    return {"numbers": [row._asdict() for row in _headlines(store)], **_places(store)}


def doubts(store: Store) -> list[str]:
    """What the numbers say against the settings: a network of another program that only guesses.

    Its images may be prepared otherwise than in its training, or its classes be in another order.
    """
    study, rows = store.study, store.read_table("epochs", columns=["epoch", "test_accuracy"])
    accuracy = rows.loc[rows["epoch"] == study.reference_epoch, "test_accuracy"].dropna()
    guessing = 1 / store.anatomy.n_classes
    if not study.checkpoints.folder or study.model.outputs != "classes" or not (accuracy < 1.5 * guessing).any():
        return []
    return [
        f"held-out accuracy {accuracy.iloc[0]:.1%} at epoch {study.reference_epoch} is about a guess's: are images "
        "prepared as in the network's training (data.transform: mean, std, resize, crop), its classes in this order?"
    ]


def _headlines(store: Store) -> list[Headline]:
    tables = read_tables(store)
    return headlines(tables, reference_epoch=store.study.reference_epoch) if len(tables.epochs) else []


def _places(store: Store) -> dict[str, str]:
    places = {
        "report": store.report / "index.html",
        "explorer": store.explorer / "index.html",
        "database": database(store.home),
    }
    return {name: str(path) for name, path in places.items() if path.exists()}
