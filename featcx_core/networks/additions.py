"""The sums that a module makes of two tensors, and how many functions worked on each since it was called."""

from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils.weak import WeakTensorKeyDictionary

_SUMS = ("add", "add_", "__add__", "__radd__", "__iadd__")
_ATTENTION = ("softmax", "scaled_dot_product_attention", "multi_head_attention_forward")


class Sum(NamedTuple):
    """A sum of two tensors of one shape, made by a module's own `forward`."""

    place: int
    """Which sum of two tensors it is since the module was called, those inside its parts counted too; 0 = first."""
    shape: torch.Size
    """Of both."""
    adds_given: bool
    """Whether one of the two is what the module was given."""
    shortcut: int | None
    """The operand on which fewer functions worked since the module was called; None where nobody can tell."""
    attends: bool
    """Whether the other operand came by way of attention."""


def added(function: Any, args: Sequence[Any]) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The operands of a function that adds two tensors; None for any other, and for a number that is added."""
    if getattr(function, "__name__", "") not in _SUMS or len(args) < 2:
        return None
    a, b = args[:2]
    return (a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else None


class _Way(NamedTuple):
    """How a tensor came out of what a module was given."""

    n_functions: int
    attends: bool


class OpenCall:
    """A module's call that has not returned yet: what it was given, and how far each tensor is from that.

    Args:
        name: of the layer.
        begin: when it was called.
        given: its arguments.
        vectors: the first of them, where it is (image, unit); a copy.
    """

    def __init__(self, name: str, begin: int, given: tuple[object, ...], vectors: torch.Tensor | None) -> None:
        self.name, self.begin, self.given, self.vectors = name, begin, given, vectors
        self.sums: list[Sum] = []
        self.n_sums = 0
        # By identity; what is freed is forgotten, so that no memory is held.
        self.ways: MutableMapping[torch.Tensor, _Way] = WeakTensorKeyDictionary()
        for tensor in tensors(given):
            self.ways[tensor] = _Way(0, attends=False)

    def note(self, place: int, a: torch.Tensor, b: torch.Tensor) -> None:
        """A sum of one tensor an image with another; not of a bias, a mask or position codes, which are broadcast."""
        if a.shape != b.shape or a.ndim < 2:
            return
        adds_given = any(operand is given for operand in (a, b) for given in self.given)
        shortcut, attends, ways = None, False, [self.ways.get(a), self.ways.get(b)]
        if ways[0] and ways[1] and ways[0].n_functions != ways[1].n_functions:
            shortcut = int(ways[1].n_functions < ways[0].n_functions)
            attends = max(ways[0], ways[1]).attends
        self.sums.append(Sum(place, a.shape, adds_given, shortcut, attends))

    def way(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> _Way | None:
        """The way of what a function gives: one function longer than that of the operand on which most worked.

        A sum of two of one shape takes the shorter way: it is the stream that the shortcut goes on with.
        """
        ways = [way for tensor in tensors((args, kwargs)) if (way := self.ways.get(tensor)) is not None]
        if not ways:
            return None
        operands = added(function, args)
        if operands and len(ways) == 2 and operands[0].shape == operands[1].shape:
            shorter = min(ways)
            return _Way(shorter.n_functions + 1, shorter.attends)
        attends = any(way.attends for way in ways) or getattr(function, "__name__", "") in _ATTENTION
        return _Way(max(ways).n_functions + 1, attends)


def tensors(value: object) -> Iterator[torch.Tensor]:
    """The tensors in arguments or results, however nested."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))
