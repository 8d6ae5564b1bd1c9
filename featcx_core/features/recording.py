"""Recording: what hooks take from a forward pass, streamed into chunked Zarr arrays.

One forward pass serves all layers. Memory holds a batch and, for every array, less than a chunk: never all images.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr
from jaxtyping import Float32, Int64

from featcx_core.features.forward import Network, Tap, samples
from featcx_core.features.writing import Writer, checked, layout
from featcx_core.networks.anatomy import Layer
from featcx_core.progress import Progress

_WRITERS = 4
"""Arrays that are written side by side."""


class Target(NamedTuple):
    """An array to be written."""

    path: Path
    """Where its Zarr array lies."""
    tap: Tap
    """What is taken from the network."""
    shape: tuple[int, ...]
    """(image, …)."""
    attributes: dict[str, Any]
    """Stored with the array."""


def record(
    network: Network,
    images: Int64[np.ndarray, "image"],
    targets: Sequence[Target],
    *,
    dtype: str,
    epoch: int,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> None:
    """Write the arrays of all targets in one forward pass over the images.

    `dtype` is the stored type; `epoch` is named in errors. Raises ValueError for NaN or infinite activations, or values
    beyond float16 where that is stored.
    """
    writers = [
        Writer(zarr.create_array(store=str(t.path), attributes=t.attributes, **layout(t.shape, dtype))) for t in targets
    ]
    passes = network.forward(images, [target.tap for target in targets], batch_size=batch_size, progress=progress)

    def append(values: Float32[np.ndarray, "image ..."], writer: Writer, target: Target) -> None:
        writer.append(checked(values, epoch=epoch, layer=target.tap.layer, dtype=dtype))

    # Chunks of all arrays fill in the same batch; compressing them side by side takes two thirds of the time.
    with ThreadPoolExecutor(_WRITERS) as pool:
        for batch in passes:
            list(pool.map(append, batch, writers, targets))
        list(pool.map(Writer.close, writers))


def by_class(
    network: Network,
    images: list[Int64[np.ndarray, "_"]],
    row: Layer,
    *,
    batch_size: int,
    progress: Progress | None,
) -> Iterator[tuple[int, Int64[np.ndarray, "image"], Iterator[Float32[np.ndarray, "_ position unit"]]]]:
    """Yield each class, its images and their values in pieces; one pass serves all, a batch may hold several classes.

    `images` are the indices of each class; `row` is the layer whose samples are taken.
    """
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
