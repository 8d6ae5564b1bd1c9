"""Operands of a residual block's sums, its branches' activations, taken during a forward pass."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from featcx_core.networks.additions import added
from featcx_core.networks.anatomy import Branch, call_name, module_and_call

Take = Callable[[torch.Tensor], None]
"""Receives an operand before it is added: an in-place sum overwrites it."""


class Operands(TorchFunctionMode):
    """Context that hands over the wanted operands of the sums within blocks.

    Sums are counted block by block, as `featcx_core.networks.trace` counted them; blocks do not lie within blocks.

    Args:
        wanted: For each block its branches, each with the function that receives it.
    """

    def __init__(self, wanted: Mapping[str, Sequence[tuple[Branch, Take]]]) -> None:
        super().__init__()
        self._wanted = wanted
        self._open = ""
        self._n_sums = 0
        self._times: Counter[str] = Counter()

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if self._open and (operands := added(function, args)):
            for branch, take in self._wanted.get(self._open, ()):
                if branch.place == self._n_sums:
                    take(operands[branch.operand])
            self._n_sums += 1
        return function(*args, **(kwargs or {}))

    @contextmanager
    def hooked(self, model: nn.Module) -> Iterator[None]:
        """Watch blocks begin and end."""
        modules = {module_and_call(block)[0] for block in self._wanted}
        handles = [handle for name in modules for handle in self._hook(model.get_submodule(name), name)]
        if modules:
            handles.append(model.register_forward_pre_hook(lambda *_: self._times.clear()))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, module: nn.Module, name: str) -> Iterator[RemovableHandle]:
        def begin(_: nn.Module, __: object) -> None:
            self._times[name] += 1
            self._open, self._n_sums = call_name(name, self._times[name]), 0

        def end(_: nn.Module, __: object, ___: object) -> None:
            self._open = ""

        yield module.register_forward_pre_hook(begin)
        yield module.register_forward_hook(end)
