"""The horizontal axis of curves over training."""

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from featcx_core.findings.passes import Progress


def along_training(axes: Axes, progress: Progress) -> None:
    """Scale a horizontal axis of training, whose places are `progress.places`.

    Where checkpoints lie within the first pass, it is linear up to one pass and logarithmic from there on, so that the
    beginning has room.
    """
    if not progress.is_fine:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return
    last = max(progress.places.values())
    axes.set_xscale("symlog", linthresh=1.0, linscale=1.2, base=2)
    ticks = [0.0, 0.25, 0.5, 1.0]
    while 2 * ticks[-1] <= last:
        ticks.append(2 * ticks[-1])
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: f"{place:g}"))
    axes.set_xlim(-0.05, 1.08 * last)
