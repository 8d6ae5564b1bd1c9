"""Progress: how a long loop shows where it is. `tqdm.tqdm` fits; the default shows nothing."""

from collections.abc import Iterable
from typing import Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Progress(Protocol):
    """Wraps an iterable, as `tqdm.tqdm` does."""

    def __call__(self, iterable: Iterable[T], *, desc: str) -> Iterable[T]:
        """The same items, shown under `desc`."""


def silent(iterable: Iterable[T], *, desc: str) -> Iterable[T]:
    """The same items, not shown."""
    return iterable
