"""Sedimentation: curves of mean complexity over the epochs, of all concepts and of the most important ones."""

import pandas as pd

from featcx_core.findings.evidence import Estimate, estimate
from featcx_core.measures.ends import size_of


def smallest_top_group(sedimentation: pd.DataFrame) -> str | None:
    """Return the smallest group of important concepts among those with the most epochs; None if there is only `all`.

    Groups that coincide are written once. With few concepts, a small share therefore has rows at some epochs only.
    """
    tops = sedimentation[(sedimentation["group_name"] != "all") & (sedimentation["epoch"] > 0)]
    if tops.empty:
        return None
    sizes = tops.groupby("group_name")["n_concepts"].agg(["count", "mean"])
    return str(sizes.sort_values(["count", "mean"], ascending=[False, True]).index[0])


def sedimentation_curve(sedimentation: pd.DataFrame, group: str) -> pd.DataFrame:
    """Return a group's rows of the trained epochs, in order; epoch 0 is a baseline and not part of a curve."""
    rows = sedimentation[(sedimentation["group_name"] == group) & (sedimentation["epoch"] > 0)]
    return rows.dropna(subset=["mean_complexity"]).sort_values("epoch")


def band(curve: pd.DataFrame, place: int) -> Estimate:
    """Return one epoch of a sedimentation curve as an estimate."""
    return estimate(curve.iloc[place], "mean_complexity", "n_concepts")


def group_label(group_name: str) -> str:
    """Return a group's name in words.

    >>> group_label("top_1pct"), group_label("all")
    ('top 1 % by importance', 'all concepts')
    """
    if group_name == "all":
        return "all concepts"
    return group_name.replace("top_", "top ").removesuffix("pct") + " % by importance"


def label_with_count(group_name: str, n: int, n_all: int) -> str:
    """Return a group's name in words with its size; no share is named where the group is larger than its share.

    >>> label_with_count("top_10pct", 10, 97), label_with_count("top_10pct", 10, 40)
    ('top 10 % by importance (n = 10)', '10 most important of 40')
    """
    if group_name != "all" and n > size_of(float(group_name.removeprefix("top_").removesuffix("pct")) / 100, n_all):
        return f"{n} most important of {n_all}"
    return f"{group_label(group_name)} (n = {n})"
