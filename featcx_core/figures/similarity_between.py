"""Similarity of the networks of several studies: within groups of studies, by layer."""

import pandas as pd
from matplotlib.figure import Figure

from featcx_core.figures.canvas import canvas, dress, footnote
from featcx_core.figures.dynamics import COLOURS, MARKERS
from featcx_core.findings.comparison import drawn_fields
from featcx_core.findings.similarity import way_in_words
from featcx_core.measures.comparison import Settings

_MOST_WAYS = 4
"""Measures and centrings that are drawn."""


def similarity_figures(within: pd.DataFrame, settings: Settings) -> dict[str, Figure]:
    """Draw, for each field that is drawn, the mean similarity within the studies of each value, by layer."""
    figures = {}
    for field in drawn_fields(settings) if len(within) else []:
        rows = within[within["field"] == field].dropna(subset=["mean"])
        if len(rows):
            figures[f"alike_by_{field.replace('.', '_')}"] = _within(rows, field)
    return figures


def _within(rows: pd.DataFrame, field: str) -> Figure:
    ways = list(dict.fromkeys(zip(rows["measure"], rows["centring"], strict=True)))[:_MOST_WAYS]
    n_columns = min(2, len(ways))
    n_lines = -(-len(ways) // n_columns)
    figure = canvas(f"How alike are networks of the same {field}?", height=1.3 + 2.7 * n_lines)
    panels = figure.subplots(n_lines, n_columns, squeeze=False, sharey=True).ravel()
    for unused in panels[len(ways) :]:
        unused.set_visible(False)
    for (measure, centring), axes in zip(ways, panels, strict=False):
        part = rows[(rows["measure"] == measure) & (rows["centring"] == centring)]
        for place, (value, curve) in enumerate(part.groupby("value", sort=False)):
            colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
            label = f"{value} ({curve['n_studies'].iloc[0]} studies)"
            axes.plot(curve["layer"], curve["mean"], color=colour, marker=marker, markersize=4, label=label)
            low, high = (curve[end].to_numpy(dtype=float) for end in ("low", "high"))
            axes.fill_between(curve["layer"], low, high, color=colour, alpha=0.15, linewidth=0)
        axes.tick_params(axis="x", rotation=90)
        dress(axes, x="", y="calibrated similarity", title=way_in_words(measure, centring))
        axes.set_ylim(-0.15, 1.05)
    panels[0].legend(frameon=False, fontsize=8.5, title=field.rpartition(".")[2], title_fontsize=8.5)
    footnote(
        figure,
        "Mean over all pairs of studies with the value, which may differ in other fields; 0 = chance, 1 = the same. "
        "Bands: 95 % over studies (none below three).",
    )
    return figure
