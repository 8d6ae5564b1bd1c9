"""(d) V-information of many concepts against ridge regressions with one penalty, and a regression a concept.

The errors need the reader fitted again without each group of images: the peers are fitted as often.
"""

import numpy as np
import torch
from sklearn.linear_model import Ridge, RidgeCV

from featcx_core.measures.v_information import v_information
from tests.benchmarks.pairs import Work, multiplied, pairs, timed
from tests.benchmarks.table import Row

IMAGES, UNITS, CONCEPTS, PENALTIES = 8_000, 512, 2_000, 20
FITS = 21
"""Of all images, and without each of 20 groups."""
HALF = 0.5
FITTED = 4
"""Concepts that are fitted one by one."""


def measure(device: str) -> list[Row]:
    """20 penalties cross-validated for every concept, with standard errors; half the images fit, half score."""
    chance = torch.Generator().manual_seed(0)
    x = torch.rand(IMAGES, UNITS, generator=chance) @ torch.randn(UNITS, UNITS, generator=chance) / UNITS**0.5
    x = x.relu()
    z = (x[:, :CONCEPTS] @ torch.randn(UNITS, CONCEPTS, generator=chance) / UNITS**0.5).relu()
    half = IMAGES // 2
    given = [t.to(device) for t in (x[:half], z[:half], x[half:], z[half:])]

    def ours() -> None:
        v_information(*given)

    rows = []
    for dtype in (np.float64, np.float32):
        fit_x, fit_z, score_x, _ = (t.numpy().astype(dtype) for t in (x[:half], z[:half], x[half:], z[half:]))

        def ridge(fit_x: np.ndarray = fit_x, fit_z: np.ndarray = fit_z, score_x: np.ndarray = score_x) -> None:
            for _ in range(FITS):
                Ridge(alpha=1.0).fit(fit_x, fit_z).predict(score_x)

        measured = pairs(ours, ridge, repeats=3)
        seconds, peer_seconds = measured.seconds
        name = np.dtype(dtype).name
        rows.append(
            Row(
                "d",
                f"V-information, {IMAGES:,} images × {UNITS:,} units × {CONCEPTS:,} concepts, {PENALTIES} penalties",
                f"{seconds:.2f} s",
                f"{peer_seconds:.2f} s ({FITS} fits of Ridge in {name}: one penalty)",
                f"{measured.ratio.inverse} times its time",
                "≤ 1.5" if dtype == np.float64 else "",
                measured.ratio.inverse.median <= 1.5 if dtype == np.float64 else None,
                _limit(ours, device) if dtype == np.float64 else "",
                "ours computes in float64" + ("" if dtype == np.float64 else ", Ridge in half the digits"),
            )
        )
    return [*rows, *_one_by_one(x, z, ours)]


def _limit(ours: Work, device: str) -> str:
    """The share of the rate of bare products, which take turns with ours: the machine's speed comes and goes."""
    half, u, c = IMAGES / 2, UNITS, CONCEPTS
    sums = 2 * half * (u * u + u * c)  # of both halves: X'X and X'Z
    products = sums + FITS * (3 * u * u * c + 2 * u**3)  # V'X'Z of both halves, and the weights through V'X'XV
    product, operations = multiplied(torch.float32 if device == "mps" else torch.float64, device)
    measured = pairs(ours, product, repeats=5)
    shares = (2 * products + FITS * 9 * u**3) / operations * np.array(measured.peer) / np.array(measured.ours)
    low, middle, high = np.quantile(shares, [0, 0.5, 1])
    rate = operations / np.median(measured.peer) / 1e9
    verdict = "reached" if middle >= HALF else "**missed**"
    return f"{middle:.0%} [{low:.0%}, {high:.0%}] of the {rate:.0f} GFLOP/s of products in float64 (≥ half: {verdict})"


def _one_by_one(x: torch.Tensor, z: torch.Tensor, ours: Work) -> list[Row]:
    half = IMAGES // 2
    fit_x, fit_z, score_x = x[:half].double().numpy(), z[:half].double().numpy(), x[half:].double().numpy()
    alphas = np.logspace(-6, 3, PENALTIES) * float((fit_x**2).sum()) / UNITS
    peers = {f"RidgeCV, {PENALTIES} penalties": RidgeCV(alphas), "Ridge, one penalty": Ridge(alpha=1.0)}
    seconds, rows = timed(ours), []
    for name, model in peers.items():

        def fit(model: Ridge | RidgeCV = model) -> None:
            for concept in range(FITTED):
                model.fit(fit_x, fit_z[:, concept]).predict(score_x)

        peer = timed(fit) * FITS * CONCEPTS / FITTED
        aimed = name.startswith("RidgeCV")
        rows.append(
            Row(
                "d",
                "the same against a fit per concept",
                f"{seconds:.2f} s",
                f"{peer:,.0f} s ({name}; extrapolated from one fit of {FITTED} concepts)",
                f"{peer / seconds:,.0f} times faster",
                "≥ 200" if aimed else "",
                peer / seconds >= 200 if aimed else None,
            )
        )
    return rows
