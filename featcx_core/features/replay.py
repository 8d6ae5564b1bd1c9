"""A network's forward pass from one of its layers on: what lies below the layer runs once an image.

A network is Python code and cannot be cut in general. It is run whole, on two images, and a hook puts the activations
that are given in place of the layer's output: modules below see two images, modules above all activations, however
many. The one condition is that nothing from below passes by the layer; it holds for stems, blocks and stages, not
inside a block or in a densely connected network. It is checked on the first images, by comparison with a whole forward
pass.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from featcx_core.features.exact import exact
from featcx_core.networks.anatomy import module_and_call

_TOLERANCE = 1e-4  # of the largest logit; a whole pass and a replay differ by the order of sums, about 1e-6
_STAND_IN = 2  # images that run below the layer; what passes by a single one could be added to any number of rows


class Recorded(NamedTuple):
    """A whole forward pass."""

    acts: Tensor
    """The layer's output, copied, as its module gave it: (image, …)."""
    logits: Float[Tensor, "image class"]
    """What the network makes of it."""


class Replay:
    """Runs a network whole, and then again and again from a layer on; a context manager that hooks the layer.

    Args:
        model: in evaluation mode.
        layer: a module's name, or one of its calls, `relu#2`.

    Raises:
        ValueError: a network in training mode, or without a module of that name.

    >>> network = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)).eval()
    >>> with Replay(network, "1") as replay:
    ...     acts, logits = replay.record(torch.rand(5, 2))
    ...     torch.equal(replay(acts), logits)
    True
    """

    def __init__(self, model: nn.Module, layer: str) -> None:
        name, self._call = module_and_call(layer)
        modules = dict(model.named_modules())
        if name not in modules or not name:
            raise ValueError(f"wanted a layer of {type(model).__name__}, got {layer!r}; try one of `featcx layers`")
        if model.training:
            raise ValueError(f"wanted {type(model).__name__} in evaluation mode, got training mode; try model.eval()")
        self.model, self.layer, self._module = model, layer, modules[name]
        self._times = 0
        self._stand_in: Tensor | None = None
        self._given: Tensor | None = None
        self._taken: list[Tensor] = []

    def __enter__(self) -> "Replay":
        self._hooks = ExitStack()
        self._hooks.callback(self.model.register_forward_pre_hook(self._begin).remove)
        self._hooks.callback(self._module.register_forward_hook(self._at_layer).remove)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hooks.close()

    def record(self, inputs: Float[Tensor, "image *shape"]) -> Recorded:
        """Run the whole network on normalised images.

        Raises:
            ValueError: the layer is not called, gives no tensor a row an image, or is passed by; logits not finite.
        """
        self._given, self._taken = None, []
        logits = self._logits(inputs)
        if [len(acts) for acts in self._taken] != [len(inputs)]:
            got = f"{len(self._taken[0])} rows of {len(inputs)} images" if self._taken else "no tensor"
            raise ValueError(f"{self.layer}: wanted a tensor with a row an image, got {got}; try another layer")
        recorded = Recorded(self._taken[0], logits)
        if self._stand_in is None:
            # blank: another image than any, or of a single one, what passes by the layer would be the image's own
            self._stand_in = torch.zeros_like(inputs[:1]).repeat(_STAND_IN, *[1] * (inputs.ndim - 1))
            self._refuse_passed_by(recorded)
        return recorded

    def __call__(self, acts: Tensor) -> Float[Tensor, "row class"]:
        """Run what lies above the layer on activations of its shape, any number of rows; they are not changed.

        Raises:
            ValueError: nothing was recorded before.
        """
        return self._from(acts.clone())

    def each(self, parts: Sequence[Tensor], *, rows_at_once: int) -> Iterator[Float[Tensor, "row class"]]:
        """Run several sets of activations, together as far as `rows_at_once` allows; the network may overwrite them.

        Small sets waste a GPU's time; large ones do not fit a CPU's cache.
        """
        together = max(1, rows_at_once // max(1, len(parts[0]))) if parts else 1
        for start in range(0, len(parts), together):
            some = list(parts[start : start + together])
            rows = torch.cat(some) if len(some) > 1 else some[0]
            yield from torch.split(self._from(rows), [len(part) for part in some])

    def _from(self, acts: Tensor) -> Float[Tensor, "row class"]:
        if self._stand_in is None:
            raise ValueError(f"{self.layer}: wanted a recorded forward pass first, got none; try record(images)")
        # Never one row, nor as many as images that stand in: what passes by the layer then fails to be added to it.
        self._given = acts.repeat(3, *[1] * (acts.ndim - 1)) if len(acts) <= _STAND_IN else acts
        return self._logits(self._stand_in)[: len(acts)]

    def _logits(self, inputs: Tensor) -> Tensor:
        with torch.inference_mode(), exact():
            logits: Tensor = self.model(inputs)
        return logits

    def _begin(self, *_: object) -> None:
        self._times = 0

    def _at_layer(self, _: nn.Module, __: object, output: object) -> Tensor | None:
        self._times += 1
        if self._times == self._call and self._given is None and isinstance(output, Tensor):
            self._taken.append(output.clone())  # the next module may overwrite it
        return self._given if self._times == self._call else None

    def _refuse_passed_by(self, recorded: Recorded) -> None:
        if not torch.isfinite(recorded.logits).all():
            raise ValueError(
                "wanted finite logits, got NaN or infinity; try a checkpoint from before the training diverged"
            )
        try:
            again = self(recorded.acts)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:  # shapes that do not fit
            again = recorded.logits[:0]
        most = _TOLERANCE * recorded.logits.abs().max()
        if again.shape != recorded.logits.shape or (again - recorded.logits).abs().max() > most:
            raise ValueError(
                f"{self.layer}: wanted a layer that all of the network passes through, got one that is passed by (a "
                "shortcut around it, or a batch size that is remembered); try the output of a block or a stage"
            )
