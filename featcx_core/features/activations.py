"""Activations: forward hooks that copy and pool, streamed into chunked Zarr arrays.

One forward pass an epoch serves all layers. Memory holds a batch and, for every array, less than a chunk: never all
images. Arrays become visible together when the pass has ended; the caller holds the epoch's lock.
"""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr
from jaxtyping import Float32, Int64

from featcx_core.checkpoints.landing import whereabouts
from featcx_core.checkpoints.survey import fingerprints
from featcx_core.features.forward import Network, Tap, by_position, pooled, pooled_branch, samples
from featcx_core.features.writing import Writer, checked, layout
from featcx_core.images.data import dictionary_images, load_data, probe_digest, selection_digest
from featcx_core.networks.anatomy import Layer
from featcx_core.progress import Progress
from featcx_core.store.places import Store

logger = logging.getLogger("featcx")

_WRITERS = 4
"""Arrays that are written side by side."""


def record_activations(
    store: Store,
    *,
    epoch: int,
    layers: Sequence[str] | None = None,
    device: str = "auto",
    batch_size: int = 256,
    progress: Progress | None = None,
) -> list[str]:
    """Record the pooled activations of the probe images (fit, then score), (image, unit), for all layers or some.

    What is current is skipped; nothing missing, no forward pass. From the same pass come the penultimate positions,
    (image, position, unit), at the reference epoch, and the branches of residual blocks, (image, unit), at the epochs
    at which the study asks for them. Returns the layers of which something was written.

    Raises ValueError for an unknown layer, NaN or infinite activations, or values beyond float16 where the study stores
    it; CheckpointError for an unusable checkpoint. Nothing is committed then.
    """
    rows, wanted = _rows(store, epoch, layers), store.study.analyses.run
    has_branches = "branches" in wanted and epoch in store.study.detailed_epochs(fingerprints(store).digests)
    targets = _stale(store, [t for row in rows for t in _targets(store, epoch, row, has_branches=has_branches)])
    _record(store, targets, epoch=epoch, device=device, batch_size=batch_size, progress=progress)
    written = {target.tap.layer for target in targets}
    return [row.layer for row in rows if row.layer in written]


def record_branches(store: Store, *, epoch: int, device: str = "auto", batch_size: int = 256) -> None:
    """Record the branches of residual blocks, (image, unit), that did not come with the activations.

    Raises as `record_activations`.
    """
    targets = [t for row in _rows(store, epoch, None) for t in _branch_targets(store, epoch, row)]
    _record(store, _stale(store, targets), epoch=epoch, device=device, batch_size=batch_size, progress=None)


def open_branch(store: Store, *, epoch: int, block: str, branch: str) -> zarr.Array[Any]:
    """The committed activations of the probe images in a block's branch, (image, unit). Raises ValueError for none."""
    folder = store.branch(epoch, block, branch)
    if store.committed(folder) is None:
        raise ValueError(f"epoch {epoch}, block {block}: no activations of its branch {branch} at {folder}")
    return zarr.open_array(str(folder), mode="r")


def _record(
    store: Store,
    targets: Sequence["_Target"],
    *,
    epoch: int,
    device: str,
    batch_size: int,
    progress: Progress | None,
) -> None:
    """Write the arrays in one forward pass; none at all where there are none."""
    if not targets:
        return
    # The targets' fingerprints came first: of a checkpoint that is replaced meanwhile, what is made is stale.
    network = Network.load(store, epoch=epoch, device=device)
    probe, dtype = network.data.probe, store.study.activations.dtype
    n_layers = len({target.tap.layer for target in targets})
    logger.info("forward pass: epoch %d, %d probe images, %d layers", epoch, len(probe), n_layers)
    with ExitStack() as stack:
        drafts = [stack.enter_context(store.writing(t.folder, fingerprint=t.fingerprint)) for t in targets]
        writers = [
            Writer(zarr.create_array(store=str(draft), attributes=t.attributes, **layout(t.shape, dtype)))
            for draft, t in zip(drafts, targets, strict=True)
        ]
        passes = network.forward(probe, [t.tap for t in targets], batch_size=batch_size, progress=progress)

        def append(values: Float32[np.ndarray, "image ..."], writer: Writer, target: _Target) -> None:
            writer.append(checked(values, epoch=epoch, layer=target.tap.layer, dtype=dtype))

        # Chunks of all arrays fill in the same batch; compressing them side by side takes two thirds of the time.
        pool = stack.enter_context(ThreadPoolExecutor(_WRITERS))
        for batch in passes:
            list(pool.map(append, batch, writers, targets))
        list(pool.map(Writer.close, writers))


