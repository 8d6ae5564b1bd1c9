"""Correlations of K with importance, redundancy, sensitivity, the atom's sparsity, and Λ at the reference epoch.

Also of Γ with the other measures of importance.
"""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.complexity.make import scored
from featcx_core.analyses.decode_time import DECODE_TIME
from featcx_core.analyses.decode_time.make import followed_information, times_in_resamples
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.analyses.over_images import ImageResamples
from featcx_core.analyses.redundancy import REDUNDANCY
from featcx_core.analyses.sedimentation.make import CONTROLS, concepts_by_epoch
from featcx_core.analyses.sensitivity import SENSITIVITY
from featcx_core.artefacts.given import Given
from featcx_core.measures.correlations import partial_correlations
from featcx_core.measures.over_images import Redrawn

_CONTROL = "random_direction"
_TOGETHER = ("prevalence_fraction", "variance")
"""Controls that are also held fixed together: a frequent concept has a larger variance."""
_LEVELS = {REDUNDANCY: "masked_fraction", SENSITIVITY: "sigma"}
"""Artefact whose table has a row a level -> the level's column."""
_JACKKNIVES = {
    "importance": "jackknife",
    "importance_when_active": "jackknife_when_active",
    "ablation_logit": "jackknife_logit",
    "ablation_loss": "jackknife_loss",
}
"""Measure of importance -> column with its values without each group of images; Γ is the first."""
_METHODS: tuple[Literal["spearman", "pearson"], ...] = ("spearman", "pearson")


def correlation_rows(given: Given) -> pd.DataFrame:
    """Return K with every property, raw and partial, of every epoch that has complexity, with what else is there."""
    resamples, rows = ImageResamples(given), list[dict[str, object]]()
    for epoch, concepts in concepts_by_epoch(given, with_importance=False):
        rows.extend(_correlations(resamples, epoch, concepts, _properties(given, resamples, epoch), kind="concept"))
        rows.extend(_correlations_of_importance(resamples, epoch, concepts, [*_importances(given, resamples, epoch)]))
        if any(given.has(artefact, epoch=epoch) for artefact in _LEVELS):
            directions = scored(given, epoch, kind=_CONTROL)
            reactions = _reactions(given, resamples, epoch, kind=_CONTROL)
            rows.extend(_correlations(resamples, epoch, directions, reactions, kind=_CONTROL))
        rows.extend(_correlations_of_controls(given, resamples, epoch))
    return pd.DataFrame(rows)


class _Property(NamedTuple):
    """A property of concepts that is correlated with another."""

    column: str
    """Its name in the tables."""
    level: float
    """Its masked share or noise level; NaN where it has none."""
    values: "pd.Series[float]"
    """By concept."""
    redrawn: Redrawn
    """In resamples of the images, in the order of the values."""

    def places(self, concepts: np.ndarray) -> np.ndarray:
        """Return the places of concepts among the values."""
        places: np.ndarray = self.values.index.get_indexer(pd.Index(concepts))
        return places


def _properties(given: Given, resamples: ImageResamples, epoch: int) -> Iterator[_Property]:
    """Yield the properties of an epoch's concepts that are there and current."""
    yield from _importances(given, resamples, epoch)
    if epoch == given.study.reference_epoch and given.has(DECODE_TIME):
        times, curves = given.rows(DECODE_TIME).set_index("concept"), followed_information(given)
        yield _Property("decode_time", math.nan, times["decode_time"], resamples.lack([*curves.values()]))
        normalised = times_in_resamples(resamples, curves).normalised
        yield _Property("decode_time_normalised", math.nan, times["decode_time_normalised"], normalised)
    atoms = given.rows(CODES, epoch=epoch, table="concepts", columns=["concept", "hoyer"]).set_index("concept")
    of_no_image = Redrawn(
        np.tile(atoms["hoyer"], (len(resamples.weights), 1)), atoms["hoyer"].to_numpy(), resamples.groups
    )
    yield _Property("hoyer", math.nan, atoms["hoyer"], of_no_image)
    yield from _reactions(given, resamples, epoch, kind="concept")


def _importances(given: Given, resamples: ImageResamples, epoch: int) -> Iterator[_Property]:
    """Yield Γ, Γ when active, and what removing the concept changes, of an epoch's concepts, where that is there."""
    if given.has(IMPORTANCE, epoch=epoch):
        rows = given.rows(IMPORTANCE, epoch=epoch).set_index("concept")
        for column, jackknife in _JACKKNIVES.items():
            if rows[column].notna().any():
                redrawn = resamples.redraw(rows, column, jackknife=jackknife)
                yield _Property(column, math.nan, rows[column], redrawn)


