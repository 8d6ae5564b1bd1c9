"""Meta-features on a plane: neighbouring concepts and their clusters."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from featcx_core.figures.canvas import (
    AMOUNT,
    BLUE,
    GREEN,
    INK,
    NO_VALUE,
    ORANGE,
    PURPLE,
    SEQUENCE,
    SKY,
    VERMILION,
    canvas,
    colour_bar,
    dress,
    footnote,
    nothing_to_show,
    point_area,
)

QUESTION = "Which concepts lie near each other?"
PALETTE = (BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE, INK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DIGIT, MARGIN, LINE = 0.08, 0.06, 0.13
"""Inches of a cluster's number: width of a digit, margin beside the digits, height."""
BESIDE = (0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)
"""Sides of the cluster's middle in order of preference: on it, above, below, right, left, between."""

Embedding = Literal["umap", "tsne", "pca"]
EMBEDDINGS: dict[Embedding, str] = {"umap": "UMAP", "tsne": "t-SNE", "pca": "principal component"}


def concept_map(clustered: pd.DataFrame, *, embedding: Embedding) -> Figure:
    """Draw the plane of the atoms, coloured by K, Γ (log), Hoyer sparsity, super-class where named, and cluster.

    clustered: as `clustered_concepts` returns it.
    embedding: how the atoms were laid out; fewer than four always lie on their principal components.
    """
    placed = clustered.dropna(subset=["x", "y"])
    if placed.empty:
        return nothing_to_show(QUESTION, "no concept has a place on the plane")
    has_names = bool((placed["super_class"] != "").any())
    figure = canvas(QUESTION, height=13.1 if has_names else 8.2)
    if has_names:
        panels = figure.subplot_mosaic("AB;CS;EE", height_ratios=[1.0, 1.0, 1.35])
    else:
        panels = figure.subplot_mosaic("AB;CE")
    _coloured(panels["A"], placed, "complexity", "complexity K  (0 = simple, 1 = complex)", is_log=False)
    _coloured(panels["B"], placed, "importance", "importance Γ  (log; higher = relied on more)", is_log=True)
    _coloured(panels["C"], placed, "hoyer", "Hoyer sparsity of the atom  (1 = a single unit)", is_log=False)
    if has_names:
        _super_classes(panels["S"], placed)
    _clusters(panels["E"], placed, inches=(8.3, 4.6) if has_names else (3.9, 3.3))
    plane = EMBEDDINGS["pca" if len(placed) < 4 else embedding]
    for axes in panels.values():
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(f"{plane} 1", fontsize=9, color=INK)
        axes.set_ylabel(f"{plane} 2", fontsize=9, color=INK)
        axes.set_aspect("equal", adjustable="datalim")
    epoch, zeros = int(placed["epoch"].iloc[0]), len(clustered) - len(placed)
    footnote(
        figure,
        f"Epoch {epoch}: {len(placed)} atoms, {zeros} zero ones left out. Plane: {plane}. Near = atoms that point the "
        "same way; distances between far groups and the axes themselves mean nothing. Grey: no value, or an importance "
        "of 0, which has no logarithm. Clusters are made of the atoms, not on the plane: lines lead from a concept to "
        "the middle of its cluster, on which or beside which its number is. Colours repeat, the numbers count; of "
        "numbers that would overlap only the larger cluster's is written.",
    )
    return figure


def _coloured(axes: Axes, placed: pd.DataFrame, column: str, label: str, *, is_log: bool) -> None:
    """Draw the atoms coloured by a property; grey where it has no value."""
    values = placed[column].to_numpy(dtype=float)
    has_value = values > 0 if is_log else np.isfinite(values)
    x, y = placed[["x", "y"]].to_numpy(dtype=float).T
    area = point_area(len(placed))
    axes.scatter(x[~has_value], y[~has_value], color=NO_VALUE, s=area)
    dress(axes, x="", y="", title=label)
    if has_value.any():
        colours = SEQUENCE if column == "complexity" else AMOUNT
        low, high = float(values[has_value].min()), float(values[has_value].max())
        scale = LogNorm(low, high) if is_log and low < high else Normalize(low, high)
        marks = axes.scatter(x[has_value], y[has_value], c=values[has_value], cmap=colours, norm=scale, s=area)
        colour_bar(marks, axes, label="")


