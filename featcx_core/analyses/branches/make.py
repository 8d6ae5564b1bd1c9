"""CKA and V-information of an epoch's concepts in the branches of its residual blocks."""

from collections.abc import Iterator
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
from featcx_core.features.probe_reader import ProbeReader
from featcx_core.measures.branches import ConceptCKA, concept_cka_of_sums, concept_cka_without_each
from featcx_core.measures.v_information import VInformation, v_information_streamed
from featcx_core.networks.anatomy import Layer
from featcx_core.networks.models import sums_device
from featcx_core.progress import silent
from featcx_core.store.parquet import without_rows
from featcx_core.study.fields import Probe

_SCORED = ("concept", "random_direction")
_SCORES = ("cka", "cka_biased", "cka_as_printed", "cka_shuffled", "v_information", "standard_error")


def branch_rows(given: Given) -> pd.DataFrame:
    """Return CKA and V-information of every branch with every concept and random direction of an epoch.

    CKA is over all probe images, V-information as that of the layers: fitted on the one half, scored on the other.
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
    value, error = (np.asarray(part.cpu()) for part in information[:2])
    scores = dict(zip(_SCORES, (unbiased[:n], biased[:n], printed[:n], shuffled, value, error), strict=True))
    frame = probe.columns[:n].assign(epoch=given.epoch, block=row.layer, branch=branch, shortcut=row.shortcut)
    return frame.assign(
        **{name: np.where(dead, np.nan, column) for name, column in scores.items()},
        cka_jackknife=jackknife_cells(np.asarray(without.cpu()), unknown=dead),
        jackknife=jackknife_cells(np.asarray(information.jackknife.cpu()), unknown=dead),
    )


def _measured(
    probe: ProbeReader, settings: Probe, *, where: torch.device
) -> tuple[VInformation, ConceptCKA, torch.Tensor]:
    """Measure in one pass over a branch, with one factorisation: I_V of concepts and directions, CKA of them and of
    shuffled ones, and CKA of concepts and directions without each group of images, (concept, group)."""
    grouped, n_scored = GroupedSums(KernelSums, groups=settings.groups), _n_scored(probe)

    def pairs(half: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for chunk in probe.chunks(half):
            x, z = probe.tensors(chunk, where)
            grouped.add(x, z[:, :n_scored], first_image=chunk.first_image)
            yield x, z

    score: list[KernelSums] = []

    def scored() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:  # one reading for the errors and for the sums
        for x, z in pairs("score"):
            if score:
                score[0].add(x, z)
            else:
                score.append(KernelSums.of(x, z))
            yield x, z[:, :n_scored]

    fit = KernelSums.over(pairs("fit"))
    scored_codes = fit.only(torch.arange(n_scored, device=where))
    information = v_information_streamed(scored_codes, scored(), penalties=settings.penalties, groups=settings.groups)
    return information, concept_cka_of_sums(fit.merge(score[0])), concept_cka_without_each(grouped)


def _n_scored(probe: ProbeReader) -> int:
    return sum(probe.widths[kind] for kind in _SCORED)