def _reactions(given: Given, resamples: ImageResamples, epoch: int, *, kind: str) -> Iterator[_Property]:
    """Yield how an epoch's concepts, or random directions, take masks and noise, where that is there and current."""
    for artefact, level in _LEVELS.items():
        if not given.has(artefact, epoch=epoch):
            continue
        name, printed = artefact.name, f"{artefact.name}_as_printed"
        rows = given.rows(artefact, epoch=epoch)
        rows = rows[rows["kind"] == kind].set_index("concept")
        for value in sorted({*rows[level].astype(float)}):
            at_level = rows[rows[level] == value]
            redrawn = resamples.redraw(at_level, name)
            yield _Property(name, value, at_level[name], redrawn)
            if "jackknife_as_printed" in at_level:
                drawn = resamples.redraw(at_level, printed, jackknife="jackknife_as_printed")
            else:  # the same times the code's variance, which is held fixed
                default, as_printed = (at_level[column].to_numpy(dtype=float) for column in (name, printed))
                scale = np.divide(as_printed, default, out=np.zeros(len(at_level)), where=default > 0)
                drawn = Redrawn(redrawn.draws * scale, as_printed, redrawn.groups)
            yield _Property(printed, value, at_level[printed], drawn)


def _correlations(
    resamples: ImageResamples, epoch: int, concepts: pd.DataFrame, properties: Iterator[_Property], *, kind: str
) -> Iterator[dict[str, object]]:
    """Yield K with each property, a row for each method and set of controls, of which random directions have none."""
    values = concepts.set_index("concept")["complexity"]
    k = _Property("complexity", math.nan, values, resamples.complexity(epoch, kind=kind))
    # with too few images there is no class information, and nothing to hold fixed
    names = [name for name in CONTROLS if name in concepts and concepts[name].notna().any()]
    control_sets = [[], *([name] for name in names), *([[*_TOGETHER]] if {*_TOGETHER} <= {*names} else [])]
    for each in properties:
        for row in _both(resamples, concepts, k, each, control_sets):
            yield {"epoch": epoch, "kind": kind, **row}


def _correlations_of_controls(given: Given, resamples: ImageResamples, epoch: int) -> Iterator[dict[str, object]]:
    """Yield K and Γ of each control that has a direction, raw: the null of the relation."""
    if not given.has(IMPORTANCE, epoch=epoch):
        return
    table = given.rows(IMPORTANCE, epoch=epoch, table="importance_of_controls")
    for kind, rows in table.groupby("kind", sort=False):
        directions = scored(given, epoch, kind=str(kind))
        gamma = rows.set_index("concept")
        each = _Property("importance", math.nan, gamma["importance"], resamples.redraw(rows, "importance"))
        yield from _correlations(resamples, epoch, directions, iter([each]), kind=str(kind))


def _correlations_of_importance(
    resamples: ImageResamples, epoch: int, concepts: pd.DataFrame, properties: list[_Property]
) -> Iterator[dict[str, object]]:
    """Yield Γ with each other measure of importance, raw, over the concepts that have a complexity."""
    living = concepts.dropna(subset=["complexity"])
    for other in properties[1:]:
        for row in _both(resamples, living, properties[0], other, [[]]):
            yield {"epoch": epoch, "kind": "concept", **row}


def _both(
    resamples: ImageResamples, concepts: pd.DataFrame, x: _Property, y: _Property, control_sets: list[list[str]]
) -> Iterator[dict[str, object]]:
    """Yield the correlation of two properties over some concepts, for each method and set of controls."""
    study, number = resamples.reader.study, concepts["concept"].to_numpy()
    names = list(dict.fromkeys(name for controls in control_sets for name in controls))
    for method in _METHODS:
        results = partial_correlations(
            x.values.loc[number].to_numpy(),
            y.values.loc[number].to_numpy(),
            concepts[names].to_numpy() if names else None,
            held=[[names.index(name) for name in controls] for controls in control_sets],
            method=method,
            n_bootstrap=study.analyses.bootstrap,
            seed=study.seed,
            over_images=[
                x.redrawn.of(x.places(number)),
                y.redrawn.of(y.places(number)),
                *(resamples.redraw(concepts, name, jackknife=CONTROLS[name]) for name in names),
            ],
        )
        keys = {"x": x.column, "y": y.column, "level": y.level, "method": method}
        for controls, result in zip(control_sets, results, strict=True):
            yield {**keys, "controls": ",".join(controls), **result._asdict()}
