"""Meta-features: clusters of atoms by direction, a dendrogram of the clusters, and a plane of all atoms.

Fel et al., *Understanding Visual Feature Reliance through the Lens of Complexity*, NeurIPS 2024, §2.
"""

import math
import warnings
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from featcx_core.arrays import Array, as_tensors

LEVELS = 4
"""Heights at which the dendrogram is cut."""
_COMPONENTS = 50
"""Principal components that t-SNE and UMAP start from, as in van der Maaten & Hinton (2008)."""
_FEWEST = 4
"""Atoms from which on there are neighbours to keep; fewer are laid out by PCA."""


class AtomClusters(NamedTuple):
    """Cluster and branches of each atom; -1 for a zero atom, which has no direction."""

    cluster: Int[np.ndarray, "concept"]
    """Counted along the dendrogram's leaves: neighbours in number are neighbours in the tree."""
    levels: Int[np.ndarray, "concept level"]
    """Branch of the dendrogram at four heights, coarse to fine, counted in the same order."""


def n_clusters(count: Literal["auto"] | int, *, n_atoms: int) -> int:
    """Return the number of clusters: `count`, or 1.5 times the root of the number of atoms (the paper: 150 of 10,000).

    Raises:
        ValueError: more clusters than atoms.

    >>> n_clusters("auto", n_atoms=10_000), n_clusters("auto", n_atoms=100)
    (150, 15)
    """
    if count == "auto":
        return min(n_atoms, max(2, round(1.5 * math.sqrt(n_atoms))))
    if count > n_atoms:
        raise ValueError(f"wanted at most as many clusters as atoms ({n_atoms}), got {count}; try fewer, or auto")
    return count


def cluster_atoms(
    atoms: Float[Array, "concept unit"], *, count: Literal["auto"] | int = "auto", seed: int
) -> AtomClusters:
    """Cluster the atoms' directions by K-means, and cut a dendrogram of the clusters at four heights.

    K-means (k-means++, the best of ten starts) runs on atoms of unit norm, where squared distance is 2 − 2 cosine. The
    dendrogram is Ward's over the cluster centres, whatever the clusters' sizes: each step joins the pair that raises
    the squared distance within branches least, as K-means would. At level l of 4 the tree has about c^(l/5) branches of
    c clusters: 3, 7, 20 and 55 of 150. Atoms of exactly the same direction stay together, so there may be fewer
    clusters than asked for.

    Raises:
        ValueError: more clusters than atoms that are not zero, NaN or infinity.

    >>> cluster_atoms(np.repeat(np.eye(3), 2, axis=0), count=3, seed=0).cluster.tolist()
    [0, 0, 2, 2, 1, 1]
    """
    directions, living = _directions(atoms)
    cluster = np.full(len(living), -1)
    levels = np.full((len(living), LEVELS), -1)
    if len(directions) == 0:
        return AtomClusters(cluster, levels)
    asked = n_clusters(count, n_atoms=len(directions))
    distinct = len(np.unique(directions.round(6), axis=0))  # K-means warns about more clusters than distinct rows
    fitted = KMeans(min(asked, distinct), n_init=10, random_state=seed).fit(directions)
    order, branches = _tree(fitted.cluster_centers_)
    cluster[living] = order[fitted.labels_]
    levels[living] = branches[fitted.labels_]
    return AtomClusters(cluster, levels)


