"""(o) Similarities of all pairs of many layers, each decomposed once, against NumPy pair by pair."""

import warnings
from collections import Counter
from typing import NamedTuple

import numpy as np
import torch

from featcx_core.measures.decomposed import Decomposed, decompose
from featcx_core.measures.layer_pair import pair_of
from featcx_core.measures.layer_similarities import similarities
from featcx_core.measures.similarity_measures import chosen, evaluate
from featcx_core.measures.similarity_nulls import permuted_null
from tests.benchmarks.pairs import Ratio, pairs, timed
from tests.benchmarks.table import Row

IMAGES, EPOCHS = 2_000, 6
WIDTHS = (64,) * 5 + (128,) * 4 + (256,) * 4 + (512,) * 4
"""Stem and 16 blocks of a residual network."""
MEASURES, PERMUTATIONS = ("cka", "svcca", "pwcca"), 5
AIM = 10.0
DEGREES_OF_FREEDOM = 64
"""Dimensions that all layers share."""


def measure(device: str) -> list[Row]:
    """All pairs of 17 layers at 6 epochs; and what a permutation costs beside a decomposition."""
    warnings.simplefilter("ignore", UserWarning)  # fewer than 5 images a unit
    acts: list[np.ndarray] = []
    layers: list[Decomposed] = []
    rounds = []
    for epoch in range(EPOCHS):
        new = network(epoch)
        rounds.append(_round(acts, new, layers, device))
        acts += new
    return [*(_row(rounds, shared=shared) for shared in (False, True)), _permutations(layers[-1], acts[-1], device)]


class Round(NamedTuple):
    """Pairs of an epoch's layers with each other and with all layers before, in seconds."""

    ours: float
    peer: float
    """A function a measure."""
    peer_shared: float
    """The measures of a pair share the decompositions of both sides."""
    n_pairs: int
    difference: float
    """Largest one between ours and the peer's values."""


def _round(acts: list[np.ndarray], new: list[np.ndarray], layers: list[Decomposed], device: str) -> Round:
    """The peer does one pair of each two widths; the numbers of such pairs are known."""
    values: list[np.ndarray] = []

    def ours() -> None:
        decomposed = [decompose(torch.from_numpy(layer).to(device)) for layer in new]
        if layers:
            similarities(decomposed, layers, measures=(*MEASURES, "pwcca_swapped"))
        values.append(similarities(decomposed, measures=MEASURES))
        layers.extend(decomposed)

    seconds = timed(ours)
    widths = Counter(tuple(sorted((a.shape[1], b.shape[1]))) for i, a in enumerate(new) for b in [*acts, *new[: i + 1]])
    peers, difference = [0.0, 0.0], 0.0
    for (narrow, wide), n in widths.items():
        i, j = len(WIDTHS) - 1 - WIDTHS[::-1].index(wide), WIDTHS.index(narrow)
        for shared in (False, True):
            one, result = _timed_pair(new[i], new[j], shared=shared)
            peers[shared] += n * one
            difference = max(difference, np.abs(result - [*values[0][:, i, j], values[0][2, j, i]]).max())
    return Round(seconds, *peers, sum(widths.values()), difference)


def _timed_pair(x: np.ndarray, y: np.ndarray, *, shared: bool) -> tuple[float, np.ndarray]:
    results: list[np.ndarray] = []
    seconds = timed(lambda: results.append(pairwise(x, y, shared=shared)))
    return seconds, results[0]


def network(epoch: int) -> list[np.ndarray]:
    """Rectified random mixtures of a decaying latent, and noise: full rank, as in a trained network."""
    chance = np.random.default_rng(epoch)
    latent = np.random.default_rng(99).normal(size=(IMAGES, DEGREES_OF_FREEDOM))
    latent *= np.geomspace(1, 0.05, DEGREES_OF_FREEDOM)
    mixed = (latent @ chance.normal(size=(DEGREES_OF_FREEDOM, width)) for width in WIDTHS)
    return [np.maximum(m + 0.3 * chance.normal(size=m.shape), 0).astype(np.float32) for m in mixed]


