"""Progress of long work: a bar on a terminal, a line now and then in a log."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def bar(iterable: Iterable[Item], *, desc: str) -> Iterable[Item]:
    """The same items, with a bar on stderr."""
    on_terminal = sys.stderr.isatty()
    return tqdm(iterable, desc=desc, file=sys.stderr, leave=False, mininterval=0.2 if on_terminal else 20.0)
