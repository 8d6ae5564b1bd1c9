"""Rule for the branches of a residual block: the operands of its sums, without names of families."""

from collections import Counter
from collections.abc import Sequence
from math import prod

from featcx_core.networks.additions import Sum
from featcx_core.networks.anatomy import Branch, Layout
from featcx_core.networks.trace import Call


def branches(call: Call, layout: Layout) -> dict[str, Branch]:
    """Return the branches of a block by name, in the order of its sums; `layout` is that of the block's output.

    The shortcut of a sum is the operand after fewer functions since the block was called: none for the block's
    argument, two for a 1 x 1 convolution and its normalisation. In the first sum it is `residual`, and the other
    operand is `main`. In a block of several sums the other operand is `attention` if it came through attention, and
    `mlp` after that; repeated names are numbered, `main_2`. A sum whose operands are equally deep is left out.
    """
    sums = [
        (addition, addition.shortcut)
        for addition in call.sums
        if addition.shortcut is not None and _becomes_output(addition, call, layout)
    ]
    named: dict[str, Branch] = {}
    seen: Counter[str] = Counter()
    for addition, shortcut in sums:
        if not named:
            named["residual"] = Branch(place=addition.place, operand=shortcut)
        attends = addition.attends and len(sums) > 1
        name = "attention" if attends else "mlp" if seen["attention"] else "main"
        seen[name] += 1
        numbered = name if seen[name] == 1 else f"{name}_{seen[name]}"
        named[numbered] = Branch(place=addition.place, operand=1 - shortcut)
    return named


def _becomes_output(addition: Sum, call: Call, layout: Layout) -> bool:
    """Return True if a sum has the output's shape, or that of the output with its positions in a row."""
    if addition.shape == call.output.shape:
        return True
    units_last = layout in ("channels_last", "tokens", "class_token")
    return units_last and _in_a_row(addition.shape) == _in_a_row(call.output.shape)


def _in_a_row(shape: Sequence[int]) -> tuple[int, int, int]:
    return shape[0], prod(shape[1:-1]), shape[-1]
