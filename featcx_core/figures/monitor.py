"""The monitor: ROC of each detector by kind of input, and the area under it by layer."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featcx_core.figures.canvas import BLUE, GREEN, MUTED, VERMILION, canvas, dress, footnote

INPUTS = ("gaussian", "fgsm", "pgd", "ddn", "adaptive")
DETECTORS = (
    ("spectrum", BLUE, "inner spectra, all layers"),
    ("mahalanobis", VERMILION, "Mahalanobis, layer before the head"),
    ("confidence", GREEN, "softmax confidence"),
)


def monitor_figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Draw the ROC of each detector by kind of input, and the areas by layer."""
    areas, scores = tables["monitor"], tables["monitor_scores"]
    epoch = areas["epoch"].max()
    areas, scores = areas[areas["epoch"] == epoch], scores[scores["epoch"] == epoch]
    return {"roc": roc(scores, areas), "areas_by_layer": areas_by_layer(areas)}


def roc(scores: pd.DataFrame, areas: pd.DataFrame) -> Figure:
    """Draw the share of inputs caught by the share of clean images that raise an alarm, a panel a kind of input."""
    figure = canvas("Can inner spectra tell attacked inputs from clean ones?", height=3.4)
    last = areas.loc[areas["detector"] == "confidence", "layer"].iloc[0]
    for axes, name in zip(figure.subplots(1, len(INPUTS), sharey=True), INPUTS, strict=True):
        for detector, colour, label in DETECTORS:
            layer = "all" if detector == "spectrum" else last
            of_detector = scores[(scores["detector"] == detector) & (scores["layer"] == layer)]
            cases = of_detector[of_detector["input"] == name]
            cases = cases if name == "gaussian" else cases[cases["is_fooled"]]
            clean = of_detector.loc[of_detector["input"] == "clean", "score"]
            if len(cases) > 1:
                axes.plot(*roc_points(clean.to_numpy(), cases["score"].to_numpy()), color=colour, label=label)
        if not axes.lines:
            axes.text(0.5, 0.5, "too few fool\nthe network", ha="center", va="center", fontsize=8.5, color=MUTED)
        axes.plot([0, 1], [0, 1], ":", color=MUTED, linewidth=1)
        dress(axes, x="share of clean images", y="share of inputs caught" if name == INPUTS[0] else "", title=name)
        axes.set_aspect("equal")
    handles = {text: line for axes in figure.axes for line, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower left", ncols=3, frameon=False, fontsize=9)
    return figure


def roc_points(clean: np.ndarray, cases: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of clean images and of cases at or above every threshold, from none to all.

    >>> [part.tolist() for part in roc_points(np.array([1.0]), np.array([2.0]))]
    [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
    """
    limits = np.unique(np.concatenate([clean, cases]))[::-1]
    shares = [np.append(0.0, (values[:, None] >= limits).mean(axis=0)) for values in (clean, cases)]
    return shares[0], shares[1]


def areas_by_layer(areas: pd.DataFrame) -> Figure:
    """Draw the area under the ROC by layer of the spectra and the Mahalanobis detector, a panel a kind of input."""
    figure = canvas("In which layers do inputs stand out?", height=3.6)
    rows = areas[areas["layer"] != "all"]
    layers = list(dict.fromkeys(rows["layer"]))
    for axes, name in zip(figure.subplots(1, len(INPUTS), sharey=True), INPUTS, strict=True):
        for detector, colour, label in DETECTORS[:2]:
            line = rows[(rows["detector"] == detector) & (rows["input"] == name)].set_index("layer").reindex(layers)
            _draw(axes, line, colour, label.partition(",")[0])
        axes.axhline(0.5, color=MUTED, linewidth=1, linestyle=":")
        axes.set_xticks(np.arange(len(layers)), layers, rotation=90, fontsize=7)
        dress(axes, x="", y="area under the ROC" if name == INPUTS[0] else "", title=name)
        axes.tick_params(axis="x", labelsize=7)
    figure.axes[0].legend(frameon=False, fontsize=8)
    footnote(figure, "Bands: 95 % over images. 0.5: by chance. Of attacks, the inputs that fool the network.")
    return figure


def _draw(axes: Axes, line: pd.DataFrame, colour: str, label: str) -> None:
    places = np.arange(len(line))
    axes.plot(places, line["roc_auc"], "-o", markersize=3, color=colour, label=label)
    low, high = (line[end].to_numpy(dtype=float) for end in ("low", "high"))
    axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
