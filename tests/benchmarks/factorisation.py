"""(b) NMF against scikit-learn's coordinate descent and overcomplete's HALS, at an equal or lower objective."""

import warnings
from collections.abc import Callable

import matplotlib.cm
import numpy as np
import torch
from sklearn.decomposition import NMF as ScikitLearn
from sklearn.exceptions import ConvergenceWarning

from featcx_core.features.nmf import nmf
from tests.benchmarks.pairs import pairs
from tests.benchmarks.table import Row

# overcomplete 0.3 asks on import for a function that matplotlib 3.9 removed.
vars(matplotlib.cm).setdefault("get_cmap", matplotlib.colormaps.get_cmap)
from overcomplete.optimization import NMF as Overcomplete  # noqa: E402

ATOMS = 10
Fit = Callable[[list[np.ndarray]], list[float]]
"""Fits every class; gives each class's ||A - Z D|| / ||A||."""


def measure(device: str) -> list[Row]:
    """One class, ten classes at once, and a large one."""
    rows = []
    for n_classes, samples, units, aim in ((1, 4_000, 512, 8), (10, 4_000, 512, 8), (1, 20_000, 2_048, 4)):
        acts = [planted(samples, units, seed=seed) for seed in range(n_classes)]
        for name, peer in (("scikit-learn cd", scikit_learn), ("overcomplete HALS", overcomplete)):
            rows.append(_row(acts, name, peer, aim=aim, device=device))
    return rows


def planted(samples: int, units: int, *, seed: int, atoms: int = 15) -> np.ndarray:
    """Sparse non-negative activations: more planted atoms than are fitted, and noise, as in a trained network."""
    chance = np.random.default_rng(seed)
    codes = chance.gamma(0.5, 1.0, (samples, atoms)) * (chance.random((samples, atoms)) < 0.4)
    found = codes @ (chance.gamma(0.5, 1.0, (atoms, units))) + 0.3 * chance.standard_normal((samples, units))
    return np.maximum(found, 0).astype(np.float32)


def scikit_learn(acts: list[np.ndarray]) -> list[float]:
    """Its defaults, tolerance 1e-4."""
    errors = []
    for a in acts:
        model = ScikitLearn(ATOMS, solver="cd", init="nndsvda", tol=1e-4, max_iter=500, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(a)
        errors.append(float(model.reconstruction_err_ / np.linalg.norm(a)))
    return errors


def overcomplete(acts: list[np.ndarray]) -> list[float]:
    """Its defaults, tolerance 1e-4."""
    errors = []
    for a in acts:
        torch.manual_seed(0)
        given = torch.from_numpy(a)
        codes, atoms = Overcomplete(ATOMS, solver="hals", tol=1e-4).fit(given)
        errors.append(float(torch.linalg.norm(given - codes @ atoms) / torch.linalg.norm(given)))
    return errors


def _row(acts: list[np.ndarray], name: str, peer: Fit, *, aim: float, device: str) -> Row:
    errors: dict[str, list[float]] = {}
    given = [torch.from_numpy(a).to(device) for a in acts]

    def ours() -> None:
        errors["ours"] = nmf(given, n_atoms=ATOMS).relative_error.tolist()

    def theirs() -> None:
        errors["peer"] = peer(acts)

    is_far = peer is overcomplete  # so far behind that fewer pairs tell
    slow = sum(a.nbytes for a in acts) > 50e6
    repeats = (2 if is_far else 3) if slow else (4 if is_far else 7)
    measured = pairs(ours, theirs, repeats=repeats, warm=not slow)
    seconds, peer_seconds = measured.seconds
    excess = max(o / p for o, p in zip(errors["ours"], errors["peer"], strict=True))
    objective, peer_objective = (sum(_squares(acts, errors[who])) for who in ("ours", "peer"))
    shape = f"{acts[0].shape[0]:,} × {acts[0].shape[1]:,}, {ATOMS} atoms"
    return Row(
        "b",
        f"NMF, {shape}" + (f", {len(acts)} classes at once" if len(acts) > 1 else ""),
        f"{seconds:.2f} s",
        f"{peer_seconds:.2f} s ({name})",
        f"{measured.ratio} times faster",
        f"≥ {aim}",
        measured.ratio.median >= aim and objective <= peer_objective,
        note=f"objective {objective / peer_objective:.4f} of the peer's; "
        f"error {np.mean(errors['ours']):.4f}, peer {np.mean(errors['peer']):.4f}"
        + (f"; worst class {excess:.3f} of the peer's" if excess > 1 else ""),
    )


def _squares(acts: list[np.ndarray], errors: list[float]) -> list[float]:
    """||A - Z D||² of each class."""
    return [float(error * np.linalg.norm(a)) ** 2 for a, error in zip(acts, errors, strict=True)]