def _row(rounds: list[Round], *, shared: bool) -> Row:
    ours = sum(r.ours for r in rounds)
    peers = [r.peer_shared if shared else r.peer for r in rounds]
    spread = Ratio.of(np.array(peers) / [r.ours for r in rounds])
    ratio = sum(peers) / ours
    how = "both sides decomposed once a pair" if shared else "a function a measure"
    return Row(
        "o",
        f"CKA, SVCCA and PWCCA both ways of all {sum(r.n_pairs for r in rounds):,} pairs of {len(WIDTHS)} layers × "
        f"{EPOCHS} epochs, {IMAGES:,} images, 64 to 512 units",
        f"{ours:.0f} s",
        f"{sum(peers):,.0f} s (NumPy, pair by pair, {how}; extrapolated from a pair of each two widths an epoch)",
        f"{ratio:.1f} [{spread.low:.1f}, {spread.high:.1f}] times faster",
        "" if shared else f"≥ {AIM:.0f}",
        None if shared else ratio >= AIM,
        note=f"largest difference {max(r.difference for r in rounds):.0e}",
    )


def pairwise(x: np.ndarray, y: np.ndarray, *, shared: bool) -> np.ndarray:
    """CKA, SVCCA, PWCCA and PWCCA the other way, by the same formulas in float64."""
    x, y = (side.astype(np.float64) - side.mean(0, dtype=np.float64) for side in (x, y))
    n = len(x)

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        k, l = (a * a).sum(1), (b * b).sum(1)  # noqa: E741 - the papers' letters
        return np.square(a.T @ b).sum() + k.sum() * l.sum() / ((n - 1) * (n - 2)) - n / (n - 2) * (k @ l)

    def svd(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        u, s, vt = np.linalg.svd(a, full_matrices=False)
        kept = s > 2e-7 * s[0]
        return u[:, kept], s[kept], vt[kept]

    def svcca(x: tuple[np.ndarray, ...], y: tuple[np.ndarray, ...]) -> float:
        (u, w) = (side[0][:, : 1 + int((side[1].cumsum() < 0.99 * side[1].sum()).sum())] for side in (x, y))
        return np.minimum(np.linalg.svd(u.T @ w, compute_uv=False), 1).mean()

    def pwcca(x: tuple[np.ndarray, ...], y: tuple[np.ndarray, ...]) -> float:
        mixing, rho, _ = np.linalg.svd(x[0].T @ y[0], full_matrices=False)
        alpha = np.abs(mixing.T @ (x[1][:, None] * x[2])).sum(1)
        return alpha @ np.minimum(rho, 1) / alpha.sum()

    cka = hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y))
    if shared:
        a, b = svd(x), svd(y)
        return np.array([cka, svcca(a, b), pwcca(a, b), pwcca(b, a)])
    return np.array([cka, svcca(svd(x), svd(y)), pwcca(svd(x), svd(y)), pwcca(svd(y), svd(x))])


def _permutations(wide: Decomposed, acts: np.ndarray, device: str) -> Row:
    works, given = chosen(MEASURES), torch.from_numpy(acts).to(device)

    def ours() -> None:
        permuted_null(wide, wide, works, n_permutations=PERMUTATIONS, seed=0)

    def anew() -> None:
        for seed in range(PERMUTATIONS):
            order = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(seed)).to(device)
            evaluate(pair_of(given, given[order]), works)

    measured = pairs(ours, anew, repeats=3, warm=False)
    seconds, peer = measured.seconds
    return Row(
        "o",
        f"the same measures of {PERMUTATIONS} permutations of the images, 512 against 512 units",
        f"{seconds:.1f} s",
        f"{peer:.1f} s (both sides decomposed for each)",
        f"{measured.ratio} times faster",
    )
