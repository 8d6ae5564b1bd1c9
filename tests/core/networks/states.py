"""Tensors of a small network, for tests of files of them."""

from pathlib import Path

import torch
from torch import nn


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 3))


STATE = network().state_dict()


WANTED = {name: tuple(tensor.shape) for name, tensor in STATE.items()}


def prefixed(prefix: str, state=STATE) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def saved(tmp_path: Path, content: object, name: str = "x.pt") -> Path:
    torch.save(content, tmp_path / name)
    return tmp_path / name


SHIFTED = {name: tensor + 1 for name, tensor in STATE.items()}


OPTIMIZER = {
    "state": {0: {"exp_avg": torch.zeros(4, 1, 3, 3), "step": torch.tensor(3.0)}},
    "param_groups": [{"lr": 0.1}],
}
