"""Estimates read from the tables, and what their intervals allow one to say."""

import math
from typing import Any, Literal, NamedTuple

import pandas as pd

from featcx_core.measures.estimated import Estimated

CONTROLS = "prevalence_fraction,variance"
"""Controls of the partial correlations: both raise importance and I_V alike, so a raw correlation may be theirs."""

NOT_OF_CONCEPTS = "random directions have it too, so it is not particular to concepts"
NOT_LEARNED = "it is there before training too and may not be learned"

Expected = Literal["negative", "positive", "zero"]
Verdict = Literal["holds here", "does not hold here", "not decided: the interval includes zero", "not measured"]
Status = Literal["seen", "partly", "undecided", "absent", "missing"]
STATUS_OF_VERDICT: dict[Verdict, Status] = {
    "holds here": "seen",
    "does not hold here": "absent",
    "not decided: the interval includes zero": "undecided",
    "not measured": "missing",
}


class Estimate(Estimated):
    """A number with its 95 % intervals, in words."""

    __slots__ = ()

    def __str__(self) -> str:
        interval = "" if math.isnan(self.low) else f" [{_end(self.low)}, {_end(self.high)}]"
        return number(self.value) + interval + (f" {self.images}" if self.images else "")

    @property
    def images(self) -> str:
        """The interval over images in words; empty where there is none."""
        known = math.isfinite(self.low_images)
        return f"{{{_end(self.low_images)}, {_end(self.high_images)}}}" if known else ""

    @property
    def over_concepts(self) -> "Estimate":
        """The same without the interval over images: a doubt needs one of them only."""
        return self._replace(low_images=math.nan, high_images=math.nan)

    @property
    def widest(self) -> tuple[float, float]:
        """The outer ends of both intervals."""
        lows, highs = (self.low, self.low_images), (self.high, self.high_images)
        return min(filter(math.isfinite, lows), default=math.nan), max(filter(math.isfinite, highs), default=math.nan)


class Claim(NamedTuple):
    """A claim of the paper beside what this study says about it."""

    statement: str
    """What the paper says."""
    status: Status
    """seen, partly, undecided, absent or missing."""
    finding: str
    """What the study's numbers allow one to say, in one sentence with the numbers."""


NOT_MEASURED = Estimate(math.nan, math.nan, math.nan, 0)


def number(value: float, *, digits: int = 2) -> str:
    """A number with a real minus sign, and a dash where there is none.

    >>> number(-0.861), number(float("nan")), number(-0.001)
    ('−0.86', '–', '0.00')
    """
    if not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def _end(value: float) -> str:
    """An end of an interval, with a third digit where two would hide on which side of zero it lies."""
    return number(value, digits=2 if abs(value) >= 0.005 or abs(value) < 0.0005 else 3)


def verdict(value: float, low: float, high: float, *, expected: Expected, margin: float = 0.3) -> Verdict:
    """What an estimate with an interval says about an expected sign; never more than the interval allows.

    `negative` and `positive` hold when the whole interval has that sign, and do not when it has the other one.
    `zero` holds only when the interval includes zero and stays within ±`margin` (0.3: less than a tenth of the
    variance of ranks), and not when the interval excludes zero: not finding a trend is no proof that there is none.

    Raises: ValueError when low > high.

    >>> verdict(-0.5, -0.7, -0.2, expected="negative")
    'holds here'
    """
    if not all(math.isfinite(x) for x in (value, low, high)):
        return "not measured"
    if low > high:
        raise ValueError(f"wanted an interval with low <= high, got low={low}, high={high}; try swapping them")
    if low <= 0 <= high:
        is_small = expected == "zero" and max(-low, high) <= margin
        return "holds here" if is_small else "not decided: the interval includes zero"
    return "holds here" if expected == ("negative" if high < 0 else "positive") else "does not hold here"


def judge(estimate: Estimate, *, expected: Expected) -> Verdict:
    """What an estimate says about an expected sign: over concepts and, where that is known, over images alike.

    >>> judge(Estimate(0.17, 0.05, 0.28, 99, -0.02, 0.22), expected="zero")
    'not decided: the interval includes zero'
    """
    intervals = [(estimate.low, estimate.high)]
    if math.isfinite(estimate.low_images):
        intervals.append((estimate.low_images, estimate.high_images))
    said = {verdict(estimate.value, *interval, expected=expected) for interval in intervals}
    return said.pop() if len(said) == 1 else "not decided: the interval includes zero"


def weigh(raw: Estimate, partial: Estimate, *, expected: Expected) -> tuple[Status, str]:
    """One status and one sentence from a raw and a partial correlation; the weaker of the two decides."""
    of_raw, of_partial = judge(raw, expected=expected), judge(partial, expected=expected)
    fixed = "with prevalence and variance held fixed"
    both = f"{of_raw} (raw correlation); {of_partial} ({fixed})"
    if of_raw == of_partial:
        both = f"{of_raw} (raw, and {fixed})"
    if expected == "zero" and of_raw == of_partial == "does not hold here":
        return "absent", f"there is a trend, raw and {fixed}"
    if expected == "zero" and of_raw == "does not hold here":
        return "absent", f"there is a trend in the raw correlation; {fixed} {_no_trend(of_partial)}"
    if expected == "zero" and of_partial == "does not hold here":
        return "absent", f"there is a trend {fixed}; in the raw correlation {_no_trend(of_raw)}"
    if of_raw != "holds here":
        return STATUS_OF_VERDICT[of_raw], both
    if of_partial == "holds here":
        return "seen", f"holds here, raw and {fixed}"
    if of_partial == "not measured":
        return "partly", f"holds here in the raw correlation; not measured {fixed}"
    if expected == "zero":
        return "undecided", both
    turn = "the sign turns" if of_partial == "does not hold here" else "the interval includes zero"
    return "partly", f"holds here in the raw correlation only: {fixed} {turn}, so it may be prevalence and variance"


