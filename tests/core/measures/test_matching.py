import numpy as np
import pytest
import torch

from featcx_core.features.dictionary import random_atoms
from featcx_core.measures.matching import match_atoms, null_cosine
from tests.references import matching as reference


def test_by_hand():
    atoms = np.array([[1.0, 0.0], [3.0, 4.0]])
    found = match_atoms(atoms, np.array([[0.0, 2.0], [5.0, 0.0]]))
    assert found.partner.tolist() == [1, 0]
    assert found.cosine == pytest.approx([1.0, 0.8])


def test_not_greedy():
    # the best pair of all (first with first) would leave a bad one: the sum counts
    angles = np.deg2rad([[0, 10], [5, -70]])
    atoms, others = (np.stack([np.cos(a), np.sin(a)], axis=1) for a in angles)
    assert match_atoms(atoms, others).partner.tolist() == [1, 0]


@pytest.mark.parametrize("n_others", [3, 5])
def test_no_matching_is_better(n_others):
    chance = np.random.default_rng(0)
    atoms, others = chance.standard_normal((3, 4)), chance.standard_normal((n_others, 4))
    found = match_atoms(atoms, others)
    assert found.cosine.sum() == pytest.approx(reference.best_total(atoms, others), abs=1e-6)
    assert len({*found.partner}) == 3
    back = match_atoms(others, atoms)
    assert back.cosine[back.partner >= 0].sum() == pytest.approx(found.cosine.sum(), abs=1e-6)


def test_the_order_and_the_scale_do_not_matter():
    atoms = random_atoms(30, 8, seed=0)
    order = np.random.default_rng(1).permutation(30)
    found = match_atoms(atoms, 7 * atoms[order])
    assert (order[found.partner] == np.arange(30)).all()
    assert found.cosine == pytest.approx(np.ones(30), abs=1e-6)
    assert (match_atoms(torch.from_numpy(atoms), torch.from_numpy(atoms)).partner == np.arange(30)).all()


def test_zero_atoms_have_no_partner():
    atoms = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    found = match_atoms(atoms, np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    assert found.partner.tolist() == [2, -1, 1]
    assert np.isnan(found.cosine[1])
    assert match_atoms(atoms, np.zeros((2, 2))).partner.tolist() == [-1, -1, -1]


def test_random_atoms_stay_at_the_null():
    atoms = random_atoms(100, 16, seed=0)
    null = null_cosine(atoms, n_others=100, is_signed=False, seed=1)
    above = [match_atoms(atoms, random_atoms(100, 16, seed=seed)).cosine > null for seed in range(10, 20)]
    assert np.mean(above) == pytest.approx(0.05, abs=0.03)
    kept = match_atoms(atoms, np.abs(atoms + np.random.default_rng(0).normal(0, 0.05, atoms.shape)))
    assert (kept.cosine > null).mean() > 0.9


def test_signed_atoms_have_another_null():
    atoms = random_atoms(40, 16, seed=0, is_signed=True)
    both = [null_cosine(atoms, n_others=40, is_signed=signed, seed=0) for signed in (True, False)]
    assert both[0] > both[1]  # few atoms of any sign lie near the all-positive ones
    assert both[0] == null_cosine(atoms, n_others=40, is_signed=True, seed=0)
    assert np.isnan(null_cosine(np.zeros((2, 3)), n_others=4, is_signed=False, seed=0))


def test_errors():
    with pytest.raises(ValueError, match="as many units on both sides, got 3 and 2"):
        match_atoms(np.eye(3), np.eye(2))
    with pytest.raises(ValueError, match="finite atoms, got 1 NaN"):
        match_atoms(np.array([[np.nan, 1.0]]), np.eye(2))
