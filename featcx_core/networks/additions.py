"""Sums of two tensors within a module's call, and the number of functions that led to each operand."""

from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils.weak import WeakTensorKeyDictionary

_SUMS = ("add", "add_", "__add__", "__radd__", "__iadd__")
_ATTENTION = ("softmax", "scaled_dot_product_attention", "multi_head_attention_forward")


class Sum(NamedTuple):
    """A sum of two tensors of the same shape in a module's own `forward`."""

    place: int
    """Number of the sum since the module was called, sums inside its parts counted too; 0 = first."""
    shape: torch.Size
    """Shape of both operands."""
    adds_given: bool
    """True if one operand is an argument of the module."""
    shortcut: int | None
    """The operand, 0 or 1, after fewer functions since the module was called; None if undecidable."""
    attends: bool
    """True if the other operand came through attention."""


def added(function: Any, args: Sequence[Any]) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return the operands of a function that adds two tensors; None for other functions and for a number as operand."""
    if getattr(function, "__name__", "") not in _SUMS or len(args) < 2:
        return None
    a, b = args[:2]
    return (a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else None


class _Way(NamedTuple):
    """The way from a module's arguments to a tensor."""

    n_functions: int
    """Functions on the way."""
    attends: bool
    """True if attention is among them."""


class OpenCall:
    """A module's call that has not returned yet, with the way from its arguments to each tensor.

    Args:
        name: name of the layer.
        begin: time of the call.
        given: arguments of the call.
        vectors: a copy of the first argument if that is (image, unit).
    """

    def __init__(self, name: str, begin: int, given: tuple[object, ...], vectors: torch.Tensor | None) -> None:
        self.name, self.begin, self.given, self.vectors = name, begin, given, vectors
        self.sums: list[Sum] = []
        self.n_sums = 0
        # By identity; freed tensors leave the dictionary, so that no memory is held.
        self.ways: MutableMapping[torch.Tensor, _Way] = WeakTensorKeyDictionary()
        for tensor in tensors(given):
            self.ways[tensor] = _Way(0, attends=False)

    def note(self, place: int, a: torch.Tensor, b: torch.Tensor) -> None:
        """Note a sum of two tensors of the same shape; a bias, a mask and position codes are broadcast and left out."""
        if a.shape != b.shape or a.ndim < 2:
            return
        adds_given = any(operand is given for operand in (a, b) for given in self.given)
        shortcut, attends, ways = None, False, [self.ways.get(a), self.ways.get(b)]
        if ways[0] and ways[1] and ways[0].n_functions != ways[1].n_functions:
            shortcut = int(ways[1].n_functions < ways[0].n_functions)
            attends = max(ways[0], ways[1]).attends
        self.sums.append(Sum(place, a.shape, adds_given, shortcut, attends))

    def way(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> _Way | None:
        """Return the way of a function's result: one function longer than the longest way of its operands.

        A sum of two tensors of the same shape takes the shorter way: it continues the stream of the shortcut.
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
    """Yield the tensors in arguments or results, at any depth."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))
