"""Branches of residual blocks: what each scores for groups of concepts, with intervals."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int64

from featcx_core.findings.selection import of_kind
from featcx_core.measures.ends import Ends, ends, size_of
from featcx_core.measures.intervals import draw_groups, mean_bands, t_interval
from featcx_core.measures.over_images import redraw, redraw_information

JACKKNIVES = {"cka": "cka_jackknife", "v_information": "jackknife"}
"""Measure -> column with its values without each group of images."""


class BranchScores(NamedTuple):
    """One measure of every branch and concept at one epoch."""

    values: Float[np.ndarray, "concept branch"]
    """The measure; NaN for a dead concept."""
    left_out: Float[np.ndarray, "concept branch group"]
    """The measure without each group of images; no groups where the table does not hold it."""
    columns: pd.DataFrame
    """Block, branch and shortcut of every column, in forward order."""

    def over_images(
        self, members: Int64[np.ndarray, "member"], *, measure: str, n_bootstrap: int = 1000, seed: int = 0
    ) -> tuple[Float[np.ndarray, "starts branch"], Float[np.ndarray, "draw branch"]]:
        """Return the mean over members, clipped and not, and the same in each resample of the images.

        Members without a value in some resample are left out; NaN if none remains.
        """
        n_groups, measured = self.left_out.shape[2], ~np.isnan(self.values).all(axis=0)
        members = members[~np.isnan(self.left_out[members][:, measured]).any(axis=(1, 2))]
        if n_groups < 2 or not len(members):
            return tuple(np.full((n, self.values.shape[1]), np.nan) for n in (2, n_bootstrap))  # type: ignore[return-value]
        weights = draw_groups(n_groups, n_bootstrap=n_bootstrap, seed=seed)
        redraw_one = redraw_information if measure == "v_information" else redraw
        branches = zip(self.values[members].T, self.left_out[members].swapaxes(0, 1), strict=True)
        redrawn = [redraw_one(value, left_out, weights) for value, left_out in branches]
        starts = np.stack([self.values[members].mean(axis=0), [each.unclipped.mean() for each in redrawn]])
        return starts, np.stack([each.draws.mean(axis=1) for each in redrawn], axis=1)


class BranchCurves(NamedTuple):
    """Means of groups of concepts in every branch, at the epochs with enough concepts."""

    curves: pd.DataFrame
    """One row per (epoch, part, measure, group, block, branch), blocks in forward order: `shortcut`, `mean`, the
    interval over concepts `low`, `high`, and over images `low_images`, `high_images`.

    part: size of the groups in words. group: `simplest`, `most complex` or `random directions`.
    """
    epochs: pd.DataFrame
    """One row per epoch: `permuted`, the mean CKA of permuted codes; `n_directions`, random directions with a CKA."""


def complete_members(
    values: Float[np.ndarray, "concept column"], members: Int64[np.ndarray, "member"]
) -> Int64[np.ndarray, "complete"]:
    """Return the members that have a value in every column in which any concept has one."""
    measured = ~np.isnan(values).all(axis=0)
    complete: np.ndarray = members[~np.isnan(values[members][:, measured]).any(axis=1)]
    return complete


def branch_scores(
    branches: pd.DataFrame, layers: pd.DataFrame, *, epoch: int, measure: str, kind: str = "concept"
) -> BranchScores:
    """Return one measure of every concept, or direction of a control, one column per branch, in forward order."""
    depth = layers.set_index("layer")["depth"]
    rows = of_kind(branches[branches["epoch"] == epoch], kind)
    columns = rows[["block", "branch", "shortcut"]].drop_duplicates()
    columns = columns.assign(depth=columns["block"].map(depth)).sort_values("depth", kind="stable")
    order = list(zip(columns["block"], columns["branch"], strict=True))
    wide = rows.pivot(index="concept", columns=["block", "branch"], values=measure)[order]
    left_out = _left_out(rows, order, JACKKNIVES[measure])
    return BranchScores(wide.to_numpy(dtype=float), left_out, columns.reset_index(drop=True))


def _left_out(
    rows: pd.DataFrame, order: list[tuple[str, str]], column: str
) -> Float[np.ndarray, "concept branch group"]:
    """Return a column of lists as an array; NaN where a concept has none."""
    n_groups = max((len(values) for values in rows.get(column, []) if values is not None), default=0)
    if not n_groups:
        return np.full((rows["concept"].nunique(), len(order), 0), np.nan)
    cells = rows.pivot(index="concept", columns=["block", "branch"], values=column)[order].to_numpy()
    unknown = np.full(n_groups, np.nan)
    return np.array([[unknown if cell is None else cell for cell in row] for row in cells], dtype=float)


def ends_at(complexity: pd.DataFrame, *, epoch: int, end_shares: Sequence[float], kind: str = "concept") -> list[Ends]:
    """Return the simplest and the most complex concepts of an epoch, or directions of a control, by their numbers."""
    rows = of_kind(complexity[complexity["epoch"] == epoch], kind).sort_values("concept")
    return ends(rows["complexity"].to_numpy(dtype=float), shares=end_shares)


def branch_curves(
    branches: pd.DataFrame,
    complexity: pd.DataFrame,
    layers: pd.DataFrame,
    *,
    epochs: Sequence[int],
    end_shares: Sequence[float] = (0.01, 0.1),
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> BranchCurves:
    """Return CKA and I_V of every branch: means of the simplest, the most complex concepts and random directions.

    Epochs without rows, or with fewer than 20 concepts that have a complexity, are left out.
    """
    curves, of_epochs = [pd.DataFrame(columns=["epoch"])], []
    for epoch in epochs:
        rows = branches[branches["epoch"] == epoch]
        parts = ends_at(complexity, epoch=epoch, end_shares=end_shares) if len(rows) else []
        if not parts:
            continue
        directions = of_kind(rows, "random_direction").dropna(subset=["cka"])
        permuted = float(rows["cka_shuffled"].astype(float).mean())
        of_epochs.append({"epoch": epoch, "permuted": permuted, "n_directions": directions["concept"].nunique()})
        n_living = int(of_kind(complexity[complexity["epoch"] == epoch], "concept")["complexity"].count())
        for measure in JACKKNIVES:
            concepts, control = (
                branch_scores(rows, layers, epoch=epoch, measure=measure, kind=kind)
                for kind in ("concept", "random_direction")
            )
            for part in parts:
                words = part_in_words(part, n_living=n_living)
                for group, scores, members in _groups(concepts, control, part):
                    curve = _curve(scores, members, measure, n_bootstrap=n_bootstrap, seed=seed)
                    curves.append(curve.assign(epoch=epoch, part=words, measure=measure, group=group))
    whole = pd.concat(curves[1:] or curves, ignore_index=True)
    return BranchCurves(whole, pd.DataFrame(of_epochs, columns=["epoch", "permuted", "n_directions"]))


def _groups(
    concepts: BranchScores, control: BranchScores, part: Ends
) -> Iterator[tuple[str, BranchScores, Int64[np.ndarray, "member"]]]:
    """Yield each group's name, its scores and its complete members; groups without any are left out."""
    for group, scores, members in (
        ("simplest", concepts, part.simplest),
        ("most complex", concepts, part.most_complex),
        ("random directions", control, np.arange(len(control.values))),
    ):
        complete = complete_members(scores.values, members)
        if len(complete):
            yield group, scores, complete


def _curve(
    scores: BranchScores, members: Int64[np.ndarray, "member"], measure: str, *, n_bootstrap: int, seed: int
) -> pd.DataFrame:
    """Return the mean of the members in every branch, with intervals over them and over images."""
    band = mean_bands(scores.values[members])
    starts, drawn = scores.over_images(members, measure=measure, n_bootstrap=n_bootstrap, seed=seed)
    low, high = t_interval(starts, drawn, groups=scores.left_out.shape[2], within=(-1.0, 1.0))
    return scores.columns[["block", "branch", "shortcut"]].assign(**band._asdict(), low_images=low, high_images=high)


def part_in_words(part: Ends, *, n_living: int) -> str:
    """Return the size of the groups at either end, and their share where they hold no more than it.

    >>> part = Ends(0.1, np.arange(10), np.arange(10))
    >>> part_in_words(part, n_living=100), part_in_words(part, n_living=50)
    ('10 (10 %)', '10 of 50')
    """
    n = len(part.simplest)
    return f"{n} ({100 * part.share:g} %)" if n <= size_of(part.share, n_living) else f"{n} of {n_living}"
