"""Arrays in, the same kind of arrays out: every measure takes NumPy arrays or torch tensors."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

if TYPE_CHECKING:
    # A type checker cannot say "the kind that was given" of shaped arrays; what runs is checked at run time.
    Array: TypeAlias = Any
else:
    Array = np.ndarray | torch.Tensor
"""What every measure takes and gives back."""


def as_tensors(*arrays: Any) -> tuple[list[torch.Tensor], Callable[[torch.Tensor], Any]]:
    """Return tensors that share memory with the arrays where possible, and the way back to the kind of the first one.

    Anything that `numpy.asarray` reads (a Zarr array, a list) counts as NumPy. All tensors come on the device
    of the first.
    """
    given_tensor = isinstance(arrays[0], torch.Tensor)
    device = arrays[0].device if given_tensor else torch.device("cpu")
    tensors = [a if isinstance(a, torch.Tensor) else torch.from_numpy(_writable(np.asarray(a))) for a in arrays]
    return [t.to(device) for t in tensors], _as_given if given_tensor else _as_numpy


def _as_given(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def _as_numpy(tensor: torch.Tensor) -> np.ndarray:
    array: np.ndarray = tensor.cpu().numpy()
    return array


def _writable(array: np.ndarray) -> np.ndarray:
    # torch.from_numpy warns on read-only memory (a memory map, a pandas column); the copy is the price of silence.
    return array if array.flags.writeable else array.copy()