def embed_atoms(
    atoms: Float[Array, "concept unit"], *, method: str = "tsne", seed: int
) -> Float[np.ndarray, "concept 2"]:
    """Lay the atoms out on a plane, near each other where their directions are similar; NaN for a zero atom.

    `tsne` (scikit-learn; van der Maaten & Hinton, JMLR 2008) and `umap` (umap-learn; McInnes et al. 2018) keep 30 and
    15 neighbours, fewer where there are fewer atoms; distances between far groups mean nothing. Both start from the
    first 50 principal components of wider atoms. `pca` is the first two components, and stands in for the others below
    4 atoms. The same seed gives the same plane.

    Raises:
        ValueError: an unknown method, NaN or infinity.
        ImportError: `umap` without umap-learn.
    """
    if method not in ("umap", "tsne", "pca"):
        raise ValueError(f"wanted an embedding umap, tsne or pca, got {method!r}; try tsne")
    directions, living = _directions(atoms)
    plane = np.full((len(living), 2), math.nan)
    n = len(directions)
    if n == 0:
        return plane
    narrow = _principal(directions)
    if method == "pca" or n < _FEWEST:
        plane[living] = narrow[:, :2]
    elif method == "tsne":
        spread = float(narrow[:, 0].std())
        start = (narrow[:, :2] * (1e-4 / spread if spread > 0 else 1)).astype(np.float32)  # small, as its authors begin
        fitted = TSNE(init=start, perplexity=min(30.0, (n - 1) / 3), random_state=seed)
        plane[living] = fitted.fit_transform(narrow.astype(np.float32))
    else:
        plane[living] = _umap(narrow, seed=seed)
    return plane


def _principal(directions: Float[np.ndarray, "concept unit"]) -> Float[np.ndarray, "concept component"]:
    """Return the first 50 principal components, at least two; the sign makes each one's largest value positive."""
    if (directions == directions[0]).all():  # no variance: PCA would divide by it
        return np.zeros((len(directions), 2))
    n_components = min(_COMPONENTS, *directions.shape)
    centred = directions - directions.mean(0)  # PCA takes means off X'X, which would lose a small spread
    scores = PCA(n_components, svd_solver="covariance_eigh").fit_transform(centred)
    scores = np.pad(scores, ((0, 0), (0, max(0, 2 - n_components))))
    largest = scores[np.abs(scores).argmax(0), np.arange(scores.shape[1])]
    signed: np.ndarray = scores * np.where(largest < 0, -1, 1)
    return signed


def _umap(narrow: Float[np.ndarray, "concept component"], *, seed: int) -> Float[np.ndarray, "concept 2"]:
    with warnings.catch_warnings():
        # umap 0.5 warns on import that TensorFlow is missing; only its ParametricUMAP needs it
        warnings.simplefilter("ignore", category=ImportWarning)
        import umap
    fitted = umap.UMAP(n_neighbors=min(15, len(narrow) - 1), init="pca", random_state=seed, n_jobs=1)
    plane: np.ndarray = fitted.fit_transform(narrow.astype(np.float32))
    return plane


def _tree(
    centres: Float[np.ndarray, "cluster unit"],
) -> tuple[Int[np.ndarray, "cluster"], Int[np.ndarray, "cluster level"]]:
    """Return each cluster's place along the leaves of the dendrogram, and its branch at each level."""
    n = len(centres)
    if n == 1:
        return np.zeros(1, dtype=int), np.zeros((1, LEVELS), dtype=int)
    tree = linkage(centres, method="ward", optimal_ordering=True)
    leaves = leaves_list(tree)
    place = np.empty(n, dtype=int)
    place[leaves] = np.arange(n)
    levels = np.empty((n, LEVELS), dtype=int)
    for level in range(LEVELS):
        at_most = min(n, max(2, round(n ** ((level + 1) / (LEVELS + 1)))))
        branch = fcluster(tree, at_most, criterion="maxclust")[leaves]  # a branch's leaves stand side by side
        levels[leaves, level] = np.cumsum(np.diff(branch, prepend=branch[0]) != 0)
    return place, levels


def _directions(atoms: Array) -> tuple[Float[np.ndarray, "living unit"], np.ndarray]:
    """Return the atoms that are not zero at unit norm, and a mask of them."""
    values: np.ndarray = as_tensors(atoms)[0][0].detach().cpu().double().numpy()
    if broken := int((~np.isfinite(values)).sum()):
        raise ValueError(f"wanted finite atoms, got {broken} NaN or infinite values; fit the dictionary anew")
    norms = np.linalg.norm(values, axis=1)
    living = norms > 0
    return values[living] / norms[living, None], living
