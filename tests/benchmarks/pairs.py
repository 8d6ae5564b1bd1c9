"""Paired timings: ours and the peer's take turns, so that a noisy machine disturbs both."""

import gc
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

Work = Callable[[], object]
SETTLE = 0.2
"""Seconds before a timing: threads of the other's BLAS go on spinning for a tenth of a second after its work.

The thread that measures stays awake meanwhile: after an idle pause of that length NMF's 0.1 s took 1.4 times as long."""


class Pairs(NamedTuple):
    """Seconds of each repetition."""

    ours: list[float]
    peer: list[float]

    @property
    def ratio(self) -> "Ratio":
        """How many times faster ours is."""
        return Ratio.of(np.array(self.peer) / np.array(self.ours))

    @property
    def seconds(self) -> tuple[float, float]:
        """Median of ours, median of the peer's."""
        return float(np.median(self.ours)), float(np.median(self.peer))


class Ratio(NamedTuple):
    """A ratio over the pairs."""

    median: float
    low: float
    high: float
    pairs: int

    @classmethod
    def of(cls, values: np.ndarray) -> "Ratio":
        """Median and range."""
        return cls(float(np.median(values)), float(values.min()), float(values.max()), len(values))

    @property
    def inverse(self) -> "Ratio":
        """The other way round."""
        return Ratio(1 / self.median, 1 / self.high, 1 / self.low, self.pairs)

    def __str__(self) -> str:
        spread = f" [{_short(self.low)}, {_short(self.high)}]" if self.pairs > 1 else ""
        return f"{_short(self.median)}{spread}"


def pairs(ours: Work, peer: Work, *, repeats: int = 5, warm: bool = True) -> Pairs:
    """Run both in turn; the first round, which compiles and fills caches, does not count where `warm`."""
    rounds = [(timed(ours), timed(peer)) for _ in range(repeats + warm)][warm:]
    return Pairs([a for a, _ in rounds], [b for _, b in rounds])


def timed(work: Work) -> float:
    """Seconds of one call, garbage collected and threads asleep before; waits for the device."""
    gc.collect()
    _wait()
    rested = time.perf_counter() + SETTLE
    while time.perf_counter() < rested:
        pass
    start = time.perf_counter()
    work()
    _wait()
    return time.perf_counter() - start


def best(work: Work, *, repeats: int = 3) -> float:
    """Shortest of some calls: for the limits of the machine."""
    return min(timed(work) for _ in range(repeats))


def multiplied(dtype: torch.dtype, device: str, *, size: int = 2048) -> tuple[Work, int]:
    """A matrix product, and its operations (a multiplication and an addition are two): the machine's limit."""
    a = torch.rand(size, size, dtype=dtype, device=device)
    out = torch.empty_like(a)
    return lambda: torch.mm(a, a, out=out), 2 * size**3


def product_rate(dtype: torch.dtype, device: str) -> float:
    """The machine's matrix-product rate, in operations a second."""
    product, operations = multiplied(dtype, device)
    product()
    return operations / best(product, repeats=5)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
