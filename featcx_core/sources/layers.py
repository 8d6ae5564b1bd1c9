"""What a network is made of, found by one forward pass: stem, residual blocks, what the head reads, the head."""

import difflib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from itertools import count
from typing import Literal, NamedTuple

import torch
from torch import nn

from featcx_core.anatomy import MADE_FROM, Anatomy, Layer, Role
from featcx_core.study import Study, StudyError


class _Call(NamedTuple):
    """A module's first call in the forward pass."""

    name: str
    module: nn.Module
    begin: int
    end: int
    output: torch.Tensor

    @property
    def is_map(self) -> bool:
        """(image, channel, height, width) with more than one position."""
        return self.output.ndim == 4 and self.output[0, 0].numel() > 1


class _Head(NamedTuple):
    """The last linear map."""

    name: str
    module: nn.Linear
    reads: torch.Tensor
    begin: int


def resolve_anatomy(model: nn.Module, study: Study, *, image_shape: tuple[int, int, int]) -> Anatomy:
    """The layers to record, in forward order, and the head.

    `auto`: the stem (last map before the first max-pooling or block), the residual blocks (modules with a `shortcut` or
    `downsample`), else the stages (children that give maps). Wildcards of study-named layers match within one part of a
    name: `layer*.*` are all blocks. What the head reads is always recorded: the layer whose output, or its mean over
    positions, is the head's input. A module that is called several times counts at its first call.

    Raises StudyError when the network refuses the images, a pattern matches nothing, the logits are not made by a
    linear map, or no module gives what that map reads.
    """
    calls, head = _trace(model, image_shape)
    chosen = _automatic(calls) if study.activations.layers == "auto" else _named(calls, study.activations.layers)
    penultimate = next((c for c in reversed(chosen) if _feeds(c.output, head)), None)
    if penultimate is None:
        penultimate = next((call for call in calls if call.end < head.begin and _feeds(call.output, head)), None)
        if penultimate is None:
            raise StudyError(
                f"model: no module gives what the head {head.name!r} reads, as it is or as mean over positions"
            )
        chosen = sorted([*chosen, penultimate], key=lambda call: call.end)
    return Anatomy(
        made_from=study.digest(*MADE_FROM),
        layers=tuple(_rows(chosen, penultimate, _stem(calls), head, study.activations.pooling)),
        head=head.name,
        n_classes=head.module.out_features,
        image_shape=image_shape,
        parameters={name: tuple(tensor.shape) for name, tensor in model.state_dict().items()},
    )


def _rows(chosen: list[_Call], penultimate: _Call, stem: _Call | None, head: _Head, pooling: str) -> Iterator[Layer]:
    has_blocks = any(_shortcut(call) for call in chosen)
    for depth, call in enumerate(chosen):
        role: Role = "block" if _shortcut(call) else "stem" if call is stem else "other"
        height, width = call.output.shape[2:] if call.output.ndim == 4 else (1, 1)
        units = _units(call, pooling)
        if call is penultimate:
            role, units = "penultimate", head.module.in_features
            if units != call.output.shape[1]:  # flattened, not averaged: one position
                height = width = 1
        yield Layer(
            layer=call.name,
            depth=depth,
            role=role,
            in_complexity=role != "other" or not has_blocks,  # without blocks every recorded layer counts
            kind=type(call.module).__name__,
            units=units,
            height=height,
            width=width,
            shortcut=_shortcut(call),
        )


