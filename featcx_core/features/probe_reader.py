"""The one reader of the probe images: activations and codes of every kind, chunk by chunk, half by half."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from featcx_core.features.quality import CodeStatistics, code_statistics

StoredArray: TypeAlias = Any
"""A `zarr.Array` or anything that slices like one."""
KINDS = ("concept", "random_direction", "shuffled", "class_logit", "unit", "principal_component")
"""Kinds of codes: concepts, and the controls."""
HALVES = ("fit", "score")
IMAGES_AT_ONCE = 512
"""Images in a chunk, at most."""
_STORED_AS = {"shuffled": "concept"}


class Chunk(NamedTuple):
    """Some consecutive probe images of one half."""

    half: str
    """`fit` or `score`."""
    start: int
    """First row in the arrays."""
    stop: int
    """Row after the last."""
    first_image: int
    """Number of the first image within its half."""

    def groups(self, n_groups: int) -> np.ndarray:
        """Return the jackknife's group of each image: group g holds the images g, g + n_groups, … of either half."""
        return (self.first_image + np.arange(self.stop - self.start)) % n_groups


@dataclass(frozen=True)
class ProbeReader:
    """Codes of every kind, side by side, and a layer's activations, rows by rows.

    The first `n_fit` images are the fit half.
    """

    codes: dict[str, StoredArray]
    """Codes (image, code) by kind; `shuffled` reads the concepts', `unit` the penultimate activations."""
    alive_codes: dict[str, np.ndarray]
    """(code,) by kind: active on enough images of both halves to be measured."""
    n_fit: int
    """Images of the fit half."""
    kinds: tuple[str, ...]
    """Kinds that are read, in order."""
    seed: int
    """Behind the shuffling."""
    acts: StoredArray = None
    """A layer's activations (image, unit), where they are read too."""

    @property
    def n_images(self) -> int:
        """Probe images."""
        return int(self.codes[self.kinds[0]].shape[0])

    @property
    def widths(self) -> dict[str, int]:
        """Codes of each kind."""
        return {kind: int(self.codes[kind].shape[1]) for kind in self.kinds}

    @property
    def columns(self) -> pd.DataFrame:
        """Kind and number of every column."""
        parts = [pd.DataFrame({"kind": kind, "concept": np.arange(width)}) for kind, width in self.widths.items()]
        return pd.concat(parts, ignore_index=True)

    @property
    def alive(self) -> np.ndarray:
        """(column,) whether a code is active on enough images of both halves to be measured."""
        return np.concatenate([self.alive_codes[_STORED_AS.get(kind, kind)] for kind in self.kinds])

    def chunks(self, *halves: str) -> Iterator[Chunk]:
        """Yield chunks of the images, in order; of some halves only where they are named."""
        for half in halves or HALVES:
            low, high = self._bounds(half)
            for start in range(low, high, IMAGES_AT_ONCE):
                yield Chunk(half, start, min(high, start + IMAGES_AT_ONCE), start - low)

    def codes_of(self, chunk: Chunk) -> Float[np.ndarray, "image code"]:
        """Return a chunk's codes, kind after kind."""
        return np.concatenate([self._codes(kind, chunk) for kind in self.kinds], axis=1)

    def acts_of(self, chunk: Chunk) -> Float[np.ndarray, "image unit"]:
        """Return a chunk's activations."""
        rows: np.ndarray = np.asarray(self.acts[chunk.start : chunk.stop], dtype=np.float32)
        return rows

    def tensors(self, chunk: Chunk, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a chunk's activations and codes on a device."""
        return torch.from_numpy(self.acts_of(chunk)).to(device), torch.from_numpy(self.codes_of(chunk)).to(device)

    def statistics(self) -> CodeStatistics:
        """Return prevalence and variance of every column over all images."""
        return code_statistics(self.codes_of(chunk) for chunk in self.chunks())

    def _bounds(self, half: str) -> tuple[int, int]:
        return (0, self.n_fit) if half == "fit" else (self.n_fit, self.n_images)

    @property
    def _shift(self) -> int:
        """Shuffled codes: image i gets those of the image so many further, within its half (their order is random)."""
        shortest = min(self.n_fit, self.n_images - self.n_fit)
        return int(np.random.default_rng(self.seed).integers(shortest // 4 + 1, 3 * shortest // 4 + 1))

    def _codes(self, kind: str, chunk: Chunk) -> np.ndarray:
        stored = self.codes[kind]
        if kind != "shuffled":
            plain: np.ndarray = np.asarray(stored[chunk.start : chunk.stop], dtype=np.float32)
            return plain
        low, high = self._bounds(chunk.half)
        n, first = chunk.stop - chunk.start, low + (chunk.first_image + self._shift) % (high - low)
        ahead: np.ndarray = np.asarray(stored[first : min(high, first + n)], dtype=np.float32)
        rest: np.ndarray = np.asarray(stored[low : low + n - len(ahead)], dtype=np.float32)
        return np.vstack([ahead, rest])
