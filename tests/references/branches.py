"""CKA of a branch with one concept, by the n x n matrices of the papers."""

import numpy as np

from tests.references.similarity import cka, cka_as_printed


def concept_cka(acts, codes):
    """(unbiased, biased, as printed), each (concept,)."""
    columns = [codes[:, [i]] for i in range(codes.shape[1])]
    return (
        np.array([cka(acts, z) for z in columns]),
        np.array([cka(acts, z, unbiased=False) for z in columns]),
        np.array([cka_as_printed(acts, z) for z in columns]),
    )
