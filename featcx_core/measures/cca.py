"""Measures from canonical correlations of decomposed layers: mean CCA, SVCCA and PWCCA.

Raghu et al., *SVCCA*, NIPS 2017; Morcos, Raghu, Bengio, *Insights on representational similarity with canonical
correlation*, NIPS 2018 (PWCCA).
"""

import warnings

import torch

from featcx_core.measures.cka import ratio
from featcx_core.measures.decomposed import Decomposed
from featcx_core.measures.layer_pair import Pair

IMAGES_A_UNIT = 5
"""Fewer of them, and chance alone correlates two layers so much that a warning is due."""


def mean_cca(pair: Pair) -> float:
    """Mean of all canonical correlations; see `similarity.mean_cca`."""
    return float(pair.canonical.correlations.mean())


def svcca(pair: Pair, *, threshold: float = 0.99, squared: bool = False) -> float:
    """Mean canonical correlation of the leading singular directions; see `similarity.svcca`."""
    n_x, n_y = (side.leading(threshold, squared=squared) for side in (pair.x, pair.y))
    return float(torch.linalg.svdvals(pair.overlap[:n_x, :n_y]).clamp(max=1).mean())


def pwcca(pair: Pair, *, swapped: bool = False) -> float:
    """Mean canonical correlation, weighted by x (`swapped`: by y); see `similarity.pwcca`.

    With h = U A and X = U S V', h'X = A' S V' needs no second look at the images.
    """
    side, mixing = (pair.y, pair.canonical.mixing_y) if swapped else (pair.x, pair.canonical.mixing_x)
    weights = (mixing.T @ (side.strengths[:, None] * side.loadings.T)).abs().sum(1)
    return ratio(float(weights @ pair.canonical.correlations), float(weights.sum()))


def refuse_threshold(threshold: float) -> None:
    """Raise a ValueError unless the share of the singular values is above 0 and at most 1."""
    if not 0 < threshold <= 1:
        raise ValueError(f"wanted a threshold above 0, at most 1, got {threshold}; try 0.99")


def refuse_few_images(*layers: Decomposed, left_out: int = 0, stacklevel: int = 3) -> None:
    """Raise a ValueError where the widest layer has as many units as images, warn below 5 images a unit.

    Within classes the images that count are images - classes + 1: each class mean takes one. An error also where so
    many images are left that an interval cannot leave `left_out` of them out.
    """
    widest = max(layers, key=lambda layer: layer.n_units)
    n_images, n_units = widest.n_images, widest.n_units
    n_classes = 1 if widest.classes is None else int(widest.classes.max()) + 1
    counted = f"{n_images} images" + (f" of {n_classes} classes" if n_classes > 1 else "")
    free = n_images - n_classes + 1
    if free - left_out <= n_units:
        without = f" ({left_out} of them left out in turn)" if left_out else ""
        raise ValueError(
            f"wanted more images than units for CCA, got {counted}{without} and {n_units} units; "
            "try more probe images, or linear_cka"
        )
    if free < IMAGES_A_UNIT * n_units:
        warnings.warn(
            f"CCA of {counted} and {n_units} units is too high by chance (wanted {IMAGES_A_UNIT} images a unit): "
            "compare with Gaussian data of the same shape",
            stacklevel=stacklevel,
        )
