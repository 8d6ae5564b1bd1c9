"""Studies by the values of a field: similarity within each group, and how well a measure tells the groups apart."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from featcx_core.measures.comparison import Settings
from featcx_core.measures.separation import separation
from featcx_core.measures.within_group import mean_within

_WAYS = ["layer_a", "measure", "centring"]


def alike_by_field(between: pd.DataFrame, settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of `similarity_within` and of `separation`: of each field, layer, measure and centring."""
    within, apart = list[dict[str, object]](), list[dict[str, object]]()
    same_layer = between[between["layer_a"] == between["layer_b"]]
    for (layer, measure, centring), rows in same_layer.groupby(_WAYS, sort=False):
        about = {"layer": layer, "measure": measure, "centring": centring}
        matrix = _matrix(rows)
        for field, values in settings.items():
            groups = _groups(values, [str(name) for name in matrix.columns])
            apart += [{"field": field, **about, **row} for row in _separation(matrix, groups)]
            for value, names in groups.items():
                result = mean_within(matrix.loc[names, names].to_numpy(dtype=float))
                within.append({"field": field, "value": value, **about, **result._asdict(), "n_studies": len(names)})
    return pd.DataFrame(within), pd.DataFrame(apart)


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
