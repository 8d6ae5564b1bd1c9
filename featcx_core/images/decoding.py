"""Images that are decoded when they are read, by threads that work ahead of the network.

Nothing is stored, and memory holds a few batches, however many images there are.
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
"""Batches that are decoded before they are asked for."""
N_THREADS = min(16, os.cpu_count() or 1)
"""Pillow reads and resizes without Python's lock."""
_NAMED = 5  # broken files in a message
logger = logging.getLogger("featcx")


class Decoded:
    """Images that are decoded, resized and cropped at every reading.

    Args:
        files: what is decoded.
        steps: the transform.
        shape: (image, channel, height, width) that it leads to.
    """

    def __init__(self, files: Files, steps: Preprocessing, *, shape: tuple[int, int, int, int]) -> None:
        self.files = files
        self.steps = steps
        self.shape: tuple[int, ...] = shape

    def __getitem__(self, rows: Int[np.ndarray, "_"]) -> UInt8[np.ndarray, "_ channel height width"]:
        (pixels,) = self.ahead([rows])
        return pixels

    def ahead(self, parts: Iterable[Int[np.ndarray, "_"]]) -> Iterator[UInt8[np.ndarray, "_ channel height width"]]:
        """Part after part; while one is used, the next two are decoded. Says at the end how long it was waited for.

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
            found = self.steps.pixels(self.files.load(row), channels=self.shape[1])
        except Exception as error:  # a damaged file fails in many ways
            name = self.files.name(row)
            raise StudyError(f"{name} cannot be decoded ({_reason(error)}); replace or delete it") from error
        if found.shape != pixels.shape:
            raise StudyError(
                f"{self.files.name(row)}: wanted pixels {pixels.shape}, got {found.shape}; was it replaced?"
            )
        pixels[:] = found


def read_ahead(
    images: ImageArray, parts: Iterable[Int[np.ndarray, "_"]]
) -> Iterator[UInt8[np.ndarray, "_ channel height width"]]:
    """Images, part after part; those that must be decoded are, while the parts before are used."""
    return images.ahead(parts) if isinstance(images, Decoded) else (images[rows] for rows in parts)


class _Survey(NamedTuple):
    """What the headers of the images say."""

    broken: dict[int, str]
    """Reason for each image that cannot be read."""
    sizes: dict[tuple[int, int], int]
    """Width and height after the transform -> the first image that has them."""
    is_grey: bool
    """Whether none has colours."""


def decoded(
    files: Files, split: dict[str, Int64[np.ndarray, "_"]], steps: Preprocessing, *, n_images: int, broken_share: float
) -> tuple[Decoded, dict[str, Int64[np.ndarray, "_"]], tuple[str, ...]]:
    """The images that the study uses, its parts without the broken ones, and the names of these.

    Only the headers of files are read. Raises StudyError where too many are broken, or they are of several sizes.
    """
    survey = _survey(files, np.sort(np.concatenate(list(split.values()))), steps)
    names = tuple(files.name(row) for row in survey.broken)
    _refuse_broken(survey, names, n_used=sum(map(len, split.values())), share=broken_share)
    if len(survey.sizes) > 1:
        (one, first), (two, second) = list(survey.sizes.items())[:2]
        raise StudyError(
            f"data: wanted images of one size, got {one[0]} x {one[1]} pixels ({files.name(first)}) and "
            f"{two[0]} x {two[1]} ({files.name(second)}); state the input's, for instance "
            "data.transform = {crop = 224}"
        )
    ((width, height),) = survey.sizes
    channels = steps.channels or (1 if survey.is_grey else 3)
    if channels not in (1, 3):
        raise StudyError(f"data.transform: wanted 1 or 3 channels (values of mean and std), got {channels}")
    kept = {part: rows[~np.isin(rows, list(survey.broken))] for part, rows in split.items()}
    return Decoded(files, steps, shape=(n_images, channels, height, width)), kept, names


def _survey(files: Files, rows: Int64[np.ndarray, "_"], steps: Preprocessing) -> _Survey:
    broken: dict[int, str] = {}
    sizes: dict[tuple[int, int], int] = {}
    grey = True

    def header(row: int) -> tuple[int, int, bool] | str:
        try:
            found = files.inspect(row)
        except Exception as error:  # a damaged file fails in many ways; each means: broken
            return _reason(error)
        return *steps.size(found.width, found.height), found.is_grey

    with ThreadPoolExecutor(N_THREADS) as pool:
        for start in range(0, len(rows), 4096):  # a job for each of a million files would fill memory
            part = rows[start : start + 4096].tolist()
            for row, found in zip(part, pool.map(header, part), strict=True):
                if isinstance(found, str):
                    broken[row] = found
                else:
                    sizes.setdefault(found[:2], row)
                    grey = grey and found[2]
    return _Survey(broken, sizes, grey)


def _refuse_broken(survey: _Survey, names: tuple[str, ...], *, n_used: int, share: float) -> None:
    if not names:
        return
    found = [f"{name} ({reason})" for name, reason in zip(names[:_NAMED], survey.broken.values(), strict=False)]
    listed = ", ".join(found) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    counted = f"{len(names)} of the {n_used} image files that are used cannot be read"
    if len(names) > share * n_used or not survey.sizes:
        limit = f", more than data.broken_share = {share:g}" if survey.sizes else ""
        raise StudyError(f"data: {counted}{limit}: {listed}; replace or delete them")
    logger.warning("data: %s and are left out: %s", counted, listed)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no image, or its beginning is damaged"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [""])[0] or type(error).__name__
