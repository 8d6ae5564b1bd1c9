"""The spectrum of concepts from simple to complex, above the distributions of the controls."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from featcx_core.figures.canvas import (
    BLUE,
    GRID,
    INK,
    MUTED,
    SEQUENCE,
    canvas,
    colour_bar,
    dress,
    footnote,
    nothing_to_show,
    point_area,
)

QUESTION = "Which concepts are simple, which complex, and is that more than the controls show?"
K_AXIS = "complexity K  (0 = simple, 1 = complex)"
ERROR = "#c3cad3"  # opaque: thousands of half-transparent lines would add up to a dark band
CONTROLS = {
    "random_direction": "random directions",
    "unit": "single units",
    "principal_component": "principal components",
    "class_logit": "class logits",
    "shuffled": "shuffled codes\n(should be 1)",
}
"""Kind of control -> its name."""


def complexity_spectrum(
    complexity: pd.DataFrame, *, reference_epoch: int, importance: pd.DataFrame | None = None
) -> Figure:
    """Draw K of every concept of the reference epoch in order, coloured by importance, above the controls.

    complexity, importance: the tables of these names. The footnote counts the concepts without a score (dead ones).
    """
    concepts = complexity[(complexity["epoch"] == reference_epoch) & (complexity["kind"] == "concept")]
    alive = concepts.dropna(subset=["complexity"]).sort_values("complexity")
    if alive.empty:
        return nothing_to_show(QUESTION, f"no concept of epoch {reference_epoch} has a complexity")
    figure = canvas(QUESTION, height=7.2)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[1.7, 1.0])
    _sorted_concepts(top, alive, importance)
    _controls(bottom, complexity, reference_epoch)
    top.tick_params(labelbottom=True)
    footnote(
        figure,
        f"Epoch {reference_epoch}: {len(alive)} concepts, {len(concepts) - len(alive)} without a score left out. "
        "Lines: ± one standard error. Boxes: quartiles; whiskers: 5 % to 95 %.",
    )
    return figure


def _sorted_concepts(axes: Axes, alive: pd.DataFrame, importance: pd.DataFrame | None) -> None:
    """Draw the concepts by rank, each with one standard error to either side."""
    scores, errors = (alive[column].to_numpy(dtype=float) for column in ("complexity", "standard_error"))
    places = np.arange(1, len(scores) + 1)
    axes.hlines(places, scores - errors, scores + errors, color=ERROR, linewidth=1, zorder=1)
    area = point_area(len(scores))
    gamma = np.full(len(scores), np.nan)
    if importance is not None:
        keys = ["epoch", "concept"]
        gamma = alive[keys].merge(importance[[*keys, "importance"]], how="left")["importance"].to_numpy(dtype=float)
    positive = gamma[gamma > 0]
    if len(positive) and positive.min() < positive.max():
        limits = LogNorm(positive.min(), positive.max(), clip=True)
        shown = np.where(gamma > 0, gamma, positive.min())
        points = axes.scatter(scores, places, c=shown, norm=limits, cmap=SEQUENCE, s=area, zorder=2)
        colour_bar(points, axes, label="importance Γ  (log; higher = relied on more)")
    else:
        axes.scatter(scores, places, color=BLUE, s=area, zorder=2)
    dress(axes, x=K_AXIS, y="concepts, ranked from simplest")
    axes.set_xlim(min(0.0, float(scores.min()) - 0.02), 1.02)
    axes.set_ylim(len(scores) + max(1.0, 0.02 * len(scores)), 1 - max(1.0, 0.02 * len(scores)))
    steps = MaxNLocator(6, integer=True).tick_values(0, len(scores))
    axes.set_yticks([1, *(rank for rank in steps if 1 < rank <= len(scores))])


def _controls(axes: Axes, complexity: pd.DataFrame, reference_epoch: int) -> None:
    """Draw a box for the concepts, the concepts before training and each control."""
    at_reference = complexity[complexity["epoch"] == reference_epoch]
    before = complexity[(complexity["epoch"] == 0) & (complexity["kind"] == "concept")]
    rows = [("concepts", at_reference[at_reference["kind"] == "concept"])]
    if reference_epoch != 0:
        rows.append(("concepts\nbefore training", before))
    rows += [(label, at_reference[at_reference["kind"] == kind]) for kind, label in CONTROLS.items()]
    scored = [(label, frame["complexity"].dropna().to_numpy(dtype=float)) for label, frame in rows]
    shown = [(f"{label}, n = {len(scores)}", scores) for label, scores in scored if len(scores)]
    boxes = axes.boxplot(
        [scores for _, scores in shown],
        orientation="horizontal",
        tick_labels=[label for label, _ in shown],
        whis=(5, 95),
        widths=0.55,
        patch_artist=True,
        showfliers=False,
        medianprops={"color": INK, "linewidth": 1.6},
        whiskerprops={"color": MUTED},
        capprops={"color": MUTED},
    )
    for place, box in enumerate(boxes["boxes"]):
        box.set(facecolor=BLUE if place == 0 else GRID, edgecolor=MUTED, alpha=0.8)
    dress(axes, x=K_AXIS, y="")
    axes.invert_yaxis()
