"""Similarity of two representations of the same images, blind to rotations (CKA) or to all linear maps (CCA).

Kornblith et al., *Similarity of neural network representations revisited*, ICML 2019 (CKA); Song et al., *Feature
selection via dependence maximization*, JMLR 2012, eq. 5 (unbiased HSIC); Raghu et al., *SVCCA*, NIPS 2017; Morcos,
Raghu, Bengio, *Insights on representational similarity with canonical correlation*, NIPS 2018 (PWCCA); Williams et al.,
*Generalized shape metrics on neural representations*, NeurIPS 2021 (Procrustes); Huh et al., *The platonic
representation hypothesis*, ICML 2024 (mutual nearest neighbours).

Each side is an array or, for many comparisons of one layer, `decompose(acts)`. Arithmetic is in float64, on the device
of the activations (on the CPU where that is MPS). A constant side has similarity NaN. With `labels`, the class of each
image, both sides are centred on their class means first: the similarity within classes.
"""

from jaxtyping import Float, Int

from featcx_core.arrays import Array
from featcx_core.measures import cca, cka, neighbour_overlap
from featcx_core.measures.decomposed import Decomposed
from featcx_core.measures.layer_pair import pair_of


def linear_cka(
    x: Float[Array, "image unit_x"] | Decomposed,
    y: Float[Array, "image unit_y"] | Decomposed,
    *,
    unbiased: bool = True,
    as_printed: bool = False,
    labels: Int[Array, "image"] | None = None,
) -> float:
    """Linear CKA of two representations: 1 = the same up to rotation and scale, 0 = unrelated.

    `HSIC(K, L) / sqrt(HSIC(K, K)·HSIC(L, L))`, K = xx', L = yy', centred. The unbiased HSIC averages 0 on independent
    data, so values a little below 0 occur; the biased one, `||x'y||²`, does not (0.33 for 256 independent units and
    512 images). `as_printed`: `||KL||² / (||KK||·||LL||)`, App. E of Fel et al. 2024, which is not linear CKA; it
    comes without the correction. With `labels` the unbiased HSIC is that of the covariance within classes.

    Raises:
        ValueError: fewer than 4 images (of a class, with labels), different images, NaN or infinity.

    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0], [5.0]])
    >>> round(linear_cka(x, -2 * x + 1), 6)
    1.0
    """
    pair = pair_of(x, y, labels=labels)
    return cka.cka_as_printed(pair) if as_printed else cka.cka(pair, unbiased=unbiased)


def procrustes(
    x: Float[Array, "image unit_x"] | Decomposed,
    y: Float[Array, "image unit_y"] | Decomposed,
    *,
    labels: Int[Array, "image"] | None = None,
) -> float:
    """Cosine of the angle that the best rotation leaves: 1 = the same up to rotation and scale, 0 = unrelated.

    `||x'y||_* / (||x||_F ||y||_F)` of the centred sides, ||·||_* the sum of singular values: the largest cosine between
    x and y Q over all orthogonal Q. Its arc cosine is the angular Procrustes distance. Independent data do not score 0:
    compare with Gaussian data of the same shape.

    Raises:
        ValueError: different images, NaN or infinity.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> round(procrustes(x, x * [1.0, 0.0]), 6)   # 2 / (2 · √2)
    0.707107
    """
    return cka.procrustes(pair_of(x, y, labels=labels))


def mean_cca(
    x: Float[Array, "image unit_x"] | Decomposed,
    y: Float[Array, "image unit_y"] | Decomposed,
    *,
    labels: Int[Array, "image"] | None = None,
) -> float:
    """Mean of the canonical correlations: 1 = one side follows linearly from the other, 0 = unrelated.

    There are as many as the side of fewer dimensions has. Independent data score about sqrt(units/images), not 0.

    Raises:
        ValueError: images <= units (every score would be 1), different images, NaN or infinity.

    Warns:
        UserWarning: fewer than 5 images a unit.

    >>> import numpy as np
    >>> x = np.array([[1.0], [1.0], [-1.0], [-1.0], [0.0], [0.0]])
    >>> y = np.array([[1.0], [0.0], [-1.0], [0.0], [1.0], [-1.0]])
    >>> round(mean_cca(x, y), 6)
    0.5
    """
    pair = pair_of(x, y, labels=labels)
    cca.refuse_few_images(pair.x, pair.y)
    return cca.mean_cca(pair)


def svcca(
    x: Float[Array, "image unit_x"] | Decomposed,
    y: Float[Array, "image unit_y"] | Decomposed,
    *,
    threshold: float = 0.99,
    squared: bool = False,
    labels: Int[Array, "image"] | None = None,
) -> float:
    """Mean canonical correlation of the leading singular directions: 1 = the same subspace, 0 = unrelated.

    On each side the fewest directions with `Σ s_i >= threshold · Σ s` are kept (`squared`: of s², the variance; how
    many they are: `decompose(x).leading(threshold, squared=…)`); `threshold=1.0` keeps all and gives mean CCA.
    Independent data score about sqrt(units/images), not 0: compare with Gaussian data of the same shape.

    Raises:
        ValueError: images <= units (every score would be 1), a threshold outside (0, 1], different images, NaN.

    Warns:
        UserWarning: fewer than 5 images a unit.

    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0], [5.0]])
    >>> round(svcca(x, -2 * x + 1), 6)
    1.0
    """
    cca.refuse_threshold(threshold)
    pair = pair_of(x, y, labels=labels)
    cca.refuse_few_images(pair.x, pair.y)
    return cca.svcca(pair, threshold=threshold, squared=squared)


def pwcca(
    x: Float[Array, "image unit_x"] | Decomposed,
    y: Float[Array, "image unit_y"] | Decomposed,
    *,
    labels: Int[Array, "image"] | None = None,
) -> float:
    """Mean canonical correlation, weighted by how much of x each direction carries: 1 = x follows from y.

    `Σ α_i ρ_i / Σ α_i`, `α_i = Σ_j |<h_i, x_j>|`, h_i the orthonormal canonical directions of x over the images, x_j
    its centred units. Not symmetric: the weights are those of x, unit by unit, so that rotating x changes them; the
    other direction is `pwcca(y, x)`. The distance of the paper is 1 - this. Independent data score about
    sqrt(units/images), not 0.

    Raises:
        ValueError: images <= units (every score would be 1), different images, NaN.

    Warns:
        UserWarning: fewer than 5 images a unit.

    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0], [5.0]])
    >>> round(pwcca(x, -2 * x + 1), 6)
    1.0
    """
    pair = pair_of(x, y, labels=labels)
    cca.refuse_few_images(pair.x, pair.y)
    return cca.pwcca(pair)


def mutual_knn(
    x: Float[Array, "image unit_x"] | Decomposed,
    y: Float[Array, "image unit_y"] | Decomposed,
    *,
    n_neighbours: int = 10,
    labels: Int[Array, "image"] | None = None,
) -> float:
    """Share of an image's nearest images that both sides have in common: 1 = the same neighbours, 0 = none of them.

    Neighbours are the `n_neighbours` other images of the highest cosine between activations. Activations are not
    centred (with `labels` they are the departures from the class means). Independent data share
    `n_neighbours / (images - 1)`.

    Raises:
        ValueError: fewer than `n_neighbours + 2` images, different images, NaN or infinity.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    >>> mutual_knn(x, x[:, ::-1] ** 2, n_neighbours=1)
    1.0
    """
    return neighbour_overlap.mutual_knn(pair_of(x, y, labels=labels), n_neighbours=n_neighbours)
