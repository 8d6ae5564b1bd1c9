"""Studies by the values of a field: similarity within each group, and how well a measure tells the groups apart."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from featcx_core.measures.comparison import Settings
from featcx_core.measures.intervals import jackknife_interval
from featcx_core.measures.separation import separation
from featcx_core.measures.study_groups import GROUP, StudyGroups
from featcx_core.measures.within_group import mean_within

_WAYS = ["layer_a", "measure", "centring"]
ALL_LAYERS = ""
"""In place of a layer's name: the mean over layers."""
_ENDS = [f"{column}_{end}" for column in ("auprc", "violation_rate") for end in ("low", "high")]
_Matrices = dict[str, pd.DataFrame]


def with_groups(settings: Settings, groups: StudyGroups) -> Settings:
    """Return the fields, and in place of a further one the groups, where they are not those of one field already."""
    parts = {tuple(_places(values)) for values in settings.values()}
    is_new = tuple(_places(groups.of)) not in parts
    return {GROUP: groups.of, **settings} if is_new else settings


def field_of_groups(settings: Settings, groups: StudyGroups) -> str:
    """Return the field, or `group`, whose values are the groups."""
    wanted = _places(groups.of)
    return next((field for field, values in settings.items() if _places(values) == wanted), GROUP)


def alike_by_field(
    between: pd.DataFrame, settings: Settings, seeds: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of `similarity_within` and of `separation`: of each field, layer, measure and centring.

    Of `separation` also the mean over layers, its interval by leaving out one seed with all of its studies at a time.

    seeds: study -> its seeds.
    """
    within, apart = list[dict[str, object]](), list[dict[str, object]]()
    same_layer = between[between["layer_a"] == between["layer_b"]]
    matrices = dict[tuple[str, str], _Matrices]()
    for (layer, measure, centring), rows in same_layer.groupby(_WAYS, sort=False):
        about = {"layer": layer, "measure": measure, "centring": centring}
        matrix = matrices.setdefault((str(measure), str(centring)), {})[str(layer)] = _matrix(rows)
        for field, values in settings.items():
            groups = _groups(values, [str(name) for name in matrix.columns])
            apart += [{"field": field, **about, **row} for row in _separation(matrix, groups)]
            for value, names in groups.items():
                result = mean_within(matrix.loc[names, names].to_numpy(dtype=float))
                within.append({"field": field, "value": value, **about, **result._asdict(), "n_studies": len(names)})
    for (measure, centring), by_layer in matrices.items():
        about = {"layer": ALL_LAYERS, "measure": measure, "centring": centring}
        apart += [{"field": f, **about, **row} for f, v in settings.items() for row in _over_layers(by_layer, v, seeds)]
    separations = pd.DataFrame(apart)
    return pd.DataFrame(within), separations.reindex(columns=[*dict.fromkeys([*separations, *_ENDS])])


def _over_layers(
    by_layer: _Matrices, values: Mapping[str, str], seeds: Mapping[str, str]
) -> Iterator[dict[str, object]]:
    """Yield the mean separation over layers of the same networks, where there are two groups or more."""
    names = [str(name) for name in next(iter(by_layer.values())).columns]
    if any([*map(str, matrix.columns)] != names for matrix in by_layer.values()):
        return  # networks of other layers are compared layer by layer among themselves alone
    whole = _mean_separation(by_layer, _groups(values, names))
    if whole is None:
        return
    left_out = [
        _mean_separation(by_layer, _groups(values, [name for name in names if seeds.get(name) != seed]))
        for seed in dict.fromkeys(seeds.values())
    ]
    ends = dict[str, float]()
    for column in ("auprc", "violation_rate"):
        without = [each[column] for each in left_out if each is not None]
        is_enough = len(without) == len(left_out) > 2
        low, high = (
            jackknife_interval(np.array([whole[column]]), np.array([without]), within=(0.0, 1.0))
            if is_enough
            else (np.array([np.nan]), np.array([np.nan]))
        )
        ends |= {f"{column}_low": float(low[0]), f"{column}_high": float(high[0])}
    yield {**whole, **ends}


def _mean_separation(by_layer: _Matrices, groups: Mapping[str, list[str]]) -> dict[str, float] | None:
    rows = [row for matrix in by_layer.values() for row in _separation(matrix, groups)]
    return {str(k): float(v) for k, v in pd.DataFrame(rows).mean().items()} if rows else None


def _places(values: Mapping[str, str]) -> list[int]:
    """Return each study's group, numbered in the order of appearance."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values.values()))}
    return [numbers[value] for value in values.values()]


def _groups(values: Mapping[str, str], names: list[str]) -> dict[str, list[str]]:
    """Return the studies of each value that at least two of them have."""
    groups = {value: [name for name in names if values[name] == value] for value in dict.fromkeys(values.values())}
    return {value: members for value, members in groups.items() if len(members) > 1}


def _matrix(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the calibrated similarity of every pair of studies, both ways; NaN where a pair has none."""
    names = list(dict.fromkeys([*rows["study_a"], *rows["study_b"]]))
    one_way = rows.pivot(index="study_a", columns="study_b", values="calibrated").reindex(names, columns=names)
    return one_way.fillna(one_way.T)


def _separation(matrix: pd.DataFrame, groups: Mapping[str, list[str]]) -> Iterator[dict[str, object]]:
    """Yield how well the similarities tell the groups apart, where there are two groups or more."""
    if len(groups) > 1:
        names = [name for members in groups.values() for name in members]
        labels = np.array([value for value, members in groups.items() for _ in members])
        result = separation(matrix.loc[names, names].to_numpy(dtype=float), labels)
        yield {**result._asdict(), "n_studies": len(names)}
