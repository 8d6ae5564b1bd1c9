import sys
from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from featcx_core.features.dictionary import random_atoms
from featcx_core.measures.clusters import cluster_atoms, embed_atoms, n_clusters


def planted(n_groups: int = 5, members: int = 20, units: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Atoms around a few directions, of any scale, in random order; and their groups."""
    chance = np.random.default_rng(0)
    groups = chance.permutation(np.repeat(np.arange(n_groups), members))
    atoms = np.abs(np.eye(units)[groups] + 0.05 * chance.normal(size=(len(groups), units)))
    return atoms * chance.uniform(0.1, 9, (len(groups), 1)), groups


def test_by_hand():
    atoms = np.array([[1.0, 0.0, 0.0], [9.0, 0.1, 0.0], [0.0, 1.0, 0.0], [0.0, 2.0, 0.1]])
    found = cluster_atoms(atoms, count=2, seed=0)
    assert found.cluster[0] == found.cluster[1] != found.cluster[2] == found.cluster[3]
    assert (found.levels == found.cluster[:, None]).all()  # two clusters: every level has two branches


def test_planted_groups_are_found():
    atoms, groups = planted()
    found = cluster_atoms(atoms, count=5, seed=1)
    assert adjusted_rand_score(groups, found.cluster) == 1.0
    assert sorted({*found.cluster}) == [0, 1, 2, 3, 4]


def test_as_good_as_many_starts_of_scikit_learn():
    atoms = random_atoms(200, 16, seed=0).astype(np.float64)
    found = cluster_atoms(atoms, count=12, seed=0).cluster
    within = sum(np.sum((atoms[found == c] - atoms[found == c].mean(0)) ** 2) for c in range(12))
    assert within <= 1.02 * KMeans(12, n_init=50, random_state=1).fit(atoms).inertia_


def test_the_levels_are_cuts_of_one_tree():
    found = cluster_atoms(random_atoms(400, 16, seed=0), seed=0)
    assert found.cluster.max() + 1 == n_clusters("auto", n_atoms=400) == 30
    assert [len({*column}) for column in found.levels.T] == [2, 4, 8, 15]
    columns = [*found.levels.T, found.cluster]
    for coarse, fine in pairwise(columns):
        owner = {f: {*coarse[fine == f]} for f in {*fine}}
        assert all(len(of) == 1 for of in owner.values())  # nested
        assert [min(owner[f]) for f in sorted(owner)] == sorted(min(owner[f]) for f in owner)  # counted in order


def test_branches_part_at_the_height_of_wards_tree():
    atoms = random_atoms(60, 12, seed=3).astype(np.float64)
    found = cluster_atoms(atoms, count=10, seed=0)
    centres = np.stack([atoms[found.cluster == c].mean(0) for c in range(10)])
    heights = squareform(cophenet(linkage(centres, method="ward")))
    branch = np.array([found.levels[found.cluster == c][0] for c in range(10)])
    for level in range(4):
        together = branch[:, None, level] == branch[None, :, level]
        assert heights[together].max(initial=0) <= heights[~together].min()


def test_same_seed_same_result_whatever_the_scale():
    atoms, _ = planted()
    first = cluster_atoms(atoms, seed=3)
    assert (cluster_atoms(atoms, seed=3).levels == first.levels).all()
    assert (cluster_atoms(torch.from_numpy(4 * atoms), seed=3).cluster == first.cluster).all()


def test_zero_atoms_stand_aside():
    atoms, _ = planted(members=4)
    atoms[3] = 0
    found = cluster_atoms(atoms, count=5, seed=0)
    assert found.cluster[3] == -1
    assert (found.levels[3] == -1).all()
    assert (np.delete(found.cluster, 3) >= 0).all()
    assert np.isnan(embed_atoms(atoms, method="pca", seed=0)).any(axis=1).tolist() == [i == 3 for i in range(20)]
    nothing = cluster_atoms(np.zeros((3, 4)), seed=0)
    assert nothing.cluster.tolist() == [-1, -1, -1]
    assert np.isnan(embed_atoms(np.zeros((3, 4)), seed=0)).all()


def test_equal_atoms_are_one_cluster():
    found = cluster_atoms(np.ones((9, 4)), count=3, seed=0)
    assert found.cluster.tolist() == [0] * 9
    assert (found.levels == 0).all()


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_groups_stay_together_on_the_plane(method):
    atoms, groups = planted()
    plane = embed_atoms(atoms, method=method, seed=0)
    assert adjusted_rand_score(groups, KMeans(5, n_init=10, random_state=0).fit_predict(plane)) > (
        0.99 if method != "pca" else 0.3  # five groups at right angles do not fit on two axes
    )
    assert (plane == embed_atoms(atoms, method=method, seed=0)).all()


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 12])
def test_few_atoms_have_a_place_too(method, n):
    plane = embed_atoms(random_atoms(n, 6, seed=0), method=method, seed=0)
    assert plane.shape == (n, 2)
    assert np.isfinite(plane).all()


def test_the_pca_plane_is_that_of_a_full_decomposition():
    directions = random_atoms(40, 60, seed=0).astype(np.float64)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    plane, scores = embed_atoms(directions, method="pca", seed=0), PCA(2, svd_solver="full").fit_transform(directions)
    np.testing.assert_allclose(np.abs(plane), np.abs(scores), atol=1e-12)
    assert (plane[np.abs(plane).argmax(0), [0, 1]] > 0).all()


def test_atoms_that_differ_by_rounding_have_a_place():
    chance = np.random.default_rng(0)
    for _ in range(20):
        atoms = chance.random((1, 5)) * chance.uniform(0.1, 9, (6, 1))
        assert np.abs(embed_atoms(atoms, method="pca", seed=0)).max() < 1e-12


def test_few_units_and_equal_atoms_have_a_place_too():
    for atoms in (np.ones((8, 1)), np.ones((8, 5)), random_atoms(8, 2, seed=0)):
        assert np.isfinite(embed_atoms(atoms, seed=0)).all()


class FakeUmap:
    """umap-learn takes 210 MB and half a minute of compiling: here only what it is given is looked at."""

    def __init__(self, *, n_neighbors, init, random_state, n_jobs):
        self.given = n_neighbors, init, random_state, n_jobs

    def fit_transform(self, values):
        assert self.given == (min(15, len(values) - 1), "pca", 7, 1)
        assert values.dtype == np.float32
        return values[:, :2]


def test_umap_is_given_neighbours_seed_and_one_thread(monkeypatch):
    stand_in = ModuleType("umap")
    stand_in.UMAP = FakeUmap
    monkeypatch.setitem(sys.modules, "umap", stand_in)
    for n in (5, 40):
        atoms = random_atoms(n, 6, seed=0)
        plane = embed_atoms(atoms, method="umap", seed=7)
        assert plane == pytest.approx(embed_atoms(atoms, method="pca", seed=7), abs=1e-6)


def test_errors(monkeypatch):
    with pytest.raises(ValueError, match=r"as many clusters as atoms \(3\), got 4; try fewer"):
        cluster_atoms(np.eye(3), count=4, seed=0)
    with pytest.raises(ValueError, match="finite atoms, got 1 NaN"):
        cluster_atoms(np.array([[np.nan, 1.0]]), seed=0)
    with pytest.raises(ValueError, match="umap, tsne or pca, got 'mds'"):
        embed_atoms(np.eye(3), method="mds", seed=0)
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError):
        embed_atoms(random_atoms(9, 4, seed=0), method="umap", seed=0)
