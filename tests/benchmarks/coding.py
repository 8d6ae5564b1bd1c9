"""(c) NNLS against a loop of `scipy.optimize.nnls`, with l1 = l2 = 0, where both solve the same problem.

At the paper's size working sets against splitting steps, our own way to the same minimum where many codes are active.
"""

import numpy as np
import torch
from scipy.optimize import nnls as scipy_nnls

from featcx_core.features.nnls import Codes, Encoder, nnls
from tests.benchmarks.pairs import pairs
from tests.benchmarks.table import Row

SIZES = ((2_000, 100, 64, 2, 2_000), (500, 1_000, 512, 8, 20), (200, 4_000, 1_024, 8, 3))
"""Images, atoms, units, aim, images that the peer solves."""

SPARSE = ((64, 4_000, 1_024, 2), (64, 10_000, 2_048, 6))
"""Images, atoms, units, aim, of working sets against splitting steps."""


def measure(device: str) -> list[Row]:
    """Three sizes; the peer's time is extrapolated from some of the images where it takes minutes."""
    return [*[_row(*size, device) for size in SIZES], *[_sparse_row(*size, device) for size in SPARSE]]


def of_classes(images: int, atoms: int, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten atoms a class around its own profile, and images of 40 atoms and those of one class, noise, after a ReLU."""
    chance, n_classes = np.random.default_rng(0), atoms // 10
    profiles, class_of = chance.gamma(0.3, 1.0, (n_classes, units)) ** 0.5, np.arange(atoms) % n_classes
    d = profiles[class_of] * chance.gamma(0.3, 1.0, (atoms, units))
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    codes = np.zeros((images, atoms))
    for row in codes:
        row[chance.choice(atoms, 40, replace=False)] = chance.gamma(0.5, 1.0, 40)
        row[class_of == chance.integers(n_classes)] += chance.gamma(1.0, 2.0, 10)
    x = codes @ d
    x = np.maximum(x + 0.1 * x.std() * chance.standard_normal(x.shape), 0)
    return x.astype(np.float32), d.astype(np.float32)


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


def _sparse_row(images: int, atoms: int, units: int, aim: float, device: str) -> Row:
    x, d = (torch.from_numpy(part).to(device) for part in of_classes(images, atoms, units))
    encode = Encoder(d)
    found: dict[str, Codes] = {}

    def by(start: str) -> None:
        encode.solver.is_large = start == "working sets"
        found[start] = encode(x)

    measured = pairs(lambda: by("working sets"), lambda: by("splitting"), repeats=3)
    ours, peer = found["working sets"], found["splitting"]
    norms = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    difference = float(((ours.codes - peer.codes).abs() / norms).max())
    seconds, peer_seconds = measured.seconds
    return Row(
        "c",
        f"NNLS, {images:,} images × {atoms:,} atoms × {units:,} units, ten atoms a class, usual penalties",
        f"{seconds / images * 1e3:.1f} ms an image",
        f"{peer_seconds / images * 1e3:.1f} ms an image (ours, from splitting steps)",
        f"{measured.ratio} times faster",
        f"≥ {aim:g}",
        bool(measured.ratio.median >= aim and difference <= 1e-6 and ours.kkt_residual.max() <= 1e-6),
        note=f"{float(ours.n_active.double().mean()):.0f} codes active; KKT residual {ours.kkt_residual.max():.0e}, "
        f"peer {peer.kkt_residual.max():.0e}; largest difference of a code {difference:.0e} of the image's norm; "
        "what all images share is made before",
    )


def _objective(x: np.ndarray, z: np.ndarray, d: np.ndarray) -> float:
    return float(0.5 * ((x - z.astype(np.float64) @ d) ** 2).sum())
