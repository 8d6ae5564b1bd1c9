"""Progress of long work: a bar on a terminal, a line now and then in a log."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def bar(iterable: Iterable[Item], *, desc: str) -> Iterable[Item]:
    """The same items, with a bar on stderr."""
    seconds = 0.2 if sys.stderr.isatty() else 20.0
    return tqdm(iterable, desc=desc, file=sys.stderr, leave=False, delay=seconds, mininterval=seconds)
