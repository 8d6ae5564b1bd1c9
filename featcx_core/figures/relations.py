"""How much and when: complexity against importance, and complexity against the time to decode."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from featcx_core.figures.canvas import INK, SEQUENCE, canvas, colour_bar, dress, footnote, nothing_to_show, point_area
from featcx_core.figures.evidence import CONTROLS, correlation
from featcx_core.figures.spectrum import K_AXIS

MOST_COLUMNS = 3


def complexity_against_importance(
    complexity: pd.DataFrame, importance: pd.DataFrame, correlations: pd.DataFrame, *, epochs: Sequence[int]
) -> Figure:
    """K against Γ (log axis, zeros drawn on the floor), one panel an epoch, coloured by prevalence.

    The panel titles carry Spearman's correlation, raw and partial (prevalence and variance held fixed), with
    intervals. Epochs without a scored concept are left out.
    """
    question = "Does the network rely on its simple concepts more than on its complex ones?"
    points = _joined(complexity, importance, on=["epoch", "concept"], columns=["importance", "prevalence_fraction"])
    points = points.dropna(subset=["complexity", "importance"])
    shown = [epoch for epoch in epochs if (points["epoch"] == epoch).any()]
    if not shown:
        return nothing_to_show(question, "no concept of these epochs has both a complexity and an importance")
    columns = min(MOST_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = canvas(question, height=1.2 + 3.4 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    positive = points.loc[points["epoch"].isin(shown) & (points["importance"] > 0), "importance"]
    floor = float(positive.min()) / 2 if len(positive) else 1.0
    most_prevalent = float(points.loc[points["epoch"].isin(shown), "prevalence_fraction"].max())
    for panel, epoch in zip(panels, shown, strict=False):
        _importance_panel(panel, points[points["epoch"] == epoch], floor=floor, most_prevalent=most_prevalent)
        raw = correlation(correlations, epoch=epoch, y="importance")
        partial = correlation(correlations, epoch=epoch, y="importance", controls=CONTROLS)
        name = f"epoch {epoch}" + (" (untrained)" if epoch == 0 else "")
        lines = [f"Spearman {raw}", f"partial {partial}"]
        title = "\n".join([name, *(line.replace(" {", "\n    {") for line in lines)])  # a panel is narrow
        panel.set_title(title, fontsize=10, loc="left", color=INK)
    for panel in panels[len(shown) :]:
        panel.set_visible(False)
    colour_bar(panels[0].collections[0], list(panels), label="prevalence (share of images)")
    zeros = int((points["importance"].le(0) & points["epoch"].isin(shown)).sum())
    on_floor = f" Triangles: importance exactly 0 ({zeros})." if zeros else ""
    footnote(
        figure,
        "Partial: prevalence and variance held fixed. 95 % bootstrap: [ ] over concepts, { } images." + on_floor,
    )
    return figure


def complexity_against_decode_time(
    complexity: pd.DataFrame, decode_time: pd.DataFrame, correlations: pd.DataFrame
) -> Figure:
    """K against Λ of the reference epoch's concepts, coloured by the first epoch with half of their information."""
    question = "Are complex concepts learned later than simple ones?"
    late = decode_time.rename(columns={"reference_epoch": "epoch"})
    points = _joined(complexity, late, on=["epoch", "concept"], columns=["decode_time", "first_epoch"])
    points = points.dropna(subset=["complexity", "decode_time"])
    if points.empty:
        return nothing_to_show(question, "no concept has both a complexity and a time to decode")
    epoch = int(points["epoch"].iloc[0])
    figure = canvas(question, height=5.2)
    axes = figure.add_subplot()
    first = points["first_epoch"].to_numpy(dtype=float)
    marks = axes.scatter(
        points["decode_time"],
        points["complexity"],
        c=first,
        cmap=SEQUENCE,
        s=point_area(len(points)),
        plotnonfinite=True,
    )
    colour_bar(marks, axes, label="first epoch with half of its information", is_integer=True)
    lines = []
    for method in ("spearman", "pearson"):
        raw = correlation(correlations, epoch=epoch, y="decode_time", method=method)
        partial = correlation(correlations, epoch=epoch, y="decode_time", method=method, controls=CONTROLS)
        lines.append(f"{method.capitalize()} {raw},  partial {partial}")
    dress(axes, x="time to decode Λ  (low = available early, high = late)", y=K_AXIS, title="\n".join(lines))
    footnote(
        figure,
        f"{len(points)} concepts of epoch {epoch}. Partial: prevalence and variance held fixed. 95 % bootstrap: "
        "[ ] over concepts, { } over images.",
    )
    return figure


def _joined(complexity: pd.DataFrame, other: pd.DataFrame, *, on: list[str], columns: list[str]) -> pd.DataFrame:
    concepts = complexity.loc[complexity["kind"] == "concept", [*on, "complexity"]]
    return concepts.merge(other[[*on, *columns]], on=on)


def _importance_panel(axes: Axes, points: pd.DataFrame, *, floor: float, most_prevalent: float) -> None:
    gamma, scores, prevalence = (
        points[c].to_numpy(dtype=float) for c in ("importance", "complexity", "prevalence_fraction")
    )
    area, scale = point_area(len(points)), Normalize(0, most_prevalent)
    for is_shown, marker in ((gamma > 0, "o"), (gamma <= 0, "v")):
        axes.scatter(
            scores[is_shown],
            np.maximum(gamma[is_shown], floor),
            c=prevalence[is_shown],
            cmap=SEQUENCE,
            norm=scale,
            s=area,
            marker=marker,
            alpha=0.85,
        )
    axes.set_yscale("log")
    dress(axes, x="K  (0 = simple, 1 = complex)", y="")
    if axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        axes.set_ylabel("importance Γ  (higher = relied on more)", fontsize=10, color=INK)
