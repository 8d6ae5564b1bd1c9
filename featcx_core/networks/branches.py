"""Which operands of a block's sums are its branches: a rule that knows no family's names."""

from collections import Counter
from collections.abc import Sequence
from math import prod

from featcx_core.networks.additions import Sum
from featcx_core.networks.anatomy import Branch, Layout
from featcx_core.networks.trace import Call


def branches(call: Call, layout: Layout) -> dict[str, Branch]:
    """Name -> operand, in the order of the sums, of a block whose output has that layout.

    In each sum the shortcut is the operand on which fewer functions worked since the block was called: none on what it
    was given, two in a 1 x 1 convolution and its normalisation. What the first sum gets by it is `residual`, the other
    operand `main`. Of several sums in a block, that operand is `attention` where it came by way of attention and `mlp`
    after one that did; a further one of the same name is numbered, `main_2`. A sum whose operands are equally deep
    says nothing.
    """
    sums = [
        (found, found.shortcut) for found in call.sums if found.shortcut is not None and _is_of(found, call, layout)
    ]
    named: dict[str, Branch] = {}
    seen: Counter[str] = Counter()
    for found, shortcut in sums:
        if not named:
            named["residual"] = Branch(place=found.place, operand=shortcut)
        attends = found.attends and len(sums) > 1
        name = "attention" if attends else "mlp" if seen["attention"] else "main"
        seen[name] += 1
        numbered = name if seen[name] == 1 else f"{name}_{seen[name]}"
        named[numbered] = Branch(place=found.place, operand=1 - shortcut)
    return named


def _is_of(found: Sum, call: Call, layout: Layout) -> bool:
    """Whether what is added becomes the output, be it that positions in a row are laid out as a map afterwards."""
    if found.shape == call.output.shape:
        return True
    units_last = layout in ("channels_last", "tokens", "class_token")
    return units_last and _in_a_row(found.shape) == _in_a_row(call.output.shape)


def _in_a_row(shape: Sequence[int]) -> tuple[int, int, int]:
    return shape[0], prod(shape[1:-1]), shape[-1]
