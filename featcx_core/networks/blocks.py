"""Which modules of a network are its stem, its blocks or its stages: rules that know no family's names."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from torch import nn

from featcx_core.networks.layouts import Reading
from featcx_core.networks.trace import Call

_DROPS_BRANCHES = {"drop_path", "stochastic_depth"}


def residual_blocks(calls: Sequence[Call]) -> list[Call]:
    """The modules that add `f + g(f)` in their own `forward`, and their like.

    Alike is one of the same class that adds nothing (an inverted residual with a stride), or one with a part that
    drops residual branches, `drop_path` or `stochastic_depth`. What lies inside a block is a part of it.
    """
    classes = {type(call.module) for call in calls if call.shortcut}
    alike = [call for call in calls if type(call.module) in classes or _drops_branches(call.module)]
    return [call for call in alike if not any(call.is_within(other) for other in alike)]


def stem(calls: Sequence[Call], read: Mapping[str, Reading], blocks: Sequence[Call]) -> Call | None:
    """The last map before the first max-pooling or block, of a module that does something; None without a block."""
    if not blocks:
        return None
    pools = [call.begin for call in calls if isinstance(call.module, nn.MaxPool2d)]
    first = min([call.begin for call in blocks] + pools)
    maps = [call for call in calls if call.end < first and _is_map(call, read)]
    return next((call for call in reversed(maps) if not isinstance(call.module, nn.Identity)), None)


def stages(calls: Sequence[Call], read: Mapping[str, Reading]) -> list[Call]:
    """The children that give maps, of the first module that has several.

    A convolution, or a stage, is one with the normalisation and activation that follow it; pooling is none. So the
    stages of a VGG are its convolutions, and those of a DenseNet its blocks and transitions: a dense layer by itself
    gives only its growth rate of new channels, and what the next one reads, all so far, is a module's output only at
    the end of a block.
    """
    places = [call for call in calls if _is_map(call, read)]
    maps = [call for call in calls if _gives_maps(call, places) and not _thins(call.module)]
    children = found = [call for call in maps if not call.parent]
    while len(found) == 1:
        found = [call for call in maps if call.parent == found[0].name]
        children = found or children
    followed = zip_longest(children, children[1:])
    return [call for call, after in followed if after is None or not _completes(after, call)]


def _is_map(call: Call, read: Mapping[str, Reading]) -> bool:
    return call.output.ndim == 4 and read[call.name].height * read[call.name].width > 1


def _gives_maps(call: Call, places: Sequence[Call]) -> bool:
    """Whether it gives a map, be it one position at the end of a module with larger ones inside."""
    is_large = any(place is call or place.is_within(call) for place in places)
    return call.output.ndim == 4 and is_large


def _drops_branches(module: nn.Module) -> bool:
    return not _DROPS_BRANCHES.isdisjoint(name for name, _ in module.named_children())


def _thins(module: nn.Module) -> bool:
    """Whether it is pooling or dropout."""
    name = type(module).__name__
    return next(module.children(), None) is None and ("Pool" in name or "Drop" in name)


def _completes(call: Call, before: Call) -> bool:
    """Whether it is normalisation, activation or both: it has no kernel that mixes channels, and keeps the shape."""
    has_kernel = any(parameter.ndim > 1 for parameter in call.module.parameters())
    return not has_kernel and call.output.shape == before.output.shape
