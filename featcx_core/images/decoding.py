"""Images that are decoded when they are read, by threads that work ahead of the network.

Nothing is stored. Memory holds a few batches, however many images there are.
"""

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int64, UInt8
from PIL import UnidentifiedImageError

from featcx_core.images.reading import Files, ImageArray
from featcx_core.images.transforms import Preprocessing
from featcx_core.study.fields import StudyError

N_AHEAD = 2
"""Batches that are decoded before they are needed."""
N_THREADS = min(16, os.cpu_count() or 1)
"""Threads that decode; Pillow reads and resizes without Python's lock."""
_NAMED = 5  # broken files in a message, at most
logger = logging.getLogger("featcx")


class Decoded:
    """Images that are decoded, resized and cropped at each reading.

    Args:
        files: the files to decode.
        steps: the transform.
        shape: (image, channel, height, width) after the transform.
    """

    def __init__(self, files: Files, steps: Preprocessing, *, shape: tuple[int, int, int, int]) -> None:
        self.files = files
        self.steps = steps
        self.shape: tuple[int, ...] = shape

    def __getitem__(self, rows: Int[np.ndarray, "_"]) -> UInt8[np.ndarray, "_ channel height width"]:
        (pixels,) = self.ahead([rows])
        return pixels

    def ahead(self, parts: Iterable[Int[np.ndarray, "_"]]) -> Iterator[UInt8[np.ndarray, "_ channel height width"]]:
        """Yield the pixels of each part; while one part is in use, the next two are decoded. Logs the time of waiting.

        Raises StudyError for a file that cannot be decoded.
        """
        started, waited, n_images = perf_counter(), 0.0, 0
        pool = ThreadPoolExecutor(N_THREADS)
        try:
            for pixels, jobs in self._submitted(pool, parts):
                before = perf_counter()
                for job in jobs:
                    job.result()
                waited += perf_counter() - before
                n_images += len(pixels)
                yield pixels
        finally:
            pool.shutdown(cancel_futures=True)
            seconds = perf_counter() - started
            logger.info(
                "%d images decoded in %.1f s, %.0f %% of it waiting for data", n_images, seconds, 100 * waited / seconds
            )

    def _submitted(
        self, pool: ThreadPoolExecutor, parts: Iterable[Int[np.ndarray, "_"]]
    ) -> Iterator[tuple[UInt8[np.ndarray, "_ channel height width"], list[Future[None]]]]:
        pending: deque[tuple[np.ndarray, list[Future[None]]]] = deque()
        for rows in parts:
            pixels = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
            jobs = [pool.submit(self._decode, row, pixels[i]) for i, row in enumerate(rows.tolist())]
            pending.append((pixels, jobs))
            if len(pending) > N_AHEAD:
                yield pending.popleft()
        yield from pending

    def _decode(self, row: int, pixels: UInt8[np.ndarray, "channel height width"]) -> None:
        try:
            image = self.steps.pixels(self.files.load(row), channels=self.shape[1])
        except Exception as error:  # a damaged file fails in many ways
            name = self.files.name(row)
            raise StudyError(f"{name} cannot be decoded ({_reason(error)}); replace or delete it") from error
        if image.shape != pixels.shape:
            raise StudyError(
                f"{self.files.name(row)}: wanted pixels {pixels.shape}, got {image.shape}; was it replaced?"
            )
        pixels[:] = image


def read_ahead(
    images: ImageArray, parts: Iterable[Int[np.ndarray, "_"]]
) -> Iterator[UInt8[np.ndarray, "_ channel height width"]]:
    """Yield the pixels of each part; images to decode are decoded while earlier parts are in use."""
    return images.ahead(parts) if isinstance(images, Decoded) else (images[rows] for rows in parts)


class _Headers(NamedTuple):
    """A summary of the headers of many image files."""

    broken: dict[int, str]
    """Reason why an image cannot be read, by image."""
    sizes: dict[tuple[int, int], int]
    """First image of each size, by width and height after the transform."""
    is_grey: bool
    """True if no image has colours."""


def decoded(
    files: Files, split: dict[str, Int64[np.ndarray, "_"]], steps: Preprocessing, *, n_images: int, broken_share: float
) -> tuple[Decoded, dict[str, Int64[np.ndarray, "_"]], tuple[str, ...]]:
    """Return the images to decode, the parts without broken images, and the names of the broken ones.

    Only the headers of the files are read. Raises StudyError if too many are broken or they are of several sizes.
    """
    headers = _headers(files, np.sort(np.concatenate(list(split.values()))), steps)
    names = tuple(files.name(row) for row in headers.broken)
    _refuse_broken(headers, names, n_used=sum(map(len, split.values())), share=broken_share)
    if len(headers.sizes) > 1:
        (size, first), (other, second) = list(headers.sizes.items())[:2]
        raise StudyError(
            f"data: wanted images of one size, got {size[0]} x {size[1]} pixels ({files.name(first)}) and "
            f"{other[0]} x {other[1]} ({files.name(second)}); state the input's, for instance "
            "data.transform = {crop = 224}"
        )
    ((width, height),) = headers.sizes
    channels = steps.channels or (1 if headers.is_grey else 3)
    if channels not in (1, 3):
        raise StudyError(f"data.transform: wanted 1 or 3 channels (values of mean and std), got {channels}")
    kept = {part: rows[~np.isin(rows, list(headers.broken))] for part, rows in split.items()}
    return Decoded(files, steps, shape=(n_images, channels, height, width)), kept, names


def _headers(files: Files, rows: Int64[np.ndarray, "_"], steps: Preprocessing) -> _Headers:
    broken: dict[int, str] = {}
    sizes: dict[tuple[int, int], int] = {}
    grey = True

    def inspected(row: int) -> tuple[int, int, bool] | str:
        try:
            header = files.inspect(row)
        except Exception as error:  # a damaged file fails in many ways; each means: broken
            return _reason(error)
        return *steps.size(header.width, header.height), header.is_grey

    with ThreadPoolExecutor(N_THREADS) as pool:
        for start in range(0, len(rows), 4096):  # a job for each of a million files would fill memory
            part = rows[start : start + 4096].tolist()
            for row, header in zip(part, pool.map(inspected, part), strict=True):
                if isinstance(header, str):
                    broken[row] = header
                else:
                    sizes.setdefault(header[:2], row)
                    grey = grey and header[2]
    return _Headers(broken, sizes, grey)


def _refuse_broken(headers: _Headers, names: tuple[str, ...], *, n_used: int, share: float) -> None:
    """Warn of broken files. Raise StudyError if their share is too large or no file is left."""
    if not names:
        return
    reasons = [f"{name} ({reason})" for name, reason in zip(names[:_NAMED], headers.broken.values(), strict=False)]
    listed = ", ".join(reasons) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    counted = f"{len(names)} of the {n_used} image files that are used cannot be read"
    if len(names) > share * n_used or not headers.sizes:
        limit = f", more than data.broken_share = {share:g}" if headers.sizes else ""
        raise StudyError(f"data: {counted}{limit}: {listed}; replace or delete them")
    logger.warning("data: %s and are left out: %s", counted, listed)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no image, or its beginning is damaged"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [""])[0] or type(error).__name__
