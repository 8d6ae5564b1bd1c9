"""Where: an epoch's concepts in the branches of its residual blocks."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
import zarr

from featcx_core.analyses.features import CodeReader
from featcx_core.analyses.measures import jackknife_cells, together
from featcx_core.checkpoints.survey import fingerprints
from featcx_core.features.activations import open_branch, record_branches
from featcx_core.features.by_group import GroupedSums
from featcx_core.features.kernels import KernelSums
from featcx_core.measures.branches import ConceptCKA, concept_cka_of_sums, concept_cka_without_each
from featcx_core.measures.v_information import VInformation, v_information_streamed
from featcx_core.networks.anatomy import Layer
from featcx_core.networks.models import sums_device
from featcx_core.progress import Progress, silent
from featcx_core.store.places import Store, epoch_key
from featcx_core.study.fields import Probe

_SCORED = ("concept", "random_direction")
_SCORES = ("cka", "cka_biased", "cka_as_printed", "cka_shuffled", "v_information", "standard_error")


def make_branches(
    store: Store, *, epoch: int, device: str = "auto", batch_size: int = 256, progress: Progress | None = None
) -> pd.DataFrame:
    """CKA and V-information of every branch with every concept and random direction of an epoch; writes the rows.

    CKA is over all probe images, V-information as that of the layers: fitted on the one half, scored on the other.
    Branches that were not recorded together with the activations take one forward pass of their own. Raises ValueError
    where there are no codes, and what recording raises.
    """
    fingerprint = fingerprints(store).of("branches", epoch)
    codes = CodeReader.open(store, epoch=epoch, kinds=(*_SCORED, "shuffled"))
    dead = ~codes.alive()[: _n_scored(codes)]
    record_branches(store, epoch=epoch, device=device, batch_size=batch_size)
    blocks = [row for row in store.anatomy.layers if row.branches]
    parts = [
        _frame(store, epoch, row, branch, codes, dead, device=device)
        for row in (progress or silent)(blocks, desc=f"branches, epoch {epoch}")
        for branch in row.branches
    ]
    frame = together(parts, "branches")
    frame.loc[np.tile(dead, len(parts)), list(_SCORES)] = np.nan
    store.write_table("branches", epoch_key(epoch), frame, fingerprint=fingerprint)
    return frame


def _frame(
    store: Store, epoch: int, row: Layer, branch: str, codes: CodeReader, dead: np.ndarray, *, device: str
) -> pd.DataFrame:
    """A row for every concept and random direction; `dead` says which of them are."""
    acts = open_branch(store, epoch=epoch, block=row.layer, branch=branch)
    information, cka, without = _measured(acts, codes, store.study.probe, where=sums_device(device))
    n, n_concepts = _n_scored(codes), codes.widths["concept"]  # the shuffled ones stand behind them
    columns, shuffled = codes.columns[:n], np.full(n, np.nan)
    unbiased, biased, printed = (np.asarray(part.cpu()) for part in cka)
    shuffled[:n_concepts] = unbiased[n:]
    value, error = (np.asarray(part.cpu()) for part in information[:2])
    return pd.DataFrame(
        {
            "epoch": epoch,
            "block": row.layer,
            "branch": branch,
            "shortcut": row.shortcut,
            "kind": columns["kind"],
            "concept": columns["concept"],
            "cka": unbiased[:n],
            "cka_biased": biased[:n],
            "cka_as_printed": printed[:n],
            "cka_shuffled": shuffled,
            "v_information": value,
            "standard_error": error,
            "cka_jackknife": jackknife_cells(np.asarray(without.cpu()), unknown=dead),
            "jackknife": jackknife_cells(np.asarray(information.jackknife.cpu()), unknown=dead),
        }
    )


def _measured(
    acts: "zarr.Array[Any]", codes: CodeReader, probe: Probe, *, where: torch.device
) -> tuple[VInformation, ConceptCKA, torch.Tensor]:
    """One pass over a branch, one factorisation: I_V of concepts and directions, CKA of them and of shuffled ones.

    And CKA of concepts and directions without each group of images, (concept, group).
    """
    grouped, n_scored = GroupedSums(KernelSums, groups=probe.groups), _n_scored(codes)

    def chunks(half: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        first_of_half = 0 if half == "fit" else codes.n_fit
        for a, b in codes.chunks(half):
            x = torch.from_numpy(np.asarray(acts[a:b], dtype=np.float32)).to(where)
            z = torch.from_numpy(codes.rows(a, b)).to(where)
            grouped.add(x, z[:, :n_scored], first_image=a - first_of_half)
            yield x, z

    score: KernelSums | None = None

    def scored() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:  # one reading for the errors and for the sums
        nonlocal score
        for x, z in chunks("score"):
            if score is None:
                score = KernelSums.of(x, z)
            else:
                score.add(x, z)
            yield x, z[:, :n_scored]

    fit = KernelSums.over(chunks("fit"))
    own = fit.only(torch.arange(n_scored, device=where))
    information = v_information_streamed(own, scored(), penalties=probe.penalties, groups=probe.groups)
    assert score is not None
    return information, concept_cka_of_sums(fit.merge(score)), concept_cka_without_each(grouped)


def _n_scored(codes: CodeReader) -> int:
    return sum(codes.widths[kind] for kind in _SCORED)
