"""A trace of one forward pass through a network: every module's output and sums, and the head."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from featcx_core.networks.additions import OpenCall, Sum, added, tensors
from featcx_core.networks.anatomy import Shortcut, call_name
from featcx_core.networks.raised import raised
from featcx_core.study.fields import StudyError

N_IMAGES = 2
"""Images of the pass. With a single image, an operand shared by all images would look like an image's own."""


class Call(NamedTuple):
    """One call of a module in the forward pass."""

    name: str
    """From `model.named_modules()`; `NAME#2` is the second call of a module that is called several times."""
    parent: str
    """Name of the innermost call around it; empty where the network itself calls it."""
    module: nn.Module
    """The module."""
    begin: int
    """Time of the call, in ticks of beginnings and ends."""
    end: int
    """Time of the return."""
    output: torch.Tensor
    """A copy of the output, (image, …)."""
    vectors: torch.Tensor | None
    """A copy of the first argument if that is (image, unit)."""
    shortcut: Shortcut
    """`identity` or `projection` if its own `forward` adds two tensors of its output's shape; else empty."""
    sums: tuple[Sum, ...]
    """All sums in its own `forward`."""

    def is_within(self, other: "Call") -> bool:
        """Return True if the other call makes it. Names do not tell: a module shared by blocks has the first one's."""
        return other.begin < self.begin and self.end < other.end


class Head(NamedTuple):
    """The last linear map."""

    name: str
    """From `model.named_modules()`."""
    module: nn.Linear
    """The module."""
    reads: torch.Tensor
    """A copy of its input, (image, unit)."""
    begin: int
    """Time of the call."""


def trace(model: nn.Module, image_shape: tuple[int, int, int]) -> tuple[list[Call], Head]:
    """Return the calls of all modules on two random images, in the order in which they end, and the head.

    Calls whose output is not one tensor with a row an image are left out. The model is left as it was.

    Raises StudyError if the network refuses the images or the logits are not made by a linear map.
    """
    watch = _Watch()
    images = torch.randn(N_IMAGES, *image_shape, generator=torch.Generator().manual_seed(0))
    try:
        with torch.inference_mode(), _normalising_by_batch(model), watch.hooked(model), watch:
            logits = model(images.to(next(model.parameters()).device))
    except Exception as error:  # its `forward` may raise whatever it likes
        shape = " x ".join(map(str, image_shape))
        raise StudyError(
            f"model: {type(model).__name__} refuses images of {shape} (channel x height x width): {raised(error)}"
        ) from error
    for head, output in reversed(watch.linear):
        if isinstance(logits, torch.Tensor) and torch.equal(output, logits):
            return watch.calls, head
    raise StudyError(
        f"model: wanted logits made by a torch.nn.Linear, the last thing {type(model).__name__} calls; got none"
    )


@contextmanager
def _normalising_by_batch(model: nn.Module) -> Iterator[None]:
    """Set evaluation mode, with batch normalisation by the batch's own statistics; restore the model afterwards.

    With its initial statistics batch normalisation is nearly the identity: its input and its output could not be told
    apart, and in some deep networks all activations vanish.
    """
    was_training = model.training
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and not isinstance(m, nn.SyncBatchNorm)]
    tracked = [norm.track_running_stats for norm in norms]
    model.eval()
    for norm in norms:
        norm.train().track_running_stats = False
    try:
        yield
    finally:
        for norm, is_tracked in zip(norms, tracked, strict=True):
            norm.track_running_stats = is_tracked
        model.train(was_training)


class _Watch(TorchFunctionMode):
    """A watch on modules that begin and end and, as a mode, on sums; a sum belongs to the innermost open module."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.linear: list[tuple[Head, torch.Tensor]] = []
        self._open: list[OpenCall] = []
        self._clock = count()
        self._times: Counter[str] = Counter()

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._open and (operands := added(function, args)):
            self._open[-1].note(self._open[-1].n_sums, *operands)
            for call in self._open:
                call.n_sums += 1
        ways = [call.way(function, args, kwargs) for call in self._open]  # before the call: it may overwrite operands
        result = function(*args, **kwargs)
        for tensor in tensors(result):
            for call, way in zip(self._open, ways, strict=True):
                if way is not None:
                    call.ways[tensor] = way
        return result

    @contextmanager
    def hooked(self, model: nn.Module) -> Iterator[None]:
        """Watch all modules but the network itself."""
        handles = [handle for name, module in model.named_modules() if name for handle in self._hook(name, module)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, name: str, module: nn.Module) -> Iterator[RemovableHandle]:
        def begin(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            given = (*args, *kwargs.values())
            is_vectors = bool(given) and isinstance(given[0], torch.Tensor) and given[0].ndim == 2
            # All tensors are copied: an operation in place overwrites the output of the module before it.
            vectors = given[0].detach().clone() if is_vectors else None
            self._times[name] += 1
            self._open.append(OpenCall(call_name(name, self._times[name]), next(self._clock), given, vectors))

        def end(_: nn.Module, __: object, ___: object, output: object) -> None:
            self._end(name, module, self._open.pop(), output)

        yield module.register_forward_pre_hook(begin, with_kwargs=True)
        yield module.register_forward_hook(end, with_kwargs=True)

    def _end(self, name: str, module: nn.Module, call: OpenCall, output: object) -> None:
        if not isinstance(output, torch.Tensor) or output.ndim < 2 or len(output) != N_IMAGES:
            return
        copy = output.detach().clone()
        if isinstance(module, nn.Linear) and call.vectors is not None:
            self.linear.append((Head(name, module, call.vectors, call.begin), copy))
        adding = [addition.adds_given for addition in call.sums if addition.shape == output.shape]
        shortcut: Shortcut = "" if not adding else "identity" if any(adding) else "projection"
        self.calls.append(
            Call(
                name=call.name,
                parent=self._open[-1].name if self._open else "",
                module=module,
                begin=call.begin,
                end=next(self._clock),
                output=copy,
                vectors=call.vectors,
                shortcut=shortcut,
                sums=tuple(call.sums),
            )
        )
