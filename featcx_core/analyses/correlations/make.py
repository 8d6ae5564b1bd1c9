"""Correlations of K with Γ, redundancy, sensitivity and the atom's sparsity, and with Λ at the reference epoch."""

import math
from collections.abc import Iterator
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.complexity.make import scored
from featcx_core.analyses.decode_time import DECODE_TIME
from featcx_core.analyses.decode_time.make import followed_information
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.analyses.over_images import ImageResamples
from featcx_core.analyses.redundancy import REDUNDANCY
from featcx_core.analyses.sedimentation.make import CONTROLS, concepts_by_epoch
from featcx_core.analyses.sensitivity import SENSITIVITY
from featcx_core.artefacts.given import Given
from featcx_core.measures.correlations import correlation
from featcx_core.measures.over_images import Redrawn

_CONTROL = "random_direction"
_TOGETHER = ("prevalence_fraction", "variance")
"""Controls that are also held fixed together: a frequent concept has a larger variance."""
_LEVELS = {REDUNDANCY: "masked_fraction", SENSITIVITY: "sigma"}
"""Artefact whose table has a row a level -> the level's column."""
_METHODS: tuple[Literal["spearman", "pearson"], ...] = ("spearman", "pearson")


def correlation_rows(given: Given) -> pd.DataFrame:
    """Return K with every property, raw and partial, of every epoch that has complexity, with what else is there."""
    resamples, rows = ImageResamples(given), list[dict[str, object]]()
    for epoch, concepts in concepts_by_epoch(given, with_importance=False):
        rows.extend(_correlations(resamples, epoch, concepts, _properties(given, resamples, epoch), kind="concept"))
        if any(given.has(artefact, epoch=epoch) for artefact in _LEVELS):
            directions = scored(given, epoch, kind=_CONTROL)
            reactions = _reactions(given, resamples, epoch, kind=_CONTROL)
            rows.extend(_correlations(resamples, epoch, directions, reactions, kind=_CONTROL))
    return pd.DataFrame(rows)


class _Property(NamedTuple):
    """A property that complexity is correlated with."""

    y: str
    """Its column."""
    level: float
    """Its masked share or noise level; NaN where it has none."""
    values: pd.Series
    """By concept."""
    redrawn: Redrawn
    """In resamples of the images."""


def _properties(given: Given, resamples: ImageResamples, epoch: int) -> Iterator[_Property]:
    """Yield the properties of an epoch's concepts that are there and current."""
    if given.has(IMPORTANCE, epoch=epoch):
        gamma = given.rows(IMPORTANCE, epoch=epoch, columns=["concept", "importance"]).set_index("concept")
        yield _Property("importance", math.nan, gamma["importance"], resamples.importance(epoch))
    if epoch == given.study.reference_epoch and given.has(DECODE_TIME):
        times = given.rows(DECODE_TIME, columns=["concept", "decode_time"]).set_index("concept")
        redrawn = resamples.lack([*followed_information(given).values()])
        yield _Property("decode_time", math.nan, times["decode_time"], redrawn)
    atoms = given.rows(CODES, epoch=epoch, table="concepts", columns=["concept", "hoyer"]).set_index("concept")
    of_no_image = np.tile(atoms["hoyer"], (len(resamples.weights), 1))
    yield _Property("hoyer", math.nan, atoms["hoyer"], of_no_image)
    yield from _reactions(given, resamples, epoch, kind="concept")


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
                drawn = redrawn * np.divide(as_printed, default, out=np.zeros(len(at_level)), where=default > 0)
            yield _Property(printed, value, at_level[printed], drawn)


def _correlations(
    resamples: ImageResamples, epoch: int, concepts: pd.DataFrame, properties: Iterator[_Property], *, kind: str
) -> Iterator[dict[str, object]]:
    """Yield a row for each property, method and set of controls, of which random directions have none."""
    study, k = resamples.reader.study, resamples.complexity(epoch, kind=kind)
    # with too few images there is no class information, and nothing to hold fixed
    held = [name for name in CONTROLS if name in concepts and concepts[name].notna().any()]
    control_sets = [(), *([name] for name in held), *([_TOGETHER] if {*_TOGETHER} <= {*held} else [])]
    x_values = concepts["complexity"].to_numpy()
    for each in properties:
        y_values = each.values.loc[concepts["concept"]].to_numpy()
        for method, controls in product(_METHODS, control_sets):
            result = correlation(
                x_values,
                y_values,
                method=method,
                controls=concepts[list(controls)].to_numpy() if controls else None,
                n_bootstrap=study.analyses.bootstrap,
                seed=study.seed,
                over_images=(k, each.redrawn),
            )
            keys = {"epoch": epoch, "kind": kind, "x": "complexity", "y": each.y, "level": each.level}
            yield {**keys, "method": method, "controls": ",".join(controls), **result._asdict()}