def _no_trend(said: Verdict) -> str:
    """A verdict on `zero` that is not the opposite, in words that can stand after a trend."""
    return "there is none" if said == "holds here" else f"it is {said}"


def difference(first: Estimate, last: Estimate) -> Estimate:
    """Last minus first; the distances from value to end add up in squares, as those of independent estimates do.

    Where the two rise and fall together, as over the same images, the interval is too wide rather than too short.
    Source: Zou & Donner 2008 (MOVER), doi:10.1002/sim.3095.

    >>> difference(Estimate(0.0, -3.0, 4.0, 9), Estimate(10.0, 7.0, 14.0, 9))[:4]
    (10.0, 5.0, 15.0, 9)
    """
    value = last.value - first.value
    ends = [
        end
        for low, high in (("low", "high"), ("low_images", "high_images"))
        for end in (
            value - math.hypot(last.value - getattr(last, low), getattr(first, high) - first.value),
            value + math.hypot(getattr(last, high) - last.value, first.value - getattr(first, low)),
        )
    ]
    return Estimate(value, ends[0], ends[1], min(first.n, last.n), ends[2], ends[3])


def estimate(row: "pd.Series[Any]", value: str, n: str, *, prefix: str = "") -> Estimate:
    """A row's number `value` over its `n` concepts, with the intervals that stand beside it under `prefix`."""
    low, high, *images = (float(row[prefix + end]) for end in ("low", "high", "low_images", "high_images"))
    return Estimate(float(row[value]), low, high, int(row[n]), *images)


def correlation(
    correlations: pd.DataFrame,
    *,
    epoch: int,
    y: str,
    kind: str = "concept",
    level: float | None = None,
    controls: str = "",
    method: str = "spearman",
) -> Estimate:
    """The stored correlation of complexity with `y` at an epoch (and a level); NaN where the table has none."""
    at_level = correlations["level"].isna() if level is None else correlations["level"] == level
    found = correlations[
        (correlations["epoch"] == epoch)
        & (correlations["kind"] == kind)
        & (correlations["x"] == "complexity")
        & (correlations["y"] == y)
        & at_level
        & (correlations["method"] == method)
        & (correlations["controls"] == controls)
    ]
    return NOT_MEASURED if found.empty else estimate(found.iloc[0], "value", "n")


def of_kind(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The rows of concepts, or of a control; a table that does not tell kinds apart has concepts only."""
    if "kind" in table:
        return table[table["kind"] == kind]
    return table if kind == "concept" else table.iloc[:0]


def raw_and_partial(
    correlations: pd.DataFrame, *, epoch: int, y: str, level: float | None = None
) -> tuple[Estimate, Estimate]:
    """Spearman's correlation of complexity with `y`, raw and with prevalence and variance held fixed."""
    raw, partial = (
        correlation(correlations, epoch=epoch, y=y, level=level, controls=controls) for controls in ("", CONTROLS)
    )
    return raw, partial


def not_measured(table: pd.DataFrame, *, epoch: int) -> str:
    """The finding where a table has no row of the epoch: at which epochs it has some.

    >>> not_measured(pd.DataFrame({"epoch": [6, 3, 3]}), epoch=12)
    'not measured at epoch 12; measured at 3, 6 (`analyses.epochs`).'
    """
    epochs = sorted({int(each) for each in table["epoch"]})
    if not epochs or epoch in epochs:
        return "not measured."
    return f"not measured at epoch {epoch}; measured at {', '.join(map(str, epochs))} (`analyses.epochs`)."


def epoch_name(epoch: int) -> str:
    """An epoch in the title of a panel.

    >>> epoch_name(0), epoch_name(3)
    ('epoch 0 (before training)', 'epoch 3')
    """
    return f"epoch {epoch}" + (" (before training)" if epoch == 0 else "")


def epochs_to_show(table: pd.DataFrame, *, reference_epoch: int) -> list[int]:
    """The first epoch of a table, and the reference epoch, or the last one where it has no row of that.

    >>> epochs_to_show(pd.DataFrame({"epoch": [9, 6, 3]}), reference_epoch=12)
    [3, 9]
    """
    measured = sorted({int(each) for each in table["epoch"]})
    last = [reference_epoch] if reference_epoch in measured else measured[-1:]
    return sorted({*measured[:1], *last})


def smallest_top_group(sedimentation: pd.DataFrame) -> str | None:
    """The smallest group of important concepts among those written at the most epochs; None where there is only `all`.

    Groups that coincide are written once, so with few concepts a small share is there at some epochs only.
    """
    tops = sedimentation[(sedimentation["group_name"] != "all") & (sedimentation["epoch"] > 0)]
    if tops.empty:
        return None
    sizes = tops.groupby("group_name")["n_concepts"].agg(["count", "mean"])
    return str(sizes.sort_values(["count", "mean"], ascending=[False, True]).index[0])


def sedimentation_curve(sedimentation: pd.DataFrame, group: str) -> pd.DataFrame:
    """A group's rows of trained epochs, in order; epoch 0 is a baseline and no part of a curve."""
    rows = sedimentation[(sedimentation["group_name"] == group) & (sedimentation["epoch"] > 0)]
    return rows.dropna(subset=["mean_complexity"]).sort_values("epoch")


def band(curve: pd.DataFrame, place: int) -> Estimate:
    """One epoch of a sedimentation curve as an estimate."""
    return estimate(curve.iloc[place], "mean_complexity", "n_concepts")
