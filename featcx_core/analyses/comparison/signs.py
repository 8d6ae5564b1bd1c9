"""Generalising or memorising, by groups of studies: the rows of `generalising_by_group`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from featcx_core.analyses.comparison import SIGNS_TABLE
from featcx_core.analyses.comparison.alike import field_of_groups
from featcx_core.analyses.generalising import GENERALISING_TABLE
from featcx_core.artefacts.given import StudyReader
from featcx_core.findings.evidence import Estimate, difference
from featcx_core.measures.comparison import Settings
from featcx_core.measures.study_groups import StudyGroups, by_group
from featcx_core.store.parquet import without_rows

_SEEDS_SIGN = "similarity_of_seeds"


def sign_rows_by_group(
    readers: Sequence[StudyReader], groups: StudyGroups, within: pd.DataFrame, settings: Settings
) -> pd.DataFrame:
    """Return each sign's mean and difference by group, and how similar the networks of each group are.

    Only signs of current tables count; a study without its table is left out of the means.
    """
    parts = [reader.table(GENERALISING_TABLE.name).assign(member=reader.study.name) for reader in readers]
    values = pd.concat(parts, ignore_index=True)
    alike = _similarity_of_seeds(within, groups, settings)
    rows = [frame for frame in (by_group(values, groups), alike) if len(frame)]
    return pd.concat(rows, ignore_index=True) if rows else without_rows(SIGNS_TABLE)


def _similarity_of_seeds(within: pd.DataFrame, groups: StudyGroups, settings: Settings) -> pd.DataFrame:
    """Return the similarity within each group in the last layer, by the first measure; empty where there is none.

    Networks of two groups are not paired, so the interval of a difference is that of independent estimates.
    """
    field = field_of_groups(settings, groups)
    rows = within[within["field"] == field] if len(within) else within
    if rows.empty:
        return pd.DataFrame()
    first = rows[(rows["measure"] == rows["measure"].iloc[0]) & (rows["centring"] == rows["centring"].iloc[0])]
    last = first[first["layer"] == first["layer"].iloc[-1]]
    value_of = settings.get(field, groups.of)
    name_of = {value_of[study]: name for study, name in groups.of.items()}
    found = {
        name_of[row["value"]]: Estimate(row["mean"], row["low"], row["high"], int(row["n_studies"]))
        for row in last.to_dict("records")
        if row["value"] in name_of and np.isfinite(row["mean"])
    }
    base, written = found.get(groups.names[0]), list[dict[str, object]]()
    for name in (name for name in groups.names if name in found):
        mean = found[name]
        has_pair = base is not None and name != groups.names[0]
        apart = difference(base, mean) if base is not None and has_pair else Estimate(np.nan, np.nan, np.nan, 0)
        written.append({"sign": _SEEDS_SIGN, "group_name": name, "mean": mean.value, "low": mean.low,
                        "high": mean.high, "n": mean.n, "difference": apart.value, "difference_low": apart.low,
                        "difference_high": apart.high, "n_pairs": apart.n})  # fmt: skip
    return pd.DataFrame(written)
