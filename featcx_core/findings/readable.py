"""Where concepts become readable in the network, and by when in training they are there to stay."""

from typing import NamedTuple

import pandas as pd

from featcx_core.findings.passes import in_words, training_progress
from featcx_core.findings.paths import births
from featcx_core.findings.study_tables import StudyTables

BARELY = 0.1
"""Highest V-information below which a concept counts as barely readable anywhere: a tenth of its variance."""


class Readable(NamedTuple):
    """The layer by which most concepts are half readable."""

    layer: str
    """First layer at which half of the concepts have half of their highest V-information."""
    place: int
    """Its place from the input, from 1."""
    n_layers: int
    """Recorded layers."""
    n_readable: int
    """Concepts half readable there."""
    n: int
    """Concepts that are readable somewhere."""
    n_barely: int
    """Concepts that are barely readable anywhere."""


class Presence(NamedTuple):
    """The checkpoint from which most concepts are there to stay."""

    epoch: int
    """First checkpoint from which the match of half of the concepts stays above the null."""
    passes: str
    """Passes over the data by then, in words; empty where the number says it."""
    n_present: int
    """Concepts there to stay by then."""
    n: int
    """Concepts of the reference epoch."""


def half_readable(tables: StudyTables, *, epoch: int) -> Readable | None:
    """Return the layer by which most of an epoch's concepts are half readable; None where it was not measured.

    A concept is half readable from the first layer on that has half of its highest V-information.
    """
    own = tables.v_information[
        (tables.v_information["epoch"] == epoch)
        & (tables.v_information["dictionary_epoch"] == epoch)
        & (tables.v_information["kind"] == "concept")
        & (tables.v_information["concept"] >= 0)
    ].dropna(subset=["v_information"])
    layers = [str(layer) for layer in tables.layers.sort_values("depth")["layer"]]
    if own.empty or not layers:
        return None
    values = own.pivot(index="concept", columns="layer", values="v_information").astype(float)
    values = values.reindex(columns=[layer for layer in layers if layer in values])
    highest = values.max(axis=1)
    is_barely = highest < BARELY
    readable = values[~is_barely]
    if readable.empty:
        return None
    first = readable.ge(highest[~is_barely] / 2, axis=0).to_numpy().argmax(axis=1)
    counts = [int((first <= place).sum()) for place in range(readable.shape[1])]
    place = next(place for place, count in enumerate(counts) if 2 * count >= len(readable))
    return Readable(
        str(readable.columns[place]), place + 1, readable.shape[1], counts[place], len(readable), int(is_barely.sum())
    )


def presence(tables: StudyTables, *, epoch: int) -> Presence | None:
    """Return the checkpoint from which most concepts of the reference epoch stay matched; None if that is not known.

    It takes two trained checkpoints or more.
    """
    paths = tables.concept_paths[tables.concept_paths["epoch"] <= epoch]
    if (tables.epochs["epoch"].between(1, epoch)).sum() < 2 or paths["epoch"].nunique() < 2:
        return None
    born, n = births(paths, reference_epoch=epoch), int(paths["concept"].nunique())
    counts = pd.Series({each: int((born["birth"] <= each).sum()) for each in sorted({*born["birth"]})})
    enough = counts[2 * counts >= n]
    if enough.empty:
        return None
    first = int(enough.index[0])
    return Presence(first, in_words(training_progress(tables.epochs), first), int(enough.iloc[0]), n)


def ordinal(place: int) -> str:
    """Return a place in the order of counting.

    >>> ordinal(1), ordinal(12), ordinal(23)
    ('1st', '12th', '23rd')
    """
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"
