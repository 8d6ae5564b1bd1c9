"""How much, and in which direction: concepts whose presence lowers the logit of the predicted class."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from featcx_core.figures.canvas import (
    INK,
    MUTED,
    SEQUENCE,
    canvas,
    colour_bar,
    dress,
    footnote,
    nothing_to_show,
    point_area,
)  # fmt: skip
from featcx_core.findings.evidence import number

QUESTION = "Which concepts speak against the prediction?"
N_LISTED = 10


def inhibitors(importance: pd.DataFrame, complexity: pd.DataFrame, concepts: pd.DataFrame, *, epoch: int) -> Figure:
    """Signed against absolute importance, coloured by K; the strongest inhibitors are listed with class and K."""
    known = with_class(importance, complexity, concepts, epoch=epoch)
    if known.empty:
        return nothing_to_show(QUESTION, f"no concept of epoch {epoch} has an importance")
    n_listed = min(N_LISTED, int((known["signed_importance"] < 0).sum()) or len(known))
    list_height = 0.18 * (n_listed + 1)
    figure = canvas(QUESTION, height=5.7 + list_height)
    axes, text = figure.subplots(2, 1, height_ratios=[4.2, list_height])
    gamma, signed, k = (known[c].to_numpy(dtype=float) for c in ("importance", "signed_importance", "complexity"))
    marks = axes.scatter(
        gamma, signed, c=k, cmap=SEQUENCE, norm=Normalize(0, 1), s=point_area(len(known)), plotnonfinite=True, zorder=3
    )
    most = float(gamma.max()) * 1.05
    axes.plot([0, most], [0, most], ":", color=MUTED, linewidth=1)
    axes.plot([0, most], [0, -most], ":", color=MUTED, linewidth=1)
    axes.axhline(0, color=INK, linewidth=0.8)
    low = min(float(signed.min()), 0.0)
    axes.set_ylim(low - 0.08 * most, most)
    dress(axes, x="importance Γ  (mean size of the contribution)", y="signed importance  (below 0: inhibitor)")
    colour_bar(marks, axes, label="complexity K  (0 = simple)")
    _list(text, known)
    n_against = int((signed < 0).sum())
    footnote(
        figure,
        f"Epoch {epoch}: {len(known)} concepts, {n_against} of them below 0. Dotted: contributions of one sign only. "
        "Contribution: the code times the atom's weight for the predicted class. Against: its negative share. "
        "Grey: no K.",
    )
    return figure


def with_class(
    importance: pd.DataFrame, complexity: pd.DataFrame, concepts: pd.DataFrame, *, epoch: int
) -> pd.DataFrame:
    """A row a concept of an epoch that has an importance: Γ, its sign, K and class; the strongest inhibitor first."""
    own = complexity.loc[(complexity["epoch"] == epoch) & (complexity["kind"] == "concept"), ["concept", "complexity"]]
    named = concepts.loc[concepts["epoch"] == epoch, ["concept", "class_name"]]
    wanted = ["concept", "importance", "signed_importance"]
    known = importance.loc[importance["epoch"] == epoch, wanted].dropna()
    return (
        known.merge(own, on="concept", how="left")
        .merge(named, on="concept", how="left")
        .sort_values("signed_importance", kind="stable")
    )


def inhibitors_finding(
    importance: pd.DataFrame, complexity: pd.DataFrame, concepts: pd.DataFrame, *, epoch: int
) -> str:
    """How many concepts speak against the prediction here, and how much, in one sentence."""
    known = with_class(importance, complexity, concepts, epoch=epoch)
    if known.empty:
        return "Not measured."
    against = known[known["signed_importance"] < 0]
    gamma = float(known["importance"].sum())
    negative = float((known["importance"] - known["signed_importance"]).sum()) / 2
    share = 100 * negative / gamma if gamma > 0 else float("nan")
    said = f"{len(against)} of {len(known)} concepts are inhibitors on the whole"
    if len(against) and against["complexity"].notna().any() and (known["signed_importance"] >= 0).any():
        others = known.loc[known["signed_importance"] >= 0, "complexity"]
        said += (
            f" (median K {number(float(against['complexity'].median()))}, the others {number(float(others.median()))})"
        )
    return f"{said}; of all contributions to the predicted class's logit {number(share, digits=1)} % are negative."


def _list(axes: Axes, known: pd.DataFrame) -> None:
    axes.set_axis_off()
    against = known[known["signed_importance"] < 0]
    listed, title = against, "strongest inhibitors"
    if against.empty:
        order = (known["signed_importance"] / known["importance"]).sort_values(kind="stable").index
        listed, title = known.loc[order], "none below 0; the largest shares against:"
    axes.set_title(title, fontsize=10, loc="left", color=INK)
    lines = [f"{'concept':>7}  {'class':<12} {'K':>5} {'signed':>8} {'against':>8}"]
    for _, row in listed.head(N_LISTED).iterrows():
        name = str(row["class_name"])[:12] if isinstance(row["class_name"], str) else "–"
        signed, gamma = float(row["signed_importance"]), float(row["importance"])
        against_it = f"{50 * (1 - signed / gamma):.0f} %" if gamma > 0 else "–"
        sign = f"{signed:.2g}".replace("-", "−")
        k = number(float(row["complexity"]))
        lines.append(f"{int(row['concept']):>7}  {name:<12} {k:>5} {sign:>8} {against_it:>8}")
    axes.text(0.0, 0.98, "\n".join(lines), va="top", fontsize=8, family="monospace", color=INK, linespacing=1.6)