def open_activations(store: Store, *, epoch: int, layer: str) -> zarr.Array[Any]:
    """The committed activations of the probe images at a layer, (image, unit); the first `n_fit` rows are the fit half.

    Raises ValueError when there are none.
    """
    folder = store.activations(epoch, layer)
    if store.committed(folder) is None:
        raise ValueError(f"epoch {epoch}, layer {layer}: no activations at {folder}; record them first")
    return zarr.open_array(str(folder), mode="r")


def record_dictionary_activations(
    store: Store, *, epoch: int, device: str = "auto", batch_size: int = 256, progress: Progress | None = None
) -> bool:
    """Record the dictionary images' penultimate activations: for each class one array (image, position, unit).

    Returns whether they lie in the store afterwards: they do not where they are more than the study keeps
    (`dictionary.keep_positions_gb`), and then no forward pass is made and an empty group is committed, which says that
    the fit streams them. What is current is left as it is. Raises as `record_activations`.
    """
    fingerprint, folder = fingerprints(store).of("dictionary_activations", epoch), store.dictionary_activations(epoch)
    if store.committed(folder) == fingerprint:
        return _is_kept(folder)
    if dictionary_activation_bytes(store) > store.study.dictionary.keep_positions_gb * 1e9:
        with store.writing(folder, fingerprint=fingerprint) as draft:
            zarr.create_group(store=str(draft), attributes={"kept": False, "epoch": epoch})
        return False
    network, row = Network.load(store, epoch=epoch, device=device), _penultimate(store)
    dtype, images = store.study.activations.dtype, dictionary_images(network.data, store.study)
    logger.info("forward pass: epoch %d, %d training images, positions of %s", epoch, sum(map(len, images)), row.layer)
    with store.writing(folder, fingerprint=fingerprint) as draft:
        about = {"kept": True, "layer": row.layer, "height": row.height, "width": row.width, "epoch": epoch}
        about["images"] = selection_digest(images)
        group = zarr.create_group(store=str(draft), attributes=about)
        parts = _by_class(network, images, row, batch_size=batch_size, progress=progress)
        for class_id, indices, pieces in parts:
            shape = (len(indices), row.n_samples, row.units)
            writer = Writer(group.create_array(str(class_id), **layout(shape, dtype)))
            for values in pieces:
                writer.append(checked(values, epoch=epoch, layer=row.layer, dtype=dtype))
            writer.close()
    return True


def class_positions(
    store: Store, *, epoch: int, device: str = "auto", batch_size: int = 256, progress: Progress | None = None
) -> Iterator[Float32[np.ndarray, "sample unit"]]:
    """The samples of each dictionary: penultimate activations, every position of every image, class after class.

    Of a class token, where the head reads that.

    From the store where they are committed, otherwise by a forward pass, class by class, with the same numbers. With
    scope `all`, one array of all classes, however many: one factorisation goes over all samples again and again.
    Raises as `record_activations`.
    """
    parts = _class_positions(store, epoch, device=device, batch_size=batch_size, progress=progress)
    if store.study.dictionary.scope == "all":
        yield _joined(store, parts)
    else:
        yield from parts


def _joined(store: Store, parts: Iterator[Float32[np.ndarray, "_ unit"]]) -> Float32[np.ndarray, "sample unit"]:
    """All of them in one array, beside which one part at a time is held."""
    row, study = _penultimate(store), store.study
    n_samples = row.n_samples * sum(map(len, dictionary_images(load_data(study), study)))
    samples = np.empty((n_samples, row.units), dtype=np.float32)
    if samples.nbytes > study.dictionary.keep_positions_gb * 1e9:
        logger.warning(
            "one dictionary over all images is fitted on %.1f GB in memory; dictionary.images_per_class makes it less",
            samples.nbytes / 1e9,
        )
    start = 0
    for part in parts:
        samples[start : start + len(part)] = part
        start += len(part)
    assert start == n_samples
    return samples


def dictionary_activation_bytes(store: Store) -> int:
    """Size of an epoch's dictionary activations, before compression."""
    row, study = _penultimate(store), store.study
    images = sum(map(len, dictionary_images(load_data(study), study)))
    return images * row.n_samples * row.units * np.dtype(study.activations.dtype).itemsize


class _Target(NamedTuple):
    """An array to be written."""

    folder: Path
    tap: Tap
    shape: tuple[int, ...]
    attributes: dict[str, Any]
    fingerprint: str


def _rows(store: Store, epoch: int, layers: Sequence[str] | None) -> list[Layer]:
    """The layers asked for, in forward order."""
    anatomy, digests = store.anatomy, fingerprints(store).digests
    if unknown := set(layers or ()) - set(anatomy.names):
        raise ValueError(f"unknown layer {sorted(unknown)[0]!r}; layers: {', '.join(anatomy.names)}")
    if epoch not in digests:
        there = ", ".join(map(str, sorted(digests))) or "none"
        raise ValueError(f"epoch {epoch}: no usable checkpoint in {whereabouts(store)}; epochs there: {there}")
    return [row for row in anatomy.layers if layers is None or row.layer in layers]


