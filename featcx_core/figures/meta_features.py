"""Meta-features: which groups of concepts are simple, which complex, and how much they matter."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from featcx_core.figures.canvas import BLUE, MUTED, ORANGE, VERMILION, canvas, dress, footnote, nothing_to_show
from featcx_core.figures.spectrum import K_AXIS
from featcx_core.findings.evidence import Estimate
from featcx_core.findings.meta_features import mean_of_all, means_of_groups

QUESTION = "Which groups of concepts are simple, which complex, and how much do they matter?"
TITLES = {"cluster": "clusters", "super_class": "super-classes"}
"""Grouping -> its name above its rows."""
MOST_NAMED = 40
"""Clusters whose rows have room for a name."""


def groups_by_complexity(meta_features: pd.DataFrame, *, epoch: int) -> Figure:
    """Draw mean K and Γ of each cluster, and of each super-class where there are some, from simple to complex."""
    means = {grouping: means_of_groups(meta_features, epoch=epoch, grouping=grouping) for grouping in TITLES}
    shown = {grouping: measured for grouping, measured in means.items() if "complexity" in measured}
    if not shown:
        return nothing_to_show(QUESTION, "no concept in a cluster has a complexity")
    heights = [max(0.9, min(8.0, 0.24 * len(measured["complexity"]))) for measured in shown.values()]
    figure = canvas(QUESTION, height=1.6 + sum(heights) + 0.5 * len(heights))
    panels = figure.subplots(len(shown), 2, squeeze=False, sharex="col", height_ratios=heights)
    for (left, right), (grouping, measured) in zip(panels, shown.items(), strict=True):
        order = _from_simple_to_complex(measured["complexity"])
        with_names = grouping == "super_class" or len(order) <= MOST_NAMED
        for axes, measure in ((left, "complexity"), (right, "importance")):
            groups = [(name or "none", measured[measure][name]) for name in order if name in measured.get(measure, {})]
            _intervals(axes, groups, with_names=with_names)
            if not math.isnan(mean := mean_of_all(means["cluster"].get(measure, {}))):
                axes.axvline(mean, color=VERMILION, linewidth=1, linestyle=":")
            axes.tick_params(labelbottom=True)  # shared, but the rows may be far apart
            axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        dress(left, x=f"mean {K_AXIS}", y=TITLES[grouping])
        dress(right, x="mean importance Γ  (higher = relied on more)", y="")
    footnote(
        figure,
        f"Epoch {epoch}. Grey lines: 95 % intervals over the group's concepts; none for a single one. "
        "Orange lines: over images, groups fixed. Dotted: the mean of all concepts, in a super-class or "
        "not. In brackets: the number of concepts.",
    )
    return figure


def _from_simple_to_complex(means: dict[str, Estimate]) -> list[str]:
    """Return the groups in the order of their mean K."""
    return sorted(means, key=lambda name: means[name].value)


def _intervals(axes: Axes, groups: list[tuple[str, Estimate]], *, with_names: bool) -> None:
    """Draw a row a group, the first on top: its mean, the interval over its concepts and that over images."""
    places, means = np.arange(len(groups)), [mean for _, mean in groups]
    values = np.array(means, dtype=float).reshape(-1, len(Estimate._fields))
    value, low, high, n, low_images, high_images, *_ = values.T
    axes.hlines(places, low, high, color=MUTED, linewidth=1.2, zorder=1)
    axes.hlines(places, low_images, high_images, color=ORANGE, linewidth=3, alpha=0.7, zorder=1.5)
    axes.scatter(value, places, s=10 + 40 * n / n.max(initial=1), color=BLUE, zorder=2)
    ticks = (places, [f"{name} ({mean.n})" for name, mean in groups]) if with_names else ([],)
    axes.set_yticks(*ticks)
    axes.set_ylim(len(groups) - 0.4, -0.6)  # the simplest on top, no row on the frame
