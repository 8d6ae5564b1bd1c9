"""Coverage of every kind of interval: `python -m tests.coverage [--draws 400] [--output docs/coverage.md]`."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tests.coverage import over_concepts, over_images
from tests.coverage.worlds import WORLDS, Population, World

Rows = dict[str, dict[str, float]]
"""Statistic -> world -> share of intervals that hold the truth."""

_TEXT = """# How often the intervals hold the truth

`python -m tests.coverage --output docs/coverage.md` draws images (or concepts) anew {draws} times in made-up worlds whose
truth is known, fits every reader anew, penalties included, and counts. All intervals promise 95 %. With {draws} draws a
share of 0.95 is known to ±{error:.2f}. The truth of I_V and K is that of readers fitted on as many images: what they would
score, on average over draws, on all images there are.

Above 0.97 an interval is wider than it need be: what readers lose for want of images counts about twice in a jackknife
(a loss that is quadratic in the noise), and the interval of a mean of clipped values starts from both the clipped and the
unclipped mean.

Below 0.93 it is too narrow. Of the share of K that groups explain (ε²), with few images: the errors of K hide most of it,
and taking their variance off does not bring all of it back. Over concepts, of means and of Pearson's correlation where a
property is skewed: the far tail is in few samples. No claim of a report rests on ε² or on Pearson's correlation; some rest on
means of K over concepts, whose [ ] is a little too short where K is skewed.

"""


def over_images_in(world: World, *, draws: int, seed: int = 0) -> dict[str, float]:
    """Return the coverage of the intervals over images in one world."""
    chance = np.random.default_rng(seed)
    population = Population(world, chance)
    measured = [over_images.measure(world, population, chance) for _ in range(draws)]
    wanted = over_images.truth(np.mean([each.r2 for each in measured], axis=0), population, world)
    return {name: _share((each.intervals[name] for each in measured), value) for name, value in wanted.items()}


def over_concepts_in(skew: float, *, draws: int, seed: int = 0) -> dict[str, float]:
    """Return the coverage of the intervals over concepts in one population."""
    chance = np.random.default_rng(seed)
    measured = [over_concepts.measure(skew, chance) for _ in range(draws)]
    return {name: _share((each[name] for each in measured), v) for name, v in over_concepts.truth(skew).items()}


def _share(intervals: Iterable[tuple[np.ndarray, np.ndarray]], value: np.ndarray | float) -> float:
    return float(np.mean([np.mean((low <= value) & (value <= high)) for low, high in intervals]))


def _table(title: str, by_world: dict[str, dict[str, float]]) -> Iterable[str]:
    yield f"| {title} | {' | '.join(by_world)} |"
    yield f"|---|{'---|' * len(by_world)}"
    for name in next(iter(by_world.values())):
        yield f"| {name} | {' | '.join(f'{shares[name]:.3f}' for shares in by_world.values())} |"
    yield ""


def main() -> None:
    """Print the tables, or write the page."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--draws", type=int, default=400)
    arguments.add_argument("--output", type=Path)
    given = arguments.parse_args()
    lines = [_TEXT.format(draws=given.draws, error=1.96 * (0.95 * 0.05 / given.draws) ** 0.5)]
    parts: tuple[tuple[str, dict, Callable[..., dict[str, float]]], ...] = (
        ("over images", WORLDS, over_images_in),
        ("over concepts", over_concepts.POPULATIONS, over_concepts_in),
    )
    for title, worlds, coverage in parts:
        lines += _table(title, {name: coverage(world, draws=given.draws) for name, world in worlds.items()})
    page = "\n".join(lines)
    if given.output:
        given.output.write_text(page, encoding="utf-8")
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