def _stale(store: Store, targets: list[_Target]) -> list[_Target]:
    return [target for target in targets if store.committed(target.folder) != target.fingerprint]


def _targets(store: Store, epoch: int, row: Layer, *, has_branches: bool) -> Iterator[_Target]:
    """The arrays of a layer: its activations, the penultimate positions where they are kept, its branches."""
    pooling, about, n = _pooling(store, row), _about(store, epoch), len(load_data(store.study).probe)
    fingerprint = fingerprints(store).of("activations", epoch, row.layer)
    attributes = {"layer": row.layer, "pooling": pooling, **about}
    folder, tap = store.activations(epoch, row.layer), Tap(row.layer, pooled(row, pooling))
    yield _Target(folder, tap, (n, row.units), attributes, fingerprint)
    if epoch == store.study.reference_epoch and row.role == "penultimate":
        attributes = {"layer": row.layer, "height": row.height, "width": row.width, **about}
        shape = (n, row.height * row.width, row.units)
        yield _Target(store.positions(epoch), Tap(row.layer, by_position(row)), shape, attributes, fingerprint)
    if has_branches:
        yield from _branch_targets(store, epoch, row)


def _branch_targets(store: Store, epoch: int, row: Layer) -> Iterator[_Target]:
    pooling, about, n = _pooling(store, row), _about(store, epoch), len(load_data(store.study).probe)
    prints = fingerprints(store)
    for name, branch in row.branches.items():
        attributes = {"layer": row.layer, "branch": name, "pooling": pooling, **about}
        tap = Tap(row.layer, pooled_branch(row, pooling), branch)
        fingerprint = prints.of_branch(epoch, row.layer, name)
        yield _Target(store.branch(epoch, row.layer, name), tap, (n, row.units), attributes, fingerprint)


def _pooling(store: Store, row: Layer) -> str:
    return "gap" if row.role == "penultimate" else store.study.activations.pooling


def _about(store: Store, epoch: int) -> dict[str, Any]:
    data = load_data(store.study)
    return {"epoch": epoch, "n_fit": len(data.split["fit"]), "images": probe_digest(store.study)}


def _class_positions(
    store: Store, epoch: int, *, device: str, batch_size: int, progress: Progress | None
) -> Iterator[Float32[np.ndarray, "sample unit"]]:
    folder, row = store.dictionary_activations(epoch), _penultimate(store)
    if store.committed(folder) == fingerprints(store).of("dictionary_activations", epoch) and _is_kept(folder):
        group = zarr.open_group(str(folder), mode="r")
        for class_id in range(len(load_data(store.study).class_names)):
            yield np.asarray(group[str(class_id)]).reshape(-1, row.units).astype(np.float32)
        return
    network = Network.load(store, epoch=epoch, device=device)
    dtype, images = store.study.activations.dtype, dictionary_images(network.data, store.study)
    logger.info("forward pass: epoch %d, %d training images, positions of %s", epoch, sum(map(len, images)), row.layer)
    for _, _, pieces in _by_class(network, images, row, batch_size=batch_size, progress=progress):
        # Through the stored type, so that keeping the positions or not changes no number.
        rows = [checked(values, epoch=epoch, layer=row.layer, dtype=dtype) for values in pieces]
        yield np.concatenate(rows).reshape(-1, row.units).astype(np.float32)


def _by_class(
    network: Network,
    images: list[Int64[np.ndarray, "_"]],
    row: Layer,
    *,
    batch_size: int,
    progress: Progress | None,
) -> Iterator[tuple[int, Int64[np.ndarray, "image"], Iterator[Float32[np.ndarray, "_ position unit"]]]]:
    """(class, its images, their values in pieces), from one pass over all: a batch may hold several classes."""
    ends = np.cumsum([len(indices) for indices in images])
    passes = network.forward(
        np.concatenate(images), [Tap(row.layer, samples(row))], batch_size=batch_size, progress=progress
    )
    done, values = 0, np.empty((0, row.n_samples, row.units), dtype=np.float32)

    def pieces(end: int) -> Iterator[Float32[np.ndarray, "_ position unit"]]:
        nonlocal done, values
        while done < end:
            if not len(values):
                (values,) = next(passes)
            piece, values = values[: end - done], values[end - done :]
            done += len(piece)
            yield piece

    for class_id, (indices, end) in enumerate(zip(images, ends.tolist(), strict=True)):
        yield class_id, indices, pieces(end)
    next(passes, None)  # ends it


def _is_kept(folder: Path) -> bool:
    return bool(zarr.open_group(str(folder), mode="r").attrs["kept"])


def _penultimate(store: Store) -> Layer:
    return next(row for row in store.anatomy.layers if row.role == "penultimate")
