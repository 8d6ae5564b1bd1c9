"""Activations: forward hooks that copy and pool, streamed into chunked Zarr arrays.

One forward pass an epoch serves all layers. Memory holds a batch and, for every array, less than a chunk: never all
images. Arrays become visible together when the pass has ended; the caller holds the epoch's lock.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr
from jaxtyping import Float, Float32, Int64, Shaped
from zarr.codecs import ZstdCodec

from featcx_core.anatomy import Layer
from featcx_core.features.forward import Network, Tap, by_position, pooled, samples
from featcx_core.progress import Progress
from featcx_core.sources.checkpoints import fingerprints
from featcx_core.sources.images import Data, dictionary_images, load_data, probe_digest, selection_digest
from featcx_core.sources.landing import whereabouts
from featcx_core.store import Store

CHUNK_BYTES = 4 << 20
"""Rows of an array are collected up to this size: large enough for fast files, small enough to stream."""
logger = logging.getLogger("featcx")


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

    Layers whose activations are current are skipped; nothing missing, no forward pass. At the reference epoch the
    penultimate positions, (image, position, unit), come from the same pass. Returns the layers that were written.

    Raises ValueError for an unknown layer, NaN or infinite activations, or values beyond float16 where the study stores
    it; CheckpointError for an unusable checkpoint. Nothing is committed then.
    """
    missing = _missing(store, epoch, layers)
    if not missing:
        return []
    # The targets' fingerprints come first: of a checkpoint that is replaced meanwhile, what is made is stale.
    targets = list(_targets(store, epoch, missing, load_data(store.study)))
    network = Network.load(store, epoch=epoch, device=device)
    probe, dtype = network.data.probe, store.study.activations.dtype
    logger.info("forward pass: epoch %d, %d probe images, %d layers", epoch, len(probe), len(missing))
    with ExitStack() as stack:
        drafts = [stack.enter_context(store.writing(t.folder, fingerprint=t.fingerprint)) for t in targets]
        writers = [
            _Writer(zarr.create_array(store=str(draft), attributes=t.attributes, **layout(t.shape, dtype)))
            for draft, t in zip(drafts, targets, strict=True)
        ]
        passes = network.forward(probe, [t.tap for t in targets], batch_size=batch_size, progress=progress)
        for batch in passes:
            for values, writer, target in zip(batch, writers, targets, strict=True):
                writer.append(checked(values, epoch=epoch, layer=target.tap.layer, dtype=dtype))
        for writer in writers:
            writer.close()
    return missing


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
            writer = _Writer(group.create_array(str(class_id), **layout(shape, dtype)))
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
    scope `all`, one array of all classes. Raises as `record_activations`.
    """
    parts = _class_positions(store, epoch, device=device, batch_size=batch_size, progress=progress)
    if store.study.dictionary.scope == "all":
        yield np.concatenate(list(parts))
    else:
        yield from parts


def dictionary_activation_bytes(store: Store) -> int:
    """Size of an epoch's dictionary activations, before compression."""
    row, study = _penultimate(store), store.study
    images = sum(map(len, dictionary_images(load_data(study), study)))
    return images * row.n_samples * row.units * np.dtype(study.activations.dtype).itemsize


def checked(
    values: Float32[np.ndarray, "*shape"], *, epoch: int, layer: str, dtype: str
) -> Float[np.ndarray, "*shape"]:
    """The values in the type that is stored. Raises ValueError when some are not finite, or too large for it."""
    if broken := values.size - int(np.isfinite(values).sum()):
        raise ValueError(
            f"epoch {epoch}, layer {layer}: {broken} of {values.size} activations are NaN or infinite; "
            "the checkpoint's weights are broken: replace or delete it"
        )
    limit = float(np.finfo(dtype).max)
    if dtype != "float32" and (large := int((np.abs(values) > limit).sum())):
        raise ValueError(
            f"epoch {epoch}, layer {layer}: {large} activations are beyond {dtype}'s {limit:g}; "
            'use activations.dtype = "float32"'
        )
    return values.astype(dtype, copy=False)


