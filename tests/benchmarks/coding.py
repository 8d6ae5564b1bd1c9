"""(c) NNLS against a loop of `scipy.optimize.nnls`, with l1 = l2 = 0, where both solve the same problem."""

import numpy as np
import torch
from scipy.optimize import nnls as scipy_nnls

from featcx_core.features.nnls import nnls
from tests.benchmarks.pairs import pairs
from tests.benchmarks.table import Row

SIZES = ((2_000, 100, 64, 2, 2_000), (500, 1_000, 512, 8, 20), (200, 4_000, 1_024, 8, 3))
"""Images, atoms, units, aim, images that the peer solves."""


def measure(device: str) -> list[Row]:
    """Three sizes; the peer's time is extrapolated from some of the images where it takes minutes."""
    return [_row(*size, device) for size in SIZES]


def planted(images: int, atoms: int, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Sparse non-negative atoms of unit norm, and images of a twentieth of them with noise, after a ReLU."""
    chance = np.random.default_rng(0)
    d = chance.gamma(0.5, 1.0, (atoms, units)) * (chance.random((atoms, units)) < 0.5)
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    codes = chance.gamma(1.0, 1.0, (images, atoms)) * (chance.random((images, atoms)) < 0.05)
    x = codes @ d
    x = np.maximum(x + 0.1 * x.std() * chance.standard_normal(x.shape), 0)
    return x.astype(np.float32), d.astype(np.float32)


def _row(images: int, atoms: int, units: int, aim: float, subset: int, device: str) -> Row:
    x, d = planted(images, atoms, units)
    x_there, d_there = torch.from_numpy(x).to(device), torch.from_numpy(d).to(device)
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        solved = nnls(x_there, d_there, l1=0.0, l2=0.0)
        found["ours"], found["kkt"] = solved.codes.cpu().numpy(), solved.kkt_residual.cpu().numpy()

    wide, tall = d.T.astype(np.float64), x[:subset].astype(np.float64)

    def theirs() -> None:
        found["peer"] = np.stack([scipy_nnls(wide, row)[0] for row in tall])

    measured = pairs(ours, theirs, repeats=3, warm=subset == images)
    factor = images / subset
    ratio = measured.ratio._replace(**{k: getattr(measured.ratio, k) * factor for k in ("median", "low", "high")})
    objectives = {who: _objective(tall, found[who][:subset], wide.T) for who in ("ours", "peer")}
    floor = 1e-12 * (tall**2).sum()  # exact codes leave rounding only
    equal = objectives["ours"] <= 1.001 * objectives["peer"] + floor
    seconds, peer_seconds = measured.seconds
    return Row(
        "c",
        f"NNLS, {images:,} images × {atoms:,} atoms × {units:,} units, l1 = l2 = 0",
        f"{seconds:.2f} s",
        f"{peer_seconds * factor:.1f} s (scipy.optimize.nnls, a loop"
        + (f"; extrapolated from {subset} images)" if factor > 1 else ")"),
        f"{ratio} times faster",
        f"≥ {aim:g}",
        bool(ratio.median >= aim and equal and found["kkt"].max() <= 1e-4),
        note=f"KKT residual {found['kkt'].max():.0e}; objective {objectives['ours']:.6g}, "
        f"peer {objectives['peer']:.6g}",
    )


def _objective(x: np.ndarray, z: np.ndarray, d: np.ndarray) -> float:
    return float(0.5 * ((x - z.astype(np.float64) @ d) ** 2).sum())
