"""Rules for a network's stem, blocks and stages, without names of families."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from torch import nn

from featcx_core.networks.layouts import Reading
from featcx_core.networks.trace import Call

_DROPS_BRANCHES = {"drop_path", "stochastic_depth"}


def residual_blocks(calls: Sequence[Call]) -> list[Call]:
    """Return the modules that add `f + g(f)` in their own `forward`, and modules like them.

    Like them is a module of the same class that adds nothing (an inverted residual with a stride), or one with a part
    that drops residual branches, `drop_path` or `stochastic_depth`. Modules inside a block are parts of it.
    """
    classes = {type(call.module) for call in calls if call.shortcut}
    alike = [call for call in calls if type(call.module) in classes or _drops_branches(call.module)]
    return [call for call in alike if not any(call.is_within(other) for other in alike)]


def stem(calls: Sequence[Call], read: Mapping[str, Reading], blocks: Sequence[Call]) -> Call | None:
    """Return the last map before the first max-pooling or block, not of an nn.Identity; None without blocks."""
    if not blocks:
        return None
    pools = [call.begin for call in calls if isinstance(call.module, nn.MaxPool2d)]
    first = min([call.begin for call in blocks] + pools)
    maps = [call for call in calls if call.end < first and _is_map(call, read)]
    return next((call for call in reversed(maps) if not isinstance(call.module, nn.Identity)), None)


def stages(calls: Sequence[Call], read: Mapping[str, Reading]) -> list[Call]:
    """Return the stages: the children that give maps, of the first module with several such children.

    A convolution or stage includes the normalisation and activation that follow it; pooling is no stage. So the stages
    of a VGG are its convolutions, those of a DenseNet its blocks and transitions: a dense layer by itself gives only
    its new channels, and all channels so far are a module's output only at the end of a block.
    """
    places = [call for call in calls if _is_map(call, read)]
    maps = [call for call in calls if _gives_maps(call, places) and not _thins(call.module)]
    children = level = [call for call in maps if not call.parent]
    while len(level) == 1:
        level = [call for call in maps if call.parent == level[0].name]
        children = level or children
    followed = zip_longest(children, children[1:])
    return [call for call, after in followed if after is None or not _completes(after, call)]


def _is_map(call: Call, read: Mapping[str, Reading]) -> bool:
    return call.output.ndim == 4 and read[call.name].height * read[call.name].width > 1


def _gives_maps(call: Call, places: Sequence[Call]) -> bool:
    """Return True if a call gives a map; one position counts if the module has larger maps inside."""
    is_large = any(place is call or place.is_within(call) for place in places)
    return call.output.ndim == 4 and is_large


def _drops_branches(module: nn.Module) -> bool:
    return not _DROPS_BRANCHES.isdisjoint(name for name, _ in module.named_children())


def _thins(module: nn.Module) -> bool:
    """Return True for pooling and dropout."""
    name = type(module).__name__
    return next(module.children(), None) is None and ("Pool" in name or "Drop" in name)


def _completes(call: Call, before: Call) -> bool:
    """Return True for normalisation and activation: no kernel that mixes channels, and the shape stays."""
    has_kernel = any(parameter.ndim > 1 for parameter in call.module.parameters())
    return not has_kernel and call.output.shape == before.output.shape