class _Target(NamedTuple):
    """An array to be written."""

    folder: Path
    tap: Tap
    shape: tuple[int, ...]
    attributes: dict[str, Any]
    fingerprint: str


class _Writer:
    """Appends rows to a Zarr array, whole chunks at a time: a part of a chunk would be read and written again.

    Rows are copied into one buffer. Kept as they come, they would lie between the maps of the forward pass, whose
    memory could then not be used again: 16 MB a batch were lost so.
    """

    def __init__(self, array: zarr.Array[Any]) -> None:
        self.array = array
        self.buffer = np.empty((array.chunks[0], *array.shape[1:]), dtype=array.dtype)
        self.n_held = self.n_written = 0

    def append(self, rows: Shaped[np.ndarray, "image ..."]) -> None:
        """Rows that follow the last ones."""
        while len(rows):
            part = rows[: len(self.buffer) - self.n_held]
            self.buffer[self.n_held : self.n_held + len(part)] = part
            self.n_held += len(part)
            rows = rows[len(part) :]
            if self.n_held == len(self.buffer):
                self._write()

    def close(self) -> None:
        """The last, smaller chunk."""
        self._write()
        assert self.n_written == self.array.shape[0]

    def _write(self) -> None:
        if self.n_held:
            self.array[self.n_written : self.n_written + self.n_held] = self.buffer[: self.n_held]
            self.n_written, self.n_held = self.n_written + self.n_held, 0


def layout(shape: tuple[int, ...], dtype: str) -> dict[str, Any]:
    """Chunks of whole rows, compressed fast (twice as small for ReLU activations)."""
    row_bytes = int(np.prod(shape[1:])) * np.dtype(dtype).itemsize
    rows = max(1, min(shape[0], CHUNK_BYTES // row_bytes))
    compressor = ZstdCodec(level=1)
    return {"shape": shape, "chunks": (rows, *shape[1:]), "dtype": dtype, "compressors": compressor}


def _missing(store: Store, epoch: int, layers: Sequence[str] | None) -> list[str]:
    """The layers to record, in forward order."""
    names, prints = store.anatomy.names, fingerprints(store)
    if unknown := set(layers or ()) - set(names):
        raise ValueError(f"unknown layer {sorted(unknown)[0]!r}; layers: {', '.join(names)}")
    if epoch not in prints.digests:
        there = ", ".join(map(str, sorted(prints.digests))) or "none"
        raise ValueError(f"epoch {epoch}: no usable checkpoint in {whereabouts(store)}; epochs there: {there}")
    missing = []
    for name in names if layers is None else [name for name in names if name in set(layers)]:
        folders = [store.activations(epoch, name)]
        if _has_positions(store, epoch, name):
            folders.append(store.positions(epoch))
        if any(store.committed(folder) != prints.of("activations", epoch, name) for folder in folders):
            missing.append(name)
    return missing


def _has_positions(store: Store, epoch: int, layer: str) -> bool:
    return epoch == store.study.reference_epoch and layer == store.anatomy.penultimate


def _targets(store: Store, epoch: int, layers: list[str], data: Data) -> Iterator[_Target]:
    """The arrays of the layers, and the penultimate positions where they are kept."""
    prints, pooling, n = fingerprints(store), store.study.activations.pooling, len(data.probe)
    about = {"epoch": epoch, "n_fit": len(data.split["fit"]), "images": probe_digest(store.study)}
    for row in store.anatomy.layers:
        if row.layer not in layers:
            continue
        fingerprint, reads = prints.of("activations", epoch, row.layer), pooled(row, pooling)
        attributes = {"layer": row.layer, "pooling": "gap" if row.role == "penultimate" else pooling, **about}
        folder = store.activations(epoch, row.layer)
        yield _Target(folder, Tap(row.layer, reads), (n, row.units), attributes, fingerprint)
        if _has_positions(store, epoch, row.layer):
            attributes = {"layer": row.layer, "height": row.height, "width": row.width, **about}
            shape = (n, row.height * row.width, row.units)
            yield _Target(store.positions(epoch), Tap(row.layer, by_position(row)), shape, attributes, fingerprint)


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
