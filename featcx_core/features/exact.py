"""Arithmetic of a forward pass that is the same on every device and in every run."""

from contextlib import AbstractContextManager

import torch


def exact() -> AbstractContextManager[None]:
    """Compute convolutions on CUDA in whole float32, by the same algorithms every time; nothing changes elsewhere.

    TF32, the default there, keeps three digits.
    """
    return torch.backends.cudnn.flags(enabled=True, deterministic=True, benchmark=False, allow_tf32=False)
