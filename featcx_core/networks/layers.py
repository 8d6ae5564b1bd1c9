"""The layers to record and the head of a network, found in one forward pass."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn

from featcx_core.networks.anatomy import Anatomy, Layer, Role, anatomy_digest
from featcx_core.networks.blocks import residual_blocks, stages, stem
from featcx_core.networks.branches import branches
from featcx_core.networks.layouts import Reading, per_image, per_position, readings, same
from featcx_core.networks.trace import Call, Head, trace
from featcx_core.study.fields import Study, StudyError
from featcx_core.study.nearest import nearest


def resolve_anatomy(model: nn.Module, study: Study, *, image_shape: tuple[int, int, int]) -> Anatomy:
    """Find the layers to record, in forward order, and the head.

    `auto` takes the stem and the residual blocks, else the stages (rules: `featcx_core.networks.blocks`). The
    penultimate layer is always recorded: its output is the head's input, as it is, flattened, as class token or as mean
    over positions, possibly after a ReLU that is no module. Wildcards of study-named layers match within one part of a
    name: `layer*.*` are all blocks. A module that is called several times, as one ReLU for a whole network, gives one
    layer a call: `relu`, `relu#2`, …

    A block's shortcut is `identity` if it adds its argument (in a transformer attention and MLP are each added to the
    stream), `projection` if it adds a tensor made of its argument, empty if it adds nothing. Rule for its branches:
    `featcx_core.networks.branches`.

    Raises StudyError if the network refuses the images, a pattern matches nothing, the logits are not made by a linear
    map, or no module's output is the input of that map.
    """
    calls, head = trace(model, image_shape)
    read, blocks = readings(calls, image_shape), residual_blocks(calls)
    first = stem(calls, read, blocks)
    if study.activations.layers == "auto":
        chosen = [call for call in calls if call is first or call in blocks] or stages(calls, read)
    else:
        chosen = _named(calls, study.activations.layers, read)
    penultimate, reading = _penultimate(calls, chosen, blocks, read, head)
    if penultimate not in chosen:
        chosen = sorted([*chosen, penultimate], key=lambda call: call.end)
    roles: dict[str, Role] = {call.name: "block" for call in blocks}
    if first is not None:
        roles[first.name] = "stem"
    roles[penultimate.name] = "penultimate"
    return Anatomy(
        made_from=anatomy_digest(study),
        layers=tuple(_rows(chosen, blocks, roles, read | {penultimate.name: reading}, study.activations.pooling)),
        head=head.name,
        n_classes=head.module.out_features,
        signed=bool((per_position(penultimate.output, reading) < 0).any()),
        image_shape=image_shape,
        parameters={name: tuple(tensor.shape) for name, tensor in model.state_dict().items()},
    )


def _rows(
    chosen: Sequence[Call], blocks: Sequence[Call], roles: Mapping[str, Role], read: Mapping[str, Reading], pooling: str
) -> Iterator[Layer]:
    has_blocks = any(call in blocks for call in chosen)
    side = int(pooling.partition(":")[2] or 1)
    for depth, call in enumerate(chosen):
        role, reading = roles.get(call.name, "other"), read[call.name]
        yield Layer(
            layer=call.name,
            depth=depth,
            role=role,
            in_complexity=role != "other" or not has_blocks,  # without blocks every recorded layer counts
            kind=type(call.module).__name__,
            units=per_image(call.output, reading, side=1 if role == "penultimate" else side).shape[1],
            height=reading.height,
            width=reading.width,
            layout=reading.layout,
            rectified=reading.rectified,
            shortcut=call.shortcut if call in blocks else "",
            branches=branches(call, reading.layout) if call in blocks and call.shortcut else {},
        )


def _named(calls: Sequence[Call], patterns: tuple[str, ...], read: Mapping[str, Reading]) -> list[Call]:
    """Return the calls whose names match a pattern. Raises StudyError."""
    names = [call.name for call in calls]
    for pattern in patterns:
        if not any(_matches(name, pattern) for name in names):
            raise StudyError(f"activations.layers: {pattern!r} matches no layer; {nearest(pattern, names)}")
    chosen = [call for call in calls if any(_matches(call.name, pattern) for pattern in patterns)]
    for call in chosen:
        if call.name not in read:
            shape = tuple(call.output.shape[1:])
            raise StudyError(
                f"activations.layers: {call.name} gives {shape} an image; "
                "wanted (channel, height, width), (token, unit) or (unit,); name another layer"
            )
    return chosen


def _matches(name: str, pattern: str) -> bool:
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _penultimate(
    calls: Sequence[Call], chosen: Sequence[Call], blocks: Sequence[Call], read: Mapping[str, Reading], head: Head
) -> tuple[Call, Reading]:
    """Return the call whose output the head reads, and how: the last such chosen layer, else the first such module."""
    earlier = [call for call in calls if call.end < head.begin and call.name in read]
    for rectified in (False, True):
        for call in (*reversed([call for call in chosen if call in earlier]), *earlier):
            for way in _ways(call, read[call.name]):
                reading = way._replace(rectified=rectified)
                if same(per_image(call.output, reading), head.reads):
                    return (call if call in chosen else _whole(call, calls, [*chosen, *blocks])), reading
    raise StudyError(
        f"model: no module gives what the head {head.name!r} reads, as it is, as class token or as mean over positions"
    )


def _ways(call: Call, reading: Reading) -> Iterator[Reading]:
    """Yield the ways in which a head may read an output: as other layers are read, all tokens alike, or flattened."""
    yield reading
    if call.output.ndim == 3:
        yield Reading("tokens", 1, call.output.shape[1])
    if call.output.ndim > 2:
        yield Reading("vector", 1, 1)


def _whole(call: Call, calls: Sequence[Call], others: Sequence[Call]) -> Call:
    """Return the outermost module with the same output that holds none of the others."""
    parent = next((other for other in calls if other.name == call.parent), None)
    if parent is None or any(other.is_within(parent) for other in others):
        return call
    return _whole(parent, calls, others) if torch.equal(parent.output, call.output) else call
