"""Curves over training: accuracy and loss, and mean complexity of all and of the most important concepts."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featcx_core.figures.canvas import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    VERMILION,
    canvas,
    dress,
    footnote,
    nothing_to_show,
)
from featcx_core.figures.progress import along_training
from featcx_core.findings.passes import training_progress
from featcx_core.findings.sedimentation import label_with_count

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE)
MARKERS = ("o", "s", "^", "D", "v")  # told apart without colour too


def sedimentation_curves(sedimentation: pd.DataFrame, epochs: pd.DataFrame) -> Figure:
    """Draw mean K over training with its bands, of all concepts and of each group of the most important ones."""
    question = "Do the concepts that matter most become simpler as training goes on?"
    scored = sedimentation.dropna(subset=["mean_complexity"]).sort_values("epoch")
    if scored.empty:
        return nothing_to_show(question, "no epoch has a mean complexity")
    figure, progress = canvas(question, height=4.8), training_progress(epochs)
    axes = figure.add_subplot()
    groups = sorted(scored["group_name"].unique(), key=lambda name: (name != "all", name))
    sizes = scored.groupby("group_name")["n_concepts"].last()
    for i, group in enumerate(groups):
        curve = scored[scored["group_name"] == group]
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        label = label_with_count(str(group), int(sizes[group]), int(sizes.max()))
        trained = curve[curve["epoch"] > 0]
        places = progress.of(trained["epoch"]).to_numpy(dtype=float)
        axes.plot(places, trained["mean_complexity"], "-", marker=marker, color=colour, label=label)
        axes.fill_between(
            places,
            trained["low"].to_numpy(dtype=float),
            trained["high"].to_numpy(dtype=float),
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
        for end in ("low_images", "high_images"):
            axes.plot(places, trained[end].astype(float), ":", color=colour, linewidth=1)
        _before_training(axes, curve[curve["epoch"] == 0], colour=colour, marker=marker)
    dress(axes, x=progress.label, y="mean complexity K  (0 = simple, 1 = complex)")
    along_training(axes, progress)
    axes.legend(frameon=False, fontsize=9.5, loc="best")
    footnote(
        figure,
        "Every checkpoint has its own dictionary, so the concepts differ between them. Bands: 95 % intervals over "
        "concepts; dotted: over images. Open marks: before training (epoch 0).",
    )
    return figure


def _before_training(axes: Axes, rows: pd.DataFrame, *, colour: str, marker: str) -> None:
    """Draw epoch 0 as an open mark with its interval over concepts."""
    if rows.empty:
        return
    value, low, high = (float(rows[c].iloc[0]) for c in ("mean_complexity", "low", "high"))
    axes.vlines(0, low, high, color=colour, alpha=0.5)
    axes.plot(0, value, marker=marker, color=colour, markerfacecolor="white", linestyle="none")


def training_curves(epochs: pd.DataFrame, *, chance: float | None = None) -> Figure:
    """Draw loss (nats) and accuracy (%) over training, on training and on held-out images, where measured.

    chance: accuracy of a guess, drawn as a line.
    """
    question = "How well does the network do, and does it do as well on images it has not seen?"
    measured = epochs.sort_values("epoch")
    columns = ["train_loss", "test_loss", "train_accuracy", "test_accuracy"]
    if measured.empty or measured[columns].isna().all(axis=None):
        return nothing_to_show(question, "no checkpoint has a loss or an accuracy")
    figure, progress = canvas(question, height=3.8), training_progress(epochs)
    loss, accuracy = figure.subplots(1, 2)
    for axes, quantity, factor in ((loss, "loss", 1.0), (accuracy, "accuracy", 100.0)):
        for part, name, colour, style in (("train", "training", MUTED, "--s"), ("test", "held-out", BLUE, "-o")):
            curve = measured[["epoch", f"{part}_{quantity}"]].dropna()
            if not curve.empty:
                values = curve[f"{part}_{quantity}"].to_numpy(dtype=float) * factor
                places = progress.of(curve["epoch"]).to_numpy(dtype=float)
                axes.plot(places, values, style, color=colour, markersize=4, label=f"{name} images")
        along_training(axes, progress)
        if chance is not None and quantity == "accuracy" and axes.lines:
            axes.axhline(100 * chance, color=INK, linewidth=1, linestyle=":", label=f"a guess ({100 * chance:.3g} %)")
        if axes.lines:
            axes.legend(frameon=False, fontsize=9.5, loc="best")
    dress(loss, x=progress.label, y="cross-entropy loss (nats; lower = better)")
    dress(accuracy, x=progress.label, y="accuracy (%; higher = better)")
    loss.set_ylim(bottom=0)
    return figure
