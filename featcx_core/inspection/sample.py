"""The analysis of an epoch on a sample, timed, and scaled to the whole by counted operations.

Everything is "about": a few seconds of work stand for hours, and the activations are those of one checkpoint.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import zarr
from jaxtyping import Float32

from featcx_core.analyses.features import N_RANDOM_DIRECTIONS
from featcx_core.features.dictionary import Dictionary, fit_class_dictionaries
from featcx_core.features.moments import Moments
from featcx_core.features.nnls import Encoder
from featcx_core.features.writing import layout
from featcx_core.inspection.passes import timed
from featcx_core.measures.correlations import correlation
from featcx_core.measures.redundancy import redundancy
from featcx_core.measures.v_information import as_printed, v_information_streamed
from featcx_core.study.fields import Study

_ATOMS = 2000  # more are taken to cost in proportion to their square
_CODED = 512  # images
_ROWS, _COLUMNS = 2048, 4000  # images and codes of a layer's sums; more are taken to cost in proportion


class Stored(NamedTuple):
    """An array on disk."""

    share: float
    """Bytes there, of those in memory."""
    byte_seconds: float
    """To compress and write a byte."""


def dictionary_seconds(
    positions: Float32[np.ndarray, "image position unit"],
    study: Study,
    *,
    counts: Sequence[int],
    method: str,
    device: torch.device,
) -> tuple[float, Float32[np.ndarray, "concept unit"]]:
    """Time for an epoch's dictionary, from the classes that the sample has whole, and the atoms of these.

    `counts` are the images behind each dictionary, in the order of the sample. Raises ValueError for activations that
    the method does not take.
    """
    n_atoms, ends = study.dictionary.atoms_per_class, np.minimum(np.cumsum(counts), len(positions))
    n_whole = max(1, int((np.cumsum(counts) <= len(positions)).sum()))
    parts = [
        positions[start:end].reshape(-1, positions.shape[2])
        for start, end in zip([0, *ends[: n_whole - 1]], ends[:n_whole], strict=True)
    ]
    samples = [torch.from_numpy(np.resize(part, (max(len(part), n_atoms), part.shape[1]))).to(device) for part in parts]
    classes = list(range(n_whole)) if study.dictionary.scope == "class" else [-1]

    def fitted() -> Dictionary:
        return fit_class_dictionaries(samples, classes=classes, n_atoms=n_atoms, method=method, seed=study.seed)

    seconds, dictionary = timed(fitted)
    share = sum(map(len, samples)) / (sum(counts) * positions.shape[1])
    alive = ~torch.as_tensor(dictionary.dead).cpu().numpy()
    return seconds / share, torch.as_tensor(dictionary.atoms).cpu().numpy()[alive]


def codes_seconds(
    acts: Float32[np.ndarray, "image unit"],
    atoms: Float32[np.ndarray, "concept unit"],
    study: Study,
    *,
    n_concepts: int,
    n_images: int,
    device: torch.device,
) -> tuple[float, float]:
    """Time for the codes of so many images in so many concepts, and the share of codes that are not zero.

    Where there are fewer atoms, varied activations stand in for them.
    """
    rng, n_coded = np.random.default_rng(study.seed), min(n_images, _CODED)
    n_lacking = max(0, min(n_concepts, _ATOMS) - len(atoms))
    more = acts[rng.integers(len(acts), size=n_lacking)] * rng.uniform(0.5, 1.5, (n_lacking, acts.shape[1]))
    every = np.concatenate([atoms, more]).astype(np.float32)[: min(n_concepts, _ATOMS)]
    norms = np.linalg.norm(every, axis=1, keepdims=True)
    unit = torch.from_numpy((every / np.where(norms > 0, norms, 1))[norms[:, 0] > 0]).to(device)
    x = torch.from_numpy(np.resize(acts, (n_coded, acts.shape[1]))).to(device)
    l1, l2 = study.dictionary.l1, study.dictionary.l2
    shared, encode = timed(lambda: Encoder(unit, l1=l1, l2=l2))
    seconds, n_active = timed(lambda: encode(x).n_active.double().mean().item())
    larger = (max(n_concepts, len(unit)) / len(unit)) ** 2
    return larger * (shared + seconds * n_images / n_coded), n_active / len(unit)


def information_seconds(study: Study, *, units: int, columns: int, n_half: int, device: torch.device) -> float:
    """Time for V-information from a layer, sums, factorisations and errors: on random numbers of that size."""
    rows, width = min(n_half, _ROWS), min(columns, _COLUMNS)
    generator = torch.Generator().manual_seed(study.seed)
    x, z = (torch.rand(rows, size, generator=generator).to(device) for size in (units, width))
    penalties, groups = study.probe.penalties, min(study.probe.groups, rows)

    def chunks() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return ((x[start : start + _CODED], z[start : start + _CODED]) for start in range(0, rows, _CODED))

    def measured() -> None:
        fit = Moments.over(chunks())
        v_information_streamed(fit, chunks(), penalties=penalties, groups=groups).v_information.cpu()
        as_printed(fit.merge(Moments.over(chunks())))

    return timed(measured)[0] * _operations(n_half, units, columns) / _operations(rows, units, width)


def correlation_seconds(study: Study, *, n_concepts: int) -> float:
    """Time for a correlation with controls, and its interval."""
    x, y, *controls = np.random.default_rng(study.seed).random((4, n_concepts))
    n = study.analyses.bootstrap
    return timed(lambda: correlation(x, y, controls=np.stack(controls, axis=1), n_bootstrap=n, seed=0))[0]


def redundancy_seconds(study: Study, *, n_units: int, n_concepts: int, device: torch.device) -> float:
    """Time for the redundancy of an epoch, of all images and without each group of them: so much a level and a mask."""
    settings, n_columns = study.redundancy, n_concepts + N_RANDOM_DIRECTIONS
    taken = min(n_columns, _COLUMNS)
    sums = torch.from_numpy(np.random.default_rng(study.seed).random((n_units, n_units + taken))).to(device)
    gram, cross = sums[:, :n_units] + sums[:, :n_units].T, sums[:, n_units:]

    def seconds(share: float, n_masks: int) -> float:
        def once() -> torch.Tensor:
            found: torch.Tensor = redundancy(gram, cross, masked_fraction=share, n_masks=n_masks, seed=0).redundancy
            return found.cpu()

        return min(timed(once)[0] for _ in range(2))

    of_levels = 0.0
    for share in settings.masked_fractions:
        of_one, of_three = seconds(share, 1), seconds(share, 3)
        of_levels += of_one + max(0.0, of_three - of_one) / 2 * (settings.masks - 1)
    return (1 + study.probe.groups) * of_levels * n_columns / taken


def stored(values: np.ndarray, *, dtype: str) -> Stored:
    """What it takes to write an array as activations are written."""
    size = values.size * np.dtype(dtype).itemsize
    with tempfile.TemporaryDirectory() as folder:

        def write() -> None:
            array: zarr.Array[Any] = zarr.create_array(store=f"{folder}/x.zarr", **layout(values.shape, dtype))
            array[:] = values.astype(dtype)

        seconds, _ = timed(write)
        n_bytes = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return Stored(n_bytes / size, seconds / size)


def _operations(n: int, units: int, columns: int) -> int:
    """Products of both halves, two eigendecompositions, projections."""
    return 4 * n * units * (units + columns) + 18 * units**3 + 6 * units**2 * columns
