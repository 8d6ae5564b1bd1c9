"""Singular values group by group."""

import numpy as np


def spectra(acts, *, centred=False):
    """(s1, s2, first, second, rest) of each (copy, unit) matrix."""
    rows = []
    for group in acts.astype(np.float64):
        x = group - group.mean(axis=0) if centred else group
        s = np.append(np.linalg.svd(x, compute_uv=False), 0)
        shares = s**2 / (s**2).sum()
        rows.append((s[0], s[1], shares[0], shares[1], shares[2:].sum()))
    return rows
