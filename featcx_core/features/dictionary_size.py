"""Size of a dictionary: the number of atoms that keeps the network's predictions."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float

from featcx_core.arrays import Array
from featcx_core.features.nnls import Encoder
from featcx_core.features.quality import dictionary_quality_streamed

FIRST = 10
"""Atoms a class that are tried first."""
ENOUGH = 0.99
"""Share of held-out predictions that is to be kept."""
_HELD_OUT = 5
"""Every so-many-th image is held out."""
_IMAGES_AT_ONCE = 1024


class Grown(NamedTuple):
    """The number of atoms that was chosen."""

    n_atoms: int
    """Atoms a class."""
    stopped_by: str
    """`predictions kept`, or `samples used up`: there are no more samples or units."""
    kept: float
    """Share of held-out predictions that it keeps."""


def grow(keeps: Callable[[int], float], *, most: int, enough: float = ENOUGH, first: int = FIRST) -> Grown:
    """Double the number of atoms until enough held-out predictions are kept, or there are no more samples or units.

    keeps: from a number of atoms a class to the share of held-out predictions that their dictionary keeps. Where none
    keeps enough, the best of those tried is chosen, the smaller of equals.

    Raises:
        ValueError: no sample.

    >>> grow(lambda n: n / 100, most=99)
    Grown(n_atoms=99, stopped_by='predictions kept', kept=0.99)
    >>> grow(lambda n: 0.5, most=30)
    Grown(n_atoms=10, stopped_by='samples used up', kept=0.5)
    """
    if most < 1:
        raise ValueError(f"wanted at least one sample and one unit, got {most}; try more images")
    n_atoms, tried = min(first, most), list[Grown]()
    while True:
        kept = keeps(n_atoms)
        if kept >= enough:
            return Grown(n_atoms, "predictions kept", kept)
        tried.append(Grown(n_atoms, "samples used up", kept))
        if n_atoms >= most:
            return max(tried, key=lambda each: each.kept)
        n_atoms = min(2 * n_atoms, most)


def held_out(n_images: int) -> Bool[np.ndarray, "image"]:
    """Return which images of a class are held out: every fifth; none of fewer than five.

    >>> held_out(6).tolist()
    [False, False, False, False, True, False]
    """
    is_held_out: np.ndarray = np.arange(n_images) % _HELD_OUT == _HELD_OUT - 1
    return is_held_out


def predictions_kept(
    acts: Float[Array, "image unit"],
    atoms: Float[Array, "concept unit"],
    head_weight: Float[Array, "unit class"],
    head_bias: Float[Array, "class"],
    *,
    l1: float,
    l2: float,
    device: torch.device,
) -> float:
    """Return the share of images whose prediction stays when atoms and their codes replace the activations.

    >>> acts = np.eye(2, dtype=np.float32)
    >>> predictions_kept(acts, acts, acts, np.zeros(2), l1=1e-3, l2=1e-6, device=torch.device("cpu"))
    1.0
    """
    encode = Encoder(torch.as_tensor(atoms).to(device), l1=l1, l2=l2)
    starts = range(0, len(acts), _IMAGES_AT_ONCE)
    parts = (torch.as_tensor(acts[start : start + _IMAGES_AT_ONCE]).to(device) for start in starts)
    pairs = ((x, encode(x).codes) for x in parts)
    on_device = torch.as_tensor(atoms).to(device)
    return dictionary_quality_streamed(pairs, on_device, head_weight, head_bias).predictions_kept_fraction
