"""Stability of a dictionary from the definition, concept by concept, in float64."""

import itertools

import numpy as np


def best_assignment(atoms, others):
    """The partner of each atom in the pairing with the largest sum of cosines, by trying all pairings."""
    cosines = np.array([[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in others] for a in atoms])
    pairings = itertools.permutations(range(len(others)), len(atoms))
    best = max(pairings, key=lambda pairing: sum(cosines[i, j] for i, j in enumerate(pairing)))
    return np.array(best), np.array([cosines[i, j] for i, j in enumerate(best)])


def stability(atoms, complexity, dictionaries, complexities, least_cosine=0.9):
    """Share of dictionaries with an atom of that cosine, and deviation of K over the concept and these atoms."""
    shares, spreads = [], []
    pairs = [best_assignment(atoms, others) for others in dictionaries]
    for i, own in enumerate(complexity):
        again = [
            k[partner[i]] for (partner, cosine), k in zip(pairs, complexities, strict=True) if cosine[i] >= least_cosine
        ]
        shares.append(len(again) / len(dictionaries))
        spreads.append(np.std([own, *again], ddof=1) if again else np.nan)
    return np.array(shares), np.array(spreads)
