"""Stability of concepts over seeds of the factorisation: those found again, and the spread of K."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from featcx_core.figures.canvas import BLUE, canvas, dress, footnote, nothing_to_show

_QUESTION = "Which concepts do other seeds of the factorisation find again, and how far does K move?"


def stability_figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Draw, for the last epoch, how many concepts are found in how many seeds, and the spread of K by that."""
    rows = tables["stability"]
    last = rows[rows["epoch"] == rows["epoch"].max()].dropna(subset=["found_fraction"])
    if last.empty:
        return {"by_seed": nothing_to_show(_QUESTION, "no concept has an atom")}
    n_seeds = int(last["n_seeds"].iloc[0])
    figure = canvas(f"{_QUESTION} (epoch {int(last['epoch'].iloc[0])})", height=3.6)
    found, spread = figure.subplots(1, 2)
    in_seeds = (last["found_fraction"] * n_seeds).round().astype(int)
    counts = [int((in_seeds == n).sum()) for n in range(n_seeds + 1)]
    found.bar(range(n_seeds + 1), counts, color=BLUE)
    places = f"found in so many of {n_seeds} other dictionaries"
    dress(found, x=places, y="concepts", title="found again")
    known = last["complexity_spread"].notna()
    jitter = np.random.default_rng(0).uniform(-0.15, 0.15, int(known.sum()))
    spread.scatter(in_seeds[known] + jitter, last.loc[known, "complexity_spread"], s=14, color=BLUE, alpha=0.7)
    spread.set_xlim(found.get_xlim())
    dress(
        spread, x=f"found in so many of {n_seeds} other dictionaries", y="standard deviation of K", title="spread of K"
    )
    footnote(
        figure,
        "A concept is a point; points are moved a little sideways. Found: a cosine of at least stability.cosine.",
    )
    return {"by_seed": figure}
