"""Estimates with their intervals, and how numbers are written."""

import math
from typing import Any, NamedTuple

import pandas as pd


class Estimate(NamedTuple):
    """A number over concepts with its 95 % intervals, which can be written out."""

    value: float
    """NaN where it is not defined."""
    low: float
    """Low end over concepts; NaN where there is none, as for the other ends."""
    high: float
    """High end over concepts."""
    n: int
    """Concepts behind it."""
    low_images: float = math.nan
    """Low end over images."""
    high_images: float = math.nan
    """High end over images."""
    low_dictionaries: float = math.nan
    """Low end over dictionaries of other seeds."""
    high_dictionaries: float = math.nan
    """High end over dictionaries."""

    def __str__(self) -> str:
        return f"{number(self.value)}{f' ({interval})' if (interval := self.interval()) else ''}"

    def interval(self, *, digits: int = 2) -> str:
        """Return the widest interval in words, the one that decides; empty where there is none.

        >>> Estimate(-0.64, -0.75, -0.50, 100, -0.70, -0.60).interval()
        '95 %: −0.75 to −0.50'
        """
        measured = [(low, high) for low, high in self.intervals if math.isfinite(low) and math.isfinite(high)]
        if not measured:
            return ""
        return f"95 %: {_ends(*max(measured, key=lambda ends: ends[1] - ends[0]), digits=digits)}"

    @property
    def full(self) -> str:
        """The number with every interval in words.

        >>> Estimate(-0.64, -0.75, -0.50, 100, -0.70, -0.60).full
        '−0.64 (95 % over concepts: −0.75 to −0.50, over images: −0.70 to −0.60)'
        """
        over = zip(("concepts", "images", "dictionaries"), self.intervals, strict=True)
        measured = [f"over {what}: {_ends(low, high)}" for what, (low, high) in over if math.isfinite(low + high)]
        listed = f" (95 % {', '.join(measured)})" if measured else ""
        return f"{number(self.value)}{listed}"

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """The intervals over concepts, over images and over dictionaries; NaN where one was not measured."""
        return (
            (self.low, self.high),
            (self.low_images, self.high_images),
            (self.low_dictionaries, self.high_dictionaries),
        )


NOT_MEASURED = Estimate(math.nan, math.nan, math.nan, 0)


def number(value: float, *, digits: int = 2) -> str:
    """Write a number with a real minus sign; a dash stands for NaN and infinity.

    >>> number(-0.861), number(float("nan")), number(-0.001)
    ('−0.86', '–', '0.00')
    """
    if not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def percent(share: float) -> str:
    """Write a share as a whole number of per cent, without the sign.

    >>> percent(0.254), percent(float("nan"))
    ('25', '–')
    """
    return number(100 * share, digits=0)


def in_percent(share: Estimate, *, digits: int = 0) -> str:
    """Write a share in per cent with its widest interval.

    >>> in_percent(Estimate(0.22, 0.18, 0.25, 10))
    '22 % (95 %: 18 to 25 %)'
    """
    low, high, *others = (100 * end for ends in share.intervals for end in ends)
    interval = Estimate(share.value, low, high, share.n, *others).interval(digits=digits)
    return f"{number(100 * share.value, digits=digits)} %{f' ({interval} %)' if interval else ''}"


def precise(estimate: Estimate) -> str:
    """Write an estimate and its widest interval with three digits.

    >>> precise(Estimate(0.0194, -0.0049, 0.0441, 10, 0.016, 0.022))
    '0.019 (95 %: −0.005 to 0.044)'
    """
    interval = estimate.interval(digits=3)
    return f"{number(estimate.value, digits=3)}{f' ({interval})' if interval else ''}"


def _ends(low: float, high: float, *, digits: int = 2) -> str:
    """Write an interval; a third digit shows the side of zero where two digits would hide it."""
    return " to ".join(
        number(end, digits=digits if abs(end) >= 0.005 or abs(end) < 0.0005 else 3) for end in (low, high)
    )


def difference(first: Estimate, last: Estimate) -> Estimate:
    """Return last minus first; the distances from value to end add up in squares, as for independent estimates.

    The interval is too wide where the two estimates rise and fall together, as they do over the same images.
    Source: Zou & Donner 2008 (MOVER), doi:10.1002/sim.3095.

    >>> difference(Estimate(0.0, -3.0, 4.0, 9), Estimate(10.0, 7.0, 14.0, 9))[:4]
    (10.0, 5.0, 15.0, 9)
    """
    value = last.value - first.value
    ends = [
        end
        for low, high in (
            ("low", "high"),
            ("low_images", "high_images"),
            ("low_dictionaries", "high_dictionaries"),
        )
        for end in (
            value - math.hypot(last.value - getattr(last, low), getattr(first, high) - first.value),
            value + math.hypot(getattr(last, high) - last.value, first.value - getattr(first, low)),
        )
    ]
    return Estimate(value, ends[0], ends[1], min(first.n, last.n), *ends[2:])


def estimate(row: "pd.Series[Any]", value: str, n: str, *, prefix: str = "") -> Estimate:
    """Return a table row's number with its intervals.

    value, n: the columns of the number and of the count of concepts behind it.
    prefix: how the names of the interval's columns start.
    """
    low, high, *images = (float(row[prefix + end]) for end in ("low", "high", "low_images", "high_images"))
    dictionaries = [float(row.get(f"{end}_dictionaries", math.nan)) for end in ("low", "high")]
    return Estimate(float(row[value]), low, high, int(row[n]), *images, *dictionaries)
