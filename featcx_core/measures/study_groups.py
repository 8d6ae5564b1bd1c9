"""Groups of studies that were trained alike but for their seeds, and one number of each study by group.

Means over a group's studies have Student's t-interval; differences to the first group are over pairs of studies of the
same seeds.
"""

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from featcx_core.measures.comparison import Settings, means

SEEDS = ("seed", "data.split_seed")
"""Fields that decide chance alone."""
GROUP = "group"
"""In place of a field's name: all fields but the seeds together."""
LABELS = "data.corruption.labels"
_WORDS = {
    "data.corruption.shortcut": "shortcut in {percent} % of training images",
    "training.shift": "augmented: shifted by up to {value} pixels",
}
_COLUMNS = [
    "sign", "group_name", "mean", "low", "high", "n", "difference", "difference_low", "difference_high", "n_pairs",
]  # fmt: skip


class StudyGroups(NamedTuple):
    """Studies by the way in which they were trained."""

    of: Mapping[str, str]
    """Study -> name of its group, in words; the groups in the order of their first study."""
    seeds: Mapping[str, str]
    """Study -> its seeds: studies of different groups with the same are pairs."""
    random_share: Mapping[str, float]
    """Group -> probability of a random label; of the groups that differ from the first in nothing else."""

    @property
    def names(self) -> list[str]:
        """Names of the groups."""
        return list(dict.fromkeys(self.of.values()))

    @property
    def is_of_labels(self) -> bool:
        """Whether networks of true labels can be held against networks of random ones."""
        shares = list(self.random_share.values())
        return len(shares) > 1 and shares[0] == 0


def groups_of(settings: Settings) -> StudyGroups:
    """Return the studies by all fields in which they differ but the seeds; one group where they differ in no other.

    >>> labels = {"a": "0.0", "b": "0.5", "c": "0.0"}
    >>> groups = groups_of({"seed": {"a": "0", "b": "0", "c": "1"}, "data.corruption.labels": labels})
    >>> groups.of
    {'a': 'true labels', 'b': '50 % random labels', 'c': 'true labels'}
    >>> groups.random_share
    {'true labels': 0.0, '50 % random labels': 0.5}
    """
    fields, seeds = [field for field in settings if field not in SEEDS], [f for f in settings if f in SEEDS]
    studies = list(next(iter(settings.values()), {}))
    first = {field: settings[field][studies[0]] for field in fields}
    of, random_share = dict[str, str](), dict[str, float]()
    for study in studies:
        values = {field: settings[field][study] for field in fields}
        others = {field: value for field, value in values.items() if value != first[field]}
        of[study] = ", ".join(_in_words(field, value) for field, value in others.items()) or _base(first)
        if LABELS in values and not others.keys() - {LABELS}:
            random_share[of[study]] = probability(values[LABELS])
    paired = {study: ", ".join(f"{field} = {settings[field][study]}" for field in seeds) for study in studies}
    return StudyGroups(of, paired, random_share)


def probability(labels: str) -> float:
    """Return the probability of a random label that a value of the field stands for."""
    return 1.0 if labels == "random" else float(labels)


def _base(first: Mapping[str, str]) -> str:
    if LABELS in first:
        return _in_words(LABELS, first[LABELS])
    return ", ".join(_in_words(field, value) for field, value in first.items()) or "all studies"


def _in_words(field: str, value: str) -> str:
    if field == LABELS:
        share = probability(value)
        return f"{100 * share:.0f} % random labels" if share else "true labels"
    if field == "model.arguments":
        return ", ".join(f"{name} {json.dumps(of)}" for name, of in json.loads(value).items()) or "no arguments"
    if field in _WORDS and float(value):
        return _WORDS[field].format(value=value, percent=f"{100 * float(value):.0f}")
    return f"{field.rpartition('.')[2]} = {value}"


def by_group(values: pd.DataFrame, groups: StudyGroups) -> pd.DataFrame:
    """Return the mean of each sign in each group, and its difference to the first group over pairs.

    Args:
        values: rows (member, sign, value).
        groups: of the members.

    Returns:
        Rows (sign, group_name, mean, low, high, n, difference, difference_low, difference_high, n_pairs); NaN where
        there are no pairs, and for the ends of one study or pair.
    """
    rows = [row for sign, of_sign in values.groupby("sign", sort=False) for row in _of_sign(str(sign), of_sign, groups)]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _of_sign(sign: str, rows: pd.DataFrame, groups: StudyGroups) -> Iterator[dict[str, object]]:
    value_of = dict(zip(rows["member"], rows["value"].astype(float), strict=True))
    first = groups.names[0]
    base = _by_seed(value_of, groups, first)
    for name in groups.names:
        own = _by_seed(value_of, groups, name)
        if not own:
            continue
        over = _mean([value for values in own.values() for value in values])
        shared = [seed for seed in own if seed in base and name != first]
        apart = [float(np.mean(own[seed]) - np.mean(base[seed])) for seed in shared]
        pairs = _mean(apart)
        yield dict(zip(_COLUMNS, (sign, name, *over, *pairs), strict=True))


def _by_seed(value_of: Mapping[str, float], groups: StudyGroups, name: str) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {}
    for study, group in groups.of.items():
        if group == name and study in value_of:
            values.setdefault(groups.seeds[study], []).append(value_of[study])
    return values


def _mean(values: list[float]) -> tuple[float, float, float, int]:
    if not values:
        return np.nan, np.nan, np.nan, 0
    over = means(np.array([values]))
    return float(over.mean[0]), float(over.low[0]), float(over.high[0]), int(over.n[0])
