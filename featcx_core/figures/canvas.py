"""One look for every figure: size, colours, axes and PNG bytes. No pyplot, so no global state."""

import textwrap
from collections.abc import Sequence
from io import BytesIO
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

WIDTH_INCHES = 9.0  # 900 px at 100 dots an inch: text of 10 points is read without zooming
INK, MUTED, GRID = "#1f2933", "#5f6b7a", "#e3e7ec"
# Okabe & Ito (2008): told apart under every common colour blindness, and in grey by their order of lightness.
BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
NO_VALUE = "#b8bcc4"  # grey that is seen on white
# For complexity only: from simple to complex. It stands out on white and on the page's dark ground alike, grows darker,
# and goes from yellow to blue, so that it is told apart under every common colour blindness.
_SIMPLE_TO_COMPLEX = LinearSegmentedColormap.from_list("complexity", ["#c98a00", "#d4593f", "#b0489a", "#6f5bd6"])
SEQUENCE = _SIMPLE_TO_COMPLEX.with_extremes(bad=NO_VALUE)
# For every other amount: darker = more.
AMOUNT = LinearSegmentedColormap.from_list("amount", ["#b9cde0", "#5b93c7", "#12579c"]).with_extremes(bad=NO_VALUE)


def canvas(question: str, *, height: float, width: float = WIDTH_INCHES) -> Figure:
    """Return an empty white figure, `height` inches high; its title is the question that it answers."""
    margins = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.09)
    figure = Figure(figsize=(width, height), layout=margins, facecolor="white")
    FigureCanvasAgg(figure)
    title = textwrap.fill(question, round(84 * width / WIDTH_INCHES))
    figure.suptitle(title, x=0.012, horizontalalignment="left", fontsize=13, fontweight="bold", color=INK)
    return figure


def dress(axes: Axes, *, x: str, y: str, title: str = "") -> Axes:
    """Name the axes, with unit and direction, and remove every line that carries no information."""
    axes.set_xlabel(x, fontsize=10, color=INK)
    axes.set_ylabel(y, fontsize=10, color=INK)
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.tick_params(labelsize=9, colors=MUTED, labelcolor=INK, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.grid(visible=True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def say(axes: Axes, reason: str) -> None:
    """Write why there is nothing to show in the place of the picture."""
    axes.set_axis_off()
    text = textwrap.fill(f"nothing to show: {reason}", 60)
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=11, color=MUTED, transform=axes.transAxes)


def nothing_to_show(question: str, reason: str) -> Figure:
    """Return a figure that says why it is empty: a missing table is an answer, not an exception."""
    figure = canvas(question, height=2.2)
    say(figure.add_subplot(), reason)
    return figure


def footnote(figure: Figure, text: str) -> None:
    """Write a small line under the figure: how to read it, and what was left out."""
    figure.supxlabel(textwrap.fill(text, 140), x=0.012, horizontalalignment="left", fontsize=8.5, color=MUTED)


def legend_beside(place: Axes, axes: Axes, *, columns: int, title: str | None = None) -> None:
    """Draw the legend of `axes` in a place of the figure that holds nothing else, so that it covers no mark."""
    place.set_axis_off()
    place.legend(
        *axes.get_legend_handles_labels(),
        loc="center left",
        ncols=columns,
        frameon=False,
        borderpad=0,
        fontsize=9,
        title=title,
        title_fontsize=9,
        alignment="left",
    )


def colour_bar(
    marks: ScalarMappable,
    axes: Axes | Sequence[Axes],
    *,
    label: str,
    is_integer: bool = False,
    place: Literal["right", "top"] = "right",
) -> None:
    """Draw the scale of a colour beside the axes."""
    figure = (axes if isinstance(axes, Axes) else axes[0]).figure
    ticks = MaxNLocator(integer=True) if is_integer else None
    bar = figure.colorbar(marks, ax=axes, pad=0.01, ticks=ticks, location=place, aspect=20 if place == "right" else 35)
    if isinstance(marks.norm, LogNorm):  # numbers as they are read in the text, and more than one a decade
        decades = np.log10(marks.norm.vmax or 1.0) - np.log10(marks.norm.vmin or 1.0)
        bar.locator = LogLocator(subs=(1, 2, 5) if decades < 4 else (1,))
        bar.formatter, bar.minorlocator = StrMethodFormatter("{x:g}"), NullLocator()
    bar.set_label(label, fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=9, colors=MUTED, labelcolor=INK)
    bar.outline.set_visible(False)


def point_area(n_points: int) -> float:
    """Return the area of a marker in square points: 30 for a hundred points, 4 for ten thousand.

    >>> point_area(100), point_area(1000), point_area(10_000)
    (30.0, 4.0, 4.0)
    """
    return min(30.0, max(4.0, 3000.0 / max(n_points, 1)))


def png(figure: Figure, *, dots_per_inch: int = 110) -> bytes:
    """Return the figure as PNG bytes, the same for the same figure (no date, no software version inside)."""
    buffer = BytesIO()
    figure.set_dpi(dots_per_inch)
    whole = FigureCanvasAgg(figure)  # savefig would lay everything out twice
    whole.print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return buffer.getvalue()
