"""Dictionary of concepts: fitting class by class, and encoding images."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.baselines import kmeans, pca, sae
from featcx_core.features.factorisation import Factorisation
from featcx_core.features.nmf import nmf
from featcx_core.features.nnls import nnls
from featcx_core.features.samples import checked, grouped
from featcx_core.features.semi_nmf import semi_nmf

METHODS = ("nmf", "semi_nmf", "kmeans", "pca", "sae")
"""Methods that fit atoms; only `nmf` needs activations >= 0."""


class Dictionary(NamedTuple):
    """Atoms of all classes, and how they were fitted."""

    atoms: Float[Array, "concept unit"]
    """D, each atom of unit L2 norm; a dead one is all zeros."""
    class_of: Int[Array, " concept"]
    """Class whose images the atom was fitted on; -1 where one dictionary serves all images."""
    method: str
    """`nmf`, `semi_nmf`, `kmeans`, `pca` or `sae`."""
    relative_error: Float[Array, " class"]
    """||A - Z D||_F / ||A||_F on each class's samples, in the order of `class_of`."""
    n_iterations: Int[Array, " class"]
    """Iterations until each class's fit stopped; 0 for `pca`."""
    dead: Bool[Array, " concept"]
    """True for an atom that no sample of its class uses; it is left at zero. (Alive: `quality.is_alive`, of codes.)"""


def fit_dictionary(
    acts: Float[Array, "sample unit"],
    *,
    n_concepts: int,
    labels: Int[Array, " sample"] | None = None,
    method: str = "auto",
    seed: int = 0,
    tolerance: float = 1e-4,
    max_iterations: int = 500,
) -> Dictionary:
    """Fit `n_concepts` atoms per class (without labels: in all), min ||A - Z D||_F with codes Z >= 0.

    Args:
        acts: Activations of the training images; every spatial position is one sample.
        n_concepts: Atoms per class; the classes' atoms are concatenated in the order of the labels.
        labels: Each sample's class.
        method: `nmf` (atoms >= 0), `semi_nmf` (atoms of either sign), or `auto`: `semi_nmf` where any activation is
            below zero, else `nmf`. Baselines: `kmeans`, `pca`, `sae`.
        seed: Decides the starts.
        tolerance: Relative decrease of a class's objective at which `nmf` and `semi_nmf` stop.
        max_iterations: Upper bound of their iterations.

    Raises:
        ValueError: If activations are not finite, or negative for `nmf`, a class has fewer samples than atoms, there
            are more atoms than units, labels and samples differ in number, or the method is unknown.

    Source: Fel et al. 2024, §2; CRAFT (Fel et al. 2023), §3.

    >>> import numpy as np
    >>> acts, labels = np.array([[3.0, 4.0], [6.0, 8.0], [0.0, 2.0], [0.0, 5.0]]), np.array([7, 7, 2, 2])
    >>> dictionary = fit_dictionary(acts, n_concepts=1, labels=labels)
    >>> dictionary.atoms.round(3).tolist(), dictionary.class_of.tolist()
    ([[0.0, 1.0], [0.6, 0.8]], [2, 7])
    """
    (samples, *given), restore = as_tensors(*([acts] if labels is None else [acts, labels]))
    if given and len(given[0]) != len(samples):
        raise ValueError(f"wanted one label per sample ({len(samples)}), got {len(given[0])}")
    if method == "auto":
        method = "semi_nmf" if bool((samples < 0).any()) else "nmf"

    classes = sorted(set(given[0].tolist())) if given else [-1]
    return fit_class_dictionaries(
        (restore(samples[given[0] == label] if given else samples) for label in classes),
        classes=classes,
        n_atoms=n_concepts,
        method=method,
        seed=seed,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )


def fit_class_dictionaries(
    acts_by_class: Iterable[Float[Array, "_ unit"]],
    *,
    classes: Sequence[int],
    n_atoms: int,
    method: str = "nmf",
    seed: int = 0,
    tolerance: float = 1e-4,
    max_iterations: int = 500,
) -> Dictionary:
    """Fit the dictionary from one array of samples per class; each is read once, in order.

    At most 1 GB of activations, or one class, is held at a time. Which classes are held together does not change their
    atoms. `classes` names the classes (-1: all images). The other arguments, errors and source are those of
    `fit_dictionary`, except that the method cannot be `auto`: it must be fixed before the first class.
    """
    if method not in METHODS:
        raise ValueError(f"wanted a method out of {', '.join(METHODS)}, got {method!r}")
    parts = []
    for acts in grouped(checked(acts_by_class, classes=classes, n_atoms=n_atoms, method=method)):
        match method:
            case "nmf":
                part = nmf(acts, n_atoms=n_atoms, seed=seed, tolerance=tolerance, max_iterations=max_iterations)
            case "semi_nmf":
                part = semi_nmf(acts, n_atoms=n_atoms, seed=seed, tolerance=tolerance, max_iterations=max_iterations)
            case _:
                part = _BASELINES[method](acts, n_atoms=n_atoms, seed=seed)
        parts.append(part)
    return _concatenated(parts, classes=classes, n_atoms=n_atoms, method=method)


_BASELINES = {"kmeans": kmeans, "pca": pca, "sae": sae}


def encode(
    acts: Float[Array, "image unit"],
    atoms: Float[Array, "concept unit"],
    *,
    l1: float = 1e-3,
    l2: float = 1e-6,
) -> Float[Array, "image concept"]:
    """Encode images by all atoms jointly: argmin_{z >= 0} ½||x - z D||² + l1·||x||·Σ z_i + ½·l2·||z||².

    The codes are those of `featcx_core.features.nnls.nnls`, which also returns each image's optimality; arguments,
    errors and source as there. l1 = l2 = 0 is the paper's objective; with more atoms than units its minimum is not
    unique.

    >>> import numpy as np
    >>> encode(np.array([[3.0, -4.0]]), np.eye(2), l1=0.1, l2=0.0).round(6).tolist()   # 3 - 0.1·5
    [[2.5, 0.0]]
    """
    codes: Array = nnls(acts, atoms, l1=l1, l2=l2).codes
    return codes


def random_atoms(
    n_atoms: int, n_units: int, *, seed: int, is_signed: bool = False
) -> Float[np.ndarray, "concept unit"]:
    """Draw atoms of unit norm, uniform over the sphere or its non-negative part (the `random_direction` control).

    >>> atoms = random_atoms(3, 5, seed=0)
    >>> atoms.shape, bool((atoms >= 0).all()), float(np.linalg.norm(atoms[0]).round(6))
    ((3, 5), True, 1.0)
    """
    atoms = np.random.default_rng(seed).standard_normal((n_atoms, n_units))
    atoms = atoms if is_signed else np.abs(atoms)
    unit: np.ndarray = (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _concatenated(parts: Sequence[Factorisation], *, classes: Sequence[int], n_atoms: int, method: str) -> Dictionary:
    if not parts:
        raise ValueError("wanted activations of at least one class, got none")
    (atoms, class_of), restore = as_tensors(_joined([part.atoms for part in parts]), np.repeat(classes, n_atoms))
    return Dictionary(
        atoms=restore(atoms.flatten(0, 1)),
        class_of=restore(class_of),
        method=method,
        relative_error=_joined([part.relative_error for part in parts]),
        n_iterations=_joined([part.n_iterations for part in parts]),
        dead=_joined([part.dead.reshape(-1) for part in parts]),
    )


def _joined(arrays: list[Array]) -> Array:
    tensors, restore = as_tensors(*arrays)
    joined: Array = restore(torch.cat(tensors))
    return joined