def _super_classes(axes: Axes, placed: pd.DataFrame) -> None:
    """Draw the atoms coloured by super-class; grey for the smaller ones and for none."""
    names = placed.loc[placed["super_class"] != "", "super_class"].value_counts()
    dress(axes, x="", y="", title="super-class")
    x, y = placed[["x", "y"]].to_numpy(dtype=float).T
    area = point_area(len(placed))
    shown = list(names.index[: len(PALETTE)])
    others = ~placed["super_class"].isin(shown).to_numpy()
    if others.any():
        label = "none" if set(placed.loc[others, "super_class"]) == {""} else "others or none"
        axes.scatter(x[others], y[others], color=NO_VALUE, s=area, label=label)
    for name, colour, marker in zip(shown, PALETTE, MARKERS, strict=False):
        chosen = (placed["super_class"] == name).to_numpy()
        axes.scatter(x[chosen], y[chosen], color=colour, marker=marker, s=area, label=str(name)[:24])
    axes.legend(frameon=False, fontsize=8.5, loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=4)


def _clusters(axes: Axes, placed: pd.DataFrame, *, inches: tuple[float, float]) -> None:
    """Draw concepts tied to the middle of their cluster, with its number there or, if that hides a concept, beside."""
    dress(axes, x="", y="", title="cluster, by number")
    all_points = placed[["x", "y"]].to_numpy(dtype=float)
    room = np.array([MARGIN + DIGIT * len(str(placed["cluster"].max())), LINE])
    taken = room * float((np.ptp(all_points, axis=0) / inches).max())  # both axes have one scale
    middles: list[np.ndarray] = []
    colours: list[str] = []
    named: list[np.ndarray] = []
    written: list[np.ndarray] = []
    for cluster in placed["cluster"].value_counts().index:  # the largest first
        points = placed.loc[placed["cluster"] == cluster, ["x", "y"]].to_numpy(dtype=float)
        middle = np.median(points, axis=0)
        colour = _farthest_colour(middle, middles, colours)
        middles.append(middle)
        colours.append(colour)
        ties = [(point, middle) for point in points]
        axes.add_collection(LineCollection(ties, colors=colour, linewidths=0.5, alpha=0.6, zorder=1))
        axes.scatter(points[:, 0], points[:, 1], color=colour, s=point_area(len(placed)) / 2, zorder=2)
        place = None if _n_hidden(middle, named, taken) else _place_of_number(middle, all_points, written, taken)
        if place is not None:
            named.append(middle)
            written.append(place)
            text = axes.text(
                place[0], place[1], str(cluster), ha="center", va="center", fontsize=9, color=INK, zorder=3
            )
            text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


def _farthest_colour(middle: np.ndarray, middles: list[np.ndarray], colours: list[str]) -> str:
    """Return the colour whose clusters are farthest away, so that neighbouring clusters differ."""

    def distance(colour: str) -> float:
        others = (other for other, drawn in zip(middles, colours, strict=True) if drawn == colour)
        return min((float(np.linalg.norm(middle - other)) for other in others), default=np.inf)

    return max(PALETTE, key=distance)


def _n_hidden(place: np.ndarray, others: Sequence[np.ndarray] | np.ndarray, taken: np.ndarray) -> int:
    """Return how many of the others lie within `taken` of a place, across and up."""
    return int((np.abs(np.reshape(others, (-1, 2)) - place) < taken).all(axis=1).sum())


def _place_of_number(
    middle: np.ndarray, points: np.ndarray, written: Sequence[np.ndarray], taken: np.ndarray
) -> np.ndarray | None:
    """Return the place where a number hides no other number and the fewest concepts; None if there is no such place."""
    places = (middle + 0.9 * taken * np.array(side) for side in BESIDE)
    apart = (place for place in places if not _n_hidden(place, written, taken))
    return min(apart, key=lambda place: _n_hidden(place, points, 0.65 * taken), default=None)
