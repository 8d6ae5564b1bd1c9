"""CKA and V-information of an epoch's concepts in the branches of its residual blocks."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from featcx_core.analyses.activations import BRANCH_ACTIVATIONS
from featcx_core.analyses.branches import BRANCHES
from featcx_core.analyses.codes.make import read_probe
from featcx_core.analyses.jackknife import jackknife_cells
from featcx_core.artefacts.given import Given
from featcx_core.features.by_group import GroupedSums
from featcx_core.features.kernels import KernelSums
from featcx_core.features.probe_reader import HALVES, ProbeReader
from featcx_core.measures.branches import ConceptCKA, concept_cka_of_sums, concept_cka_without_each
from featcx_core.measures.cross_fitted import CrossFitted, cross_fitted_of_sums
from featcx_core.networks.anatomy import Layer
from featcx_core.networks.models import sums_device
from featcx_core.progress import silent
from featcx_core.store.parquet import without_rows
from featcx_core.study.fields import Probe

_SCORED = ("concept", "random_direction")
_SCORES = ("cka", "cka_biased", "cka_as_printed", "cka_shuffled", "v_information", "standard_error")


def branch_rows(given: Given) -> pd.DataFrame:
    """Return CKA and V-information of every branch with every concept and random direction of an epoch.

    CKA is over all probe images, V-information as that of the layers.
    """
    blocks = [row for row in given.anatomy.layers if row.branches]
    parts = []
    for row in (given.tools.progress or silent)(blocks, desc=f"branches, epoch {given.epoch}"):
        stored = given.arrays(BRANCH_ACTIVATIONS, epoch=given.epoch, layer=row.layer)
        parts += [_frame(given, row, branch, stored[branch]) for branch in row.branches]
    return pd.concat(parts, ignore_index=True) if parts else without_rows(BRANCHES.tables[0])


def _frame(given: Given, row: Layer, branch: str, acts: Any) -> pd.DataFrame:
    """Return a row for every concept and random direction; null for a dead one."""
    probe = read_probe(given, epoch=given.epoch, kinds=(*_SCORED, "shuffled"), acts=acts)
    n, n_concepts = _n_scored(probe), probe.widths["concept"]  # the shuffled ones stand behind them
    dead = ~probe.alive[:n]
    information, cka, without = _measured(probe, given.study.probe, where=sums_device(given.tools.device))
    unbiased, biased, printed = (np.asarray(part.cpu()) for part in cka)
    shuffled = np.full(n, np.nan)
    shuffled[:n_concepts] = unbiased[n:]
    value, error = (np.asarray(part.cpu()) for part in (information.v_information, information.standard_error))
    scores = dict(zip(_SCORES, (unbiased[:n], biased[:n], printed[:n], shuffled, value, error), strict=True))
    frame = probe.columns[:n].assign(epoch=given.epoch, block=row.layer, branch=branch, shortcut=row.shortcut)
    return frame.assign(
        **{name: np.where(dead, np.nan, column) for name, column in scores.items()},
        cka_jackknife=jackknife_cells(np.asarray(without.cpu()), unknown=dead),
        jackknife=jackknife_cells(np.asarray(information.jackknife.cpu()), unknown=dead),
    )


def _measured(
    probe: ProbeReader, settings: Probe, *, where: torch.device
) -> tuple[CrossFitted, ConceptCKA, torch.Tensor]:
    """Measure in one pass over a branch, with one factorisation: I_V of concepts and directions, CKA of them and of
    shuffled ones, and CKA of concepts and directions without each group of images, (concept, group)."""
    n_scored = _n_scored(probe)
    fit, score = (GroupedSums(KernelSums, groups=settings.groups) for _ in HALVES)
    shuffled: list[KernelSums] = []
    for half, sums in zip(HALVES, (fit, score), strict=True):
        for chunk in probe.chunks(half):
            x, z = probe.tensors(chunk, where)
            sums.add(x, z[:, :n_scored])
            if shuffled:
                shuffled[0].add(x, z[:, n_scored:])
            else:
                shuffled.append(KernelSums.of(x, z[:, n_scored:]))
    information = cross_fitted_of_sums(fit, score, penalties=settings.penalties)
    of_codes, of_shuffled = concept_cka_of_sums(fit.whole.merge(score.whole)), concept_cka_of_sums(shuffled[0])
    joined = ConceptCKA(*(torch.cat(pair) for pair in zip(of_codes, of_shuffled, strict=True)))
    return information, joined, concept_cka_without_each(fit, score)


def _n_scored(probe: ProbeReader) -> int:
    return sum(probe.widths[kind] for kind in _SCORED)