def _trace(model: nn.Module, image_shape: tuple[int, int, int]) -> tuple[list[_Call], _Head]:
    """Every module's first call on two random images, in the order in which they end, and the head."""
    clock = count()
    begun: dict[str, int] = {}
    calls: dict[str, _Call] = {}
    heads: list[tuple[_Head, torch.Tensor]] = []

    def before(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[object, ...]) -> None:
            begun.setdefault(name, next(clock))

        return hook

    def after(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: object) -> None:
            if not isinstance(output, torch.Tensor) or output.ndim < 2:
                return
            if name not in calls:
                # Copied: a ReLU in place overwrites what the module before it gave.
                calls[name] = _Call(name, module, begun[name], next(clock), output.detach().clone())
            if isinstance(module, nn.Linear):
                heads.append((_Head(name, module, inputs[0].detach().clone(), begun[name]), output.detach().clone()))

        return hook

    modules = [(name, module) for name, module in model.named_modules() if name]
    handles = [module.register_forward_pre_hook(before(name)) for name, module in modules]
    handles += [module.register_forward_hook(after(name)) for name, module in modules]
    was_training = model.training
    images = torch.randn(2, *image_shape, generator=torch.Generator().manual_seed(0))
    try:
        with torch.inference_mode():
            logits = model.eval()(images.to(next(model.parameters()).device))
    except (RuntimeError, ValueError, TypeError) as error:
        shape = " x ".join(map(str, image_shape))
        raise StudyError(
            f"model: {type(model).__name__} refuses images of {shape} (channel x height x width): {error}"
        ) from error
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    for head, output in reversed(heads):
        if isinstance(logits, torch.Tensor) and torch.equal(output, logits) and head.reads.ndim == 2:
            return sorted(calls.values(), key=lambda call: call.end), head
    raise StudyError(
        f"model: wanted logits made by a torch.nn.Linear, the last thing {type(model).__name__} calls; got none"
    )


def _automatic(calls: list[_Call]) -> list[_Call]:
    """Stem and blocks; without blocks the stages: children that give maps, of the first module that has several."""
    stem = _stem(calls)
    blocks = [call for call in calls if _shortcut(call)]
    if blocks:
        return [call for call in calls if call is stem or call in blocks]
    maps = {call.name: call for call in calls if call.is_map}
    prefix = ""
    while True:
        stages = [
            call for name, call in maps.items() if name.startswith(prefix) and "." not in name.removeprefix(prefix)
        ]
        if len(stages) != 1:
            return stages
        prefix = f"{stages[0].name}."


def _named(calls: list[_Call], patterns: tuple[str, ...]) -> list[_Call]:
    """The calls whose names match a pattern."""
    names = [call.name for call in calls]
    for pattern in patterns:
        if not any(_matches(name, pattern) for name in names):
            near = difflib.get_close_matches(pattern, names, n=3, cutoff=0.3) or names[:3]
            raise StudyError(f"activations.layers: {pattern!r} matches no layer; nearest: {', '.join(near)}")
    chosen = [call for call in calls if any(_matches(call.name, pattern) for pattern in patterns)]
    for call in chosen:
        if call.output.ndim not in (2, 4):
            shape = tuple(call.output.shape[1:])
            raise StudyError(
                f"activations.layers: {call.name} gives {shape} an image; "
                "wanted (channel, height, width) or (unit,); name another layer"
            )
    return chosen


def _matches(name: str, pattern: str) -> bool:
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _shortcut(call: _Call) -> Literal["", "identity", "projection"]:
    """What a residual block's shortcut is; empty where the module is none."""
    for name in ("shortcut", "downsample"):
        if call.output.ndim == 4 and hasattr(call.module, name):
            way = getattr(call.module, name)
            projects = isinstance(way, nn.Module) and not isinstance(way, nn.Identity)
            return "projection" if projects else "identity"
    return ""


def _stem(calls: list[_Call]) -> _Call | None:
    """The last map before the first max-pooling or block; None where there is no block."""
    blocks = [call.begin for call in calls if _shortcut(call)]
    if not blocks:
        return None
    pools = [call.begin for call in calls if isinstance(call.module, nn.MaxPool2d)]
    return next((call for call in reversed(calls) if call.is_map and call.end < min(blocks + pools)), None)


def _feeds(output: torch.Tensor, head: _Head) -> bool:
    """Whether the head reads this output, flattened or averaged over positions."""
    if output.ndim == 4 and output.shape[1] == head.reads.shape[1]:
        output = output.mean((2, 3))
    flat = output.flatten(1)
    # Not exactly: a mean can be summed in another order.
    return flat.shape == head.reads.shape and torch.allclose(flat, head.reads, rtol=1e-4, atol=1e-6)


def _units(call: _Call, pooling: str) -> int:
    """Recorded numbers an image."""
    kind, _, side = pooling.partition(":")
    return call.output.shape[1] * (int(side) ** 2 if kind == "grid" and call.output.ndim == 4 else 1)
