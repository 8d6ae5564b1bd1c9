"""Where: which branch of every residual block carries the simple concepts, and which the complex ones."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int64
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featcx_core.figures.canvas import (
    BLUE,
    INK,
    MUTED,
    VERMILION,
    canvas,
    dress,
    footnote,
    legend_beside,
    nothing_to_show,
)
from featcx_core.findings.evidence import (
    STATUS_OF_VERDICT,
    Estimate,
    Status,
    difference,
    epoch_name,
    judge,
    number,
    of_kind,
)
from featcx_core.measures.ends import Ends, ends, size_of
from featcx_core.measures.intervals import bootstrap_means, draw_groups, interval
from featcx_core.measures.over_images import redraw, redraw_information

QUESTION = "Which branch carries simple and complex concepts?"
STYLES = {"residual": "-o", "main": "--s", "attention": "--s", "mlp": ":^"}
COLOURS = {"simplest": BLUE, "most complex": VERMILION}
_MEASURES = {
    "cka": "mean CKA with the code\n(0 = unrelated, 1 = the same)",
    "v_information": "mean I_V\n(0 = not readable, 1 = fully)",
}


_JACKKNIFE = {"cka": "cka_jackknife", "v_information": "jackknife"}
"""Measure -> column with the same without each group of images."""


class Scores(NamedTuple):
    """One measure of every branch and concept at one epoch."""

    values: Float[np.ndarray, "concept branch"]
    """The measure; NaN for a dead concept."""
    left_out: Float[np.ndarray, "concept branch group"]
    """The same without each group of images; of no group where the table does not hold it."""
    columns: pd.DataFrame
    """Block, branch and shortcut of every column, in forward order."""

    def over_images(
        self, members: Int64[np.ndarray, "member"], *, measure: str, n_bootstrap: int = 1000, seed: int = 0
    ) -> Float[np.ndarray, "draw branch"]:
        """Mean over some concepts, of those that are known in all resamples of the images, in each; NaN if none is."""
        groups, measured = self.left_out.shape[2], ~np.isnan(self.values).all(axis=0)
        members = members[~np.isnan(self.left_out[members][:, measured]).any(axis=(1, 2))]
        if groups < 2 or not len(members):
            return np.full((n_bootstrap, self.values.shape[1]), np.nan)
        weights = draw_groups(groups, n_bootstrap=n_bootstrap, seed=seed)
        drawn = redraw_information if measure == "v_information" else redraw
        branches = zip(self.values[members].T, self.left_out[members].swapaxes(0, 1), strict=True)
        return np.stack([drawn(value, left_out, weights).mean(axis=1) for value, left_out in branches], axis=1)


def branches_by_block(
    branches: pd.DataFrame,
    complexity: pd.DataFrame,
    layers: pd.DataFrame,
    *,
    epochs: Sequence[int],
    end_shares: Sequence[float] = (0.01, 0.1),
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Figure:
    """CKA and I_V of every branch by block, of the simplest and the most complex concepts, with bootstrap bands.

    Grey: the mean of the random directions. One column an epoch, of those that were measured. One pair of rows a share.
    """
    measured = [epoch for epoch in epochs if (branches["epoch"] == epoch).any()]
    groups = {epoch: groups_of(complexity, epoch=epoch, end_shares=end_shares) for epoch in measured}
    shown = [epoch for epoch in measured if groups[epoch]]
    if not shown:
        return nothing_to_show(QUESTION, "no residual block was measured, or fewer than 20 concepts have a complexity")
    n_shares = max(map(len, groups.values()))
    figure, legend, panels = _panels(n_shares, len(shown))
    for column, epoch in enumerate(shown):
        n_living = int(of_kind(complexity[complexity["epoch"] == epoch], "concept")["complexity"].count())
        for row, group in enumerate(groups[epoch]):
            for axes, measure in zip(panels[2 * row :, column], _MEASURES, strict=False):
                scores = scores_of(branches, layers, epoch=epoch, measure=measure)
                _curves(axes, scores, group, measure, n_bootstrap=n_bootstrap, seed=seed)
                control = scores_of(branches, layers, epoch=epoch, measure=measure, kind="random_direction")
                _control(axes, control, measure, n_bootstrap=n_bootstrap, seed=seed)
                if measure == "cka":
                    _shuffled(axes, branches[branches["epoch"] == epoch])
                _dress(axes, measure, _part(group, n_living=n_living), epoch, is_first=column == 0)
        _name_blocks(panels[-1, column], scores.columns)
    legend_beside(legend, panels[0, 0], columns=3)
    n_alive = ", ".join(f"{_n_alive(branches, epoch)} at epoch {epoch}" for epoch in shown)
    footnote(
        figure,
        "Residual: what the shortcut brings to a block's sum; the other branch: what is added to it. Every epoch has "
        "its own concepts. 95 % bootstrap: bands over concepts, upright lines over images. Grey: random directions, "
        f"mean of the living ({n_alive}), likewise. Dotted: the concepts' codes permuted over images, mean over "
        "blocks and branches.",
    )
    return figure


def _panels(n_shares: int, n_columns: int) -> tuple[Figure, Axes, "np.ndarray[Any, np.dtype[np.object_]]"]:
    """An empty figure, the place of its legend above the panels, and these."""
    figure = canvas(QUESTION, height=2.2 + 5.4 * n_shares)
    grid = figure.add_gridspec(2, 1, height_ratios=[0.6, 5.4 * n_shares])
    legend = figure.add_subplot(grid[0])
    panels = grid[1].subgridspec(2 * n_shares, n_columns).subplots(squeeze=False, sharex="col", sharey="row")
    return figure, legend, panels


def _n_alive(branches: pd.DataFrame, epoch: int) -> int:
    """Random directions with a score."""
    control = of_kind(branches[branches["epoch"] == epoch], "random_direction")
    return control.dropna(subset=["cka"])["concept"].nunique()


def groups_of(
    complexity: pd.DataFrame, *, epoch: int, end_shares: Sequence[float], kind: str = "concept"
) -> list[Ends]:
    """The simplest and the most complex concepts of an epoch, or directions of a control, by their numbers."""
    own = of_kind(complexity[complexity["epoch"] == epoch], kind).sort_values("concept")
    return ends(own["complexity"].to_numpy(dtype=float), shares=end_shares)


def scores_of(
    branches: pd.DataFrame, layers: pd.DataFrame, *, epoch: int, measure: str, kind: str = "concept"
) -> Scores:
    """One measure of every concept, or direction of a control, a column a branch, blocks in forward order."""
    depth = layers.set_index("layer")["depth"]
    own = of_kind(branches[branches["epoch"] == epoch], kind)
    columns = own[["block", "branch", "shortcut"]].drop_duplicates()
    columns = columns.assign(depth=columns["block"].map(depth)).sort_values("depth", kind="stable")
    order = list(zip(columns["block"], columns["branch"], strict=True))
    wide = own.pivot(index="concept", columns=["block", "branch"], values=measure)[order]
    return Scores(wide.to_numpy(dtype=float), _left_out(own, order, measure), columns.reset_index(drop=True))


def _left_out(
    own: pd.DataFrame, order: list[tuple[str, str]], measure: str
) -> Float[np.ndarray, "concept branch group"]:
    column = _JACKKNIFE[measure]
    n_groups = max((len(each) for each in own.get(column, []) if each is not None), default=0)
    if not n_groups:
        return np.full((own["concept"].nunique(), len(order), 0), np.nan)
    cells = own.pivot(index="concept", columns=["block", "branch"], values=column)[order].to_numpy()
    unknown = np.full(n_groups, np.nan)
    return np.array([[unknown if each is None else each for each in row] for row in cells], dtype=float)


class Nearness(NamedTuple):
    """Score in the residual minus mean score in the other branches, mean over blocks; positive = nearer to it."""

    simplest: Estimate
    """Of the simplest concepts."""
    most_complex: Estimate
    """Of the most complex ones."""
    contrast: Estimate
    """The simplest less the most complex."""

    @property
    def over_concepts(self) -> "Nearness":
        """The same without intervals over images."""
        ends = (self.simplest.over_concepts, self.most_complex.over_concepts)
        return Nearness(*ends, self.contrast.over_concepts)

    def __str__(self) -> str:
        return f"{_precise(self.simplest)} for the simplest, {_precise(self.most_complex)} for the most complex"


def nearness_to_residual(
    branches: pd.DataFrame,
    complexity: pd.DataFrame,
    layers: pd.DataFrame,
    *,
    epoch: int,
    measure: str = "cka",
    kind: str = "concept",
) -> Nearness | None:
    """Of the smallest groups of at least 10 concepts (1 % at the most); None where nothing was measured."""
    groups = groups_of(complexity, epoch=epoch, end_shares=(0.01,), kind=kind)
    if not groups or not (of_kind(branches, kind)["epoch"] == epoch).any():
        return None
    scores = scores_of(branches, layers, epoch=epoch, measure=measure, kind=kind)
    nearer = _nearer(scores.values, scores.columns)
    estimates, draws = [], []
    for group in (groups[0].simplest, groups[0].most_complex):
        members = _known(nearer, group)
        measured = ~np.isnan(nearer[members]).any(axis=0)
        if not len(members) or not measured.any():
            return None
        mean, low, high = bootstrap_means(nearer[members][:, measured].mean(axis=1)[:, None])
        drawn = _nearer(scores.over_images(members, measure=measure), scores.columns)[:, measured].mean(axis=1)
        draws.append(drawn)
        estimates.append(Estimate(float(mean[0]), float(low[0]), float(high[0]), len(members), *interval(drawn)))
    low_images, high_images = interval(draws[0] - draws[1])  # of the same images
    simplest, most_complex = estimates
    contrast = difference(most_complex.over_concepts, simplest.over_concepts)
    return Nearness(simplest, most_complex, contrast._replace(low_images=low_images, high_images=high_images))


def _nearer(values: Float[np.ndarray, "row branch"], columns: pd.DataFrame) -> Float[np.ndarray, "row block"]:
    """Score in the residual minus mean score in the other branches, by block."""
    is_residual, blocks = (columns["branch"] == "residual").to_numpy(), columns["block"].to_numpy()
    by_block = [
        values[:, is_residual & (blocks == block)].mean(1) - values[:, ~is_residual & (blocks == block)].mean(1)
        for block in dict.fromkeys(blocks)
    ]
    return np.stack(by_block, axis=1)


def weigh_nearness(found: Nearness) -> tuple[Status, str]:
    """What it says about the claim: simple concepts nearer to the residual, complex ones to what is added to it."""
    simple = judge(found.simplest, expected="positive")
    built = judge(found.most_complex, expected="negative")
    apart = judge(found.contrast, expected="positive")
    if simple == built == "holds here":
        return "seen", "holds here"
    if apart == "holds here":
        return (
            "partly",
            f"simple concepts are nearer to the residual than complex ones, by {_precise(found.contrast)}, but not "
            "both are as the claim says",
        )
    return STATUS_OF_VERDICT[apart], f"{apart} (simplest against most complex: {_precise(found.contrast)})"


def _precise(estimate: Estimate) -> str:
    value, low, high = (number(part, digits=3) for part in estimate[:3])
    images = [number(end, digits=3) for end in (estimate.low_images, estimate.high_images) if math.isfinite(end)]
    return f"{value} [{low}, {high}]" + (f" {{{', '.join(images)}}}" if images else "")


def _known(
    values: Float[np.ndarray, "concept column"], members: Int64[np.ndarray, "member"]
) -> Int64[np.ndarray, "known"]:
    """The members without those that lack a value where others have one; a constant branch has none."""
    measured = ~np.isnan(values).all(axis=0)
    known: np.ndarray = members[~np.isnan(values[members][:, measured]).any(axis=1)]
    return known


def _curves(axes: Axes, scores: Scores, group: Ends, measure: str, *, n_bootstrap: int, seed: int) -> None:
    for name, members in (("simplest", group.simplest), ("most complex", group.most_complex)):
        look = {"color": COLOURS[name], "markersize": 5, "linewidth": 1.5}
        _curve(axes, scores, members, measure, name, look, n_bootstrap=n_bootstrap, seed=seed)


def _control(axes: Axes, scores: Scores, measure: str, *, n_bootstrap: int, seed: int) -> None:
    """The mean of the random directions in every branch."""
    look, everyone = {"color": MUTED, "markersize": 3, "linewidth": 1.2}, np.arange(len(scores.values))
    _curve(axes, scores, everyone, measure, "random directions", look, n_bootstrap=n_bootstrap, seed=seed)


def _curve(
    axes: Axes,
    scores: Scores,
    members: Int64[np.ndarray, "member"],
    measure: str,
    name: str,
    look: dict[str, Any],
    *,
    n_bootstrap: int,
    seed: int,
) -> None:
    """Mean of the members in every branch, with a band over these and upright lines over images."""
    known, blocks = _known(scores.values, members), list(dict.fromkeys(scores.columns["block"]))
    if not len(known):
        return
    band = bootstrap_means(scores.values[known], n_bootstrap=n_bootstrap, seed=seed)
    drawn = scores.over_images(known, measure=measure, n_bootstrap=n_bootstrap, seed=seed)
    images = np.array([interval(each) for each in drawn.T])
    for branch in dict.fromkeys(scores.columns["branch"]):
        chosen = (scores.columns["branch"] == branch).to_numpy()
        places = [blocks.index(block) for block in scores.columns.loc[chosen, "block"]]
        axes.plot(places, band.mean[chosen], STYLES.get(str(branch), "-.D"), label=f"{branch}, {name}", **look)
        axes.fill_between(places, band.low[chosen], band.high[chosen], color=look["color"], alpha=0.13, linewidth=0)
        axes.vlines(places, *images[chosen].T, color=look["color"], linewidth=2.2, alpha=0.7)


def _shuffled(axes: Axes, own: pd.DataFrame) -> None:
    mean = float(own["cka_shuffled"].astype(float).mean())
    axes.axhline(mean, color=INK, linestyle=":", linewidth=1.4, label="permuted codes (should be 0)")


def _part(group: Ends, *, n_living: int) -> str:
    """How many concepts a group has, and their share where it holds no more than it."""
    n = len(group.simplest)
    return f"{n} ({100 * group.share:g} %)" if n <= size_of(group.share, n_living) else f"{n} of {n_living}"


def _dress(axes: Axes, measure: str, part: str, epoch: int, *, is_first: bool) -> None:
    name = epoch_name(epoch)
    title = f"{name}: the {part} at either end" if measure == "cka" else ""
    dress(axes, x="", y=_MEASURES[measure] if is_first else "", title=title)


def _name_blocks(axes: Axes, columns: pd.DataFrame) -> None:
    """Under the lowest panel: the blocks from input to output, projections marked."""
    blocks = columns.drop_duplicates("block")
    marks = {"projection": " (projection)"}
    labels = [f"{row.block}{marks.get(str(row.shortcut), '')}" for row in blocks.itertuples()]
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_xlabel("block, from input to output", fontsize=10, color=INK)
