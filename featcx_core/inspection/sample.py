"""Parts of a study on a sample of its own images, timed, and what they take on disk.

Everything is "about": a few seconds of work stand for hours, and the activations are those of one checkpoint.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
import zarr
from jaxtyping import Float32

from featcx_core.anatomy import Anatomy
from featcx_core.features.activations import checked, layout
from featcx_core.features.dictionary import fit_class_dictionaries
from featcx_core.features.forward import Network, Tap, by_position, pooled
from featcx_core.features.moments import Moments
from featcx_core.features.nnls import Encoder
from featcx_core.measures.correlations import correlation
from featcx_core.measures.v_information import as_printed, v_information_streamed
from featcx_core.sources.images import batches, dictionary_images
from featcx_core.sources.recipe import sgd
from featcx_core.study import Study

T = TypeVar("T")
_SECONDS = 6.0  # of forward passes
_IMAGES = (16, 512)  # of them, at least and at most
_ATOMS = 2000  # more are taken to cost in proportion to their square
_CODED = 512  # images
_ROWS, _COLUMNS = 2048, 4000  # images and codes of a layer's sums; more are taken to cost in proportion


class Forward(NamedTuple):
    """A forward pass with everything taken from it that is recorded."""

    image_seconds: float
    """An image."""
    pooled: list[Float32[np.ndarray, "image unit"]]
    """Of each layer."""
    positions: Float32[np.ndarray, "image position unit"]
    """Of the penultimate layer."""
    map_bytes: int
    """The largest output of a module, an image."""
    all_bytes: int
    """All outputs of modules without parts, an image: what training keeps."""


class Stored(NamedTuple):
    """An array on disk."""

    share: float
    """Bytes there, of those in memory."""
    byte_seconds: float
    """To compress and write a byte."""


def forward(network: Network, study: Study, anatomy: Anatomy) -> Forward:
    """Some seconds of forward passes over dictionary images, class after class."""
    rows = np.concatenate(dictionary_images(network.data, study))
    reads = study.activations.pooling
    taps = [Tap(row.layer, pooled(row, reads)) for row in anatomy.layers]
    taps.append(Tap(anatomy.penultimate, by_position(next(r for r in anatomy.layers if r.role == "penultimate"))))
    sizes = _output_bytes(network)
    few = rows[: _IMAGES[0]]
    list(network.forward(few, taps))  # the first time is slow
    seconds, _ = timed(lambda: list(network.forward(few, taps)))
    fewest, most = _IMAGES
    n_images = int(np.clip(_SECONDS * len(few) / seconds, fewest, most))
    seconds, taken = timed(lambda: list(network.forward(rows[:n_images], taps)))
    *layers, positions = (np.concatenate(parts) for parts in zip(*taken, strict=True))
    for row, values in zip(anatomy.layers, layers, strict=True):
        checked(values, epoch=0, layer=row.layer, dtype=study.activations.dtype)
    return Forward(seconds / len(positions), layers, positions, max(sizes), sum(sizes))


def training_seconds(network: Network, study: Study) -> float:
    """A step of training, an image; the network is changed."""
    n_images = min(study.training.batch_size, len(network.data.split["train"]))
    rows = network.data.split["train"][:n_images]
    labels = torch.tensor(network.data.labels[rows], device=network.device)
    optimizer = sgd(network.model, study)
    network.model.train()

    def step() -> float:
        (images,) = batches(network.data, rows, batch_size=n_images, device=network.device)
        loss = torch.nn.functional.cross_entropy(network.model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    step()
    seconds = min(timed(step)[0] for _ in range(3))
    network.model.eval()
    return seconds / n_images


def dictionary_seconds(
    positions: Float32[np.ndarray, "image position unit"], counts: Sequence[int], study: Study, device: torch.device
) -> tuple[float, Float32[np.ndarray, "concept unit"]]:
    """An epoch's dictionary, from that of the classes that the sample has, and their atoms.

    `counts` are the dictionary images of each class, or of all.
    """
    n_atoms, ends = study.dictionary.atoms_per_class, np.cumsum(counts)
    whole = max(1, int((ends <= len(positions)).sum()))
    starts = [0, *ends[: whole - 1].tolist()]
    parts = [positions[a:b].reshape(-1, positions.shape[2]) for a, b in zip(starts, ends[:whole], strict=True)]
    if len(parts[0]) < n_atoms:  # a class of which few images fit into the sample
        parts = [np.resize(parts[0], (n_atoms, parts[0].shape[1]))]
    samples = [torch.from_numpy(part).to(device) for part in parts]
    classes = list(range(len(parts))) if study.dictionary.scope == "class" else [-1]
    seconds, fitted = timed(lambda: fit_class_dictionaries(samples, classes=classes, n_atoms=n_atoms, seed=study.seed))
    share = sum(map(len, parts)) / (int(ends[-1]) * positions.shape[1])
    atoms = torch.as_tensor(fitted.atoms).cpu().numpy()
    return seconds / share, atoms[~torch.as_tensor(fitted.dead).cpu().numpy()]


def codes_seconds(
    acts: Float32[np.ndarray, "image unit"],
    atoms: Float32[np.ndarray, "concept unit"],
    study: Study,
    *,
    n_concepts: int,
    n_images: int,
    device: torch.device,
) -> tuple[float, Float32[np.ndarray, "image concept"]]:
    """Codes of all probe images in a dictionary of that size, and some codes; activations stand in for atoms it lacks."""
    n_atoms, n_coded = min(n_concepts, _ATOMS), min(n_images, _CODED)
    rng = np.random.default_rng(study.seed)
    lacking = max(0, n_atoms - len(atoms))
    more = np.abs(acts[rng.integers(len(acts), size=lacking)] * rng.uniform(0.5, 1.5, (lacking, acts.shape[1])))
    more /= np.maximum(np.linalg.norm(more, axis=1, keepdims=True), 1e-12)
    full = torch.from_numpy(np.concatenate([atoms, more]).astype(np.float32)[:n_atoms]).to(device)
    full = full[full.norm(dim=1) > 0.5]
    x = torch.from_numpy(np.resize(acts, (n_coded, acts.shape[1]))).to(device)
    l1, l2 = study.dictionary.l1, study.dictionary.l2
    made, encode = timed(lambda: Encoder(full, l1=l1, l2=l2))
    seconds, codes = timed(lambda: encode(x).codes.cpu().numpy())
    larger = (n_concepts / max(1, len(full))) ** 2 if n_concepts > _ATOMS else 1.0
    return larger * (made + seconds * n_images / n_coded), codes


def information_seconds(study: Study, *, units: int, columns: int, n_half: int, device: torch.device) -> float:
    """V-information from a layer: sums, factorisation, errors; on random numbers of that size."""
    rows, width = min(n_half, _ROWS), min(columns, _COLUMNS)
    generator = torch.Generator().manual_seed(study.seed)
    x, z = (torch.rand(rows, size, generator=generator).to(device) for size in (units, width))

    def chunks() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return ((x[a : a + _CODED], z[a : a + _CODED]) for a in range(0, rows, _CODED))

    def measured() -> None:
        fit = Moments.over(chunks())
        found = v_information_streamed(
            fit, chunks(), penalties=study.probe.penalties, groups=min(study.probe.groups, rows)
        )
        Moments.over(chunks())  # of the score half
        as_printed(fit)
        found.v_information.cpu()

    counted = [
        4 * n * u * (u + c) + 18 * u**3 + 6 * u * u * c for n, u, c in ((n_half, units, columns), (rows, units, width))
    ]
    return timed(measured)[0] * counted[0] / counted[1]


def correlation_seconds(study: Study, *, n_concepts: int) -> float:
    """A correlation with controls, and its interval."""
    values = np.random.default_rng(study.seed).random((n_concepts, 4))
    n = study.analyses.bootstrap
    return timed(lambda: correlation(values[:, 0], values[:, 1], controls=values[:, 2:], n_bootstrap=n, seed=0))[0]


def stored(values: np.ndarray, *, dtype: str) -> Stored:
    """What writing an array as activations are written takes."""
    with tempfile.TemporaryDirectory() as folder:

        def write() -> None:
            array: zarr.Array[Any] = zarr.create_array(store=f"{folder}/a.zarr", **layout(values.shape, dtype))
            array[:] = values.astype(dtype)

        seconds, _ = timed(write)
        n_bytes = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    size = values.size * np.dtype(dtype).itemsize
    return Stored(n_bytes / size, seconds / size)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds, and what came of it."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _output_bytes(network: Network) -> list[int]:
    """Bytes that every module without parts gives, an image."""
    sizes: list[int] = []

    def note(_: torch.nn.Module, __: object, output: object) -> None:
        if isinstance(output, torch.Tensor):
            sizes.append(output.nbytes // len(output))

    leaves = [module for module in network.model.modules() if not any(module.children())]
    handles = [leaf.register_forward_hook(note) for leaf in leaves]
    try:
        list(network.forward(network.data.probe[:2], []))
    finally:
        for handle in handles:
            handle.remove()
    return sizes
