"""Measures of similarity by name, for pairs of layers that are decomposed already."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from featcx_core.measures import cca, cka, neighbour_overlap
from featcx_core.measures.layer_pair import Pair

Measure: TypeAlias = Callable[[Pair], float]
"""From a pair of layers to their similarity."""
OF_CORRELATIONS = ("svcca", "svcca_squared", "pwcca", "pwcca_swapped", "mean_cca")
"""Measures that need more images than units."""
LOWEST = {"cka": -1.0}
"""Lower end of the measures' ranges; 0 for all others. The upper end is 1."""
SWAPPED = {"pwcca": "pwcca_swapped", "pwcca_swapped": "pwcca"}
"""Measures that are another one when the layers change places."""


def chosen(measures: Sequence[str], *, threshold: float = 0.99, n_neighbours: int = 10) -> list[Measure]:
    """Return the measures of these names; formulas and ranges are those of `similarity`.

    `cka` is unbiased linear CKA; `svcca` and `svcca_squared` keep the directions with a share `threshold` of the sum of
    singular values, or of their squares; `pwcca` is weighted by the first layer, `pwcca_swapped` by the second;
    `mean_cca` and `procrustes`; `mutual_knn` counts `n_neighbours` images.

    Raises:
        ValueError: an unknown name, or a threshold outside (0, 1].

    >>> len(chosen(["cka", "pwcca", "pwcca_swapped"]))
    3
    """
    cca.refuse_threshold(threshold)
    by_name: dict[str, Measure] = {
        "cka": cka.cka,
        "svcca": lambda pair: cca.svcca(pair, threshold=threshold),
        "svcca_squared": lambda pair: cca.svcca(pair, threshold=threshold, squared=True),
        "pwcca": cca.pwcca,
        "pwcca_swapped": lambda pair: cca.pwcca(pair, swapped=True),
        "mean_cca": cca.mean_cca,
        "procrustes": cka.procrustes,
        "mutual_knn": lambda pair: neighbour_overlap.mutual_knn(pair, n_neighbours=n_neighbours),
    }
    unknown = [name for name in measures if name not in by_name]
    if unknown:
        raise ValueError(f"wanted measures among {', '.join(by_name)}, got {', '.join(unknown)}; try cka")
    return [by_name[name] for name in measures]


def evaluate(pair: Pair, measures: Sequence[Measure]) -> Float[np.ndarray, "measure"]:
    """Take all measures of a pair, which share its products and decompositions.

    >>> from featcx_core.measures.layer_pair import pair_of
    >>> x = np.array([[1.0], [1.0], [-1.0], [-1.0], [0.0], [0.0]])
    >>> y = np.array([[1.0], [0.0], [-1.0], [0.0], [1.0], [-1.0]])
    >>> evaluate(pair_of(x, y), chosen(["mean_cca", "procrustes"])).round(6).tolist()
    [0.5, 0.5]
    """
    return np.array([measure(pair) for measure in measures])
