"""Modules that are called several times in a forward pass: one ReLU for a whole network gives what separate ones do."""

import numpy as np
import pytest
import torch
from torch import nn

from featcx_core.features.forward import Network, Tap, by_position, pooled
from featcx_core.images.data import load_data
from featcx_core.networks.anatomy import Anatomy
from featcx_core.networks.layers import resolve_anatomy
from featcx_core.study.fields import Activations, Study, StudyError

SHAPE = (1, 12, 12)


class Block(nn.Module):
    """A residual block that ends in a ReLU."""

    def __init__(self, width: int, relus: list[nn.Module]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.relu1, self.relu2 = relus

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu2(x + self.conv2(self.relu1(self.conv1(x))))


class Residual(nn.Module):
    """Stem, two blocks, mean, head."""

    def __init__(self, relus: list[nn.Module]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1)
        self.relu = relus[0]
        self.blocks = nn.Sequential(Block(6, relus[1:3]), Block(6, relus[3:]))
        self.fc = nn.Linear(6, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.blocks(self.relu(self.conv(images))).mean((2, 3)))


class Plain(nn.Module):
    """Three convolutions, each followed by a ReLU, mean, head."""

    def __init__(self, relus: list[nn.Module]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 5, 3, padding=1)
        self.conv3 = nn.Conv2d(5, 6, 3, padding=1)
        self.relu1, self.relu2, self.relu3 = relus[:3]
        self.fc = nn.Linear(6, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.relu2(self.conv2(self.relu1(self.conv1(images))))
        return self.fc(self.relu3(self.conv3(maps)).mean((2, 3)))


def twins(kind: type[nn.Module]) -> tuple[nn.Module, nn.Module]:
    """A network with one ReLU, and one with as many as calls and the same weights."""
    shared, separate = kind([nn.ReLU(inplace=True)] * 5), kind([nn.ReLU() for _ in range(5)])
    separate.load_state_dict(shared.state_dict())
    return shared, separate


def anatomy_of(model: nn.Module, *, layers: tuple[str, ...] | str = "auto") -> Anatomy:
    study = Study(name="x", activations=Activations.model_validate({"layers": layers}))
    return resolve_anatomy(model, study, image_shape=SHAPE)


NAMES = {
    Residual: (["relu", "blocks.0", "blocks.1"], ["relu", "blocks.0", "blocks.1"]),
    Plain: (["relu1", "relu1#2", "relu1#3"], ["relu1", "relu2", "relu3"]),
}


@pytest.mark.parametrize("kind", NAMES)
def test_one_relu_for_all_gives_the_layers_of_separate_ones(kind: type[nn.Module], tiny: Study):
    torch.manual_seed(0)
    both = twins(kind)
    found = [anatomy_of(model) for model in both]
    assert tuple(anatomy.names for anatomy in found) == NAMES[kind]
    shared, separate = ([row.model_copy(update={"layer": ""}) for row in anatomy.layers] for anatomy in found)
    assert shared == separate
    assert (found[0].head, found[0].signed) == ("fc", False)
    data, taken = load_data(tiny), []
    for model, anatomy in zip(both, found, strict=True):
        taps = [Tap(row.layer, pooled(row, "gap")) for row in anatomy.layers]
        taps.append(Tap(anatomy.penultimate, by_position(anatomy.layers[-1])))
        taken.append(list(Network(model, data, torch.device("cpu")).forward(data.probe, taps, batch_size=50)))
    assert len(taken[0]) == 3  # batches: calls are counted anew in every forward pass
    assert taken[0][0][-1].shape == (50, 144, 6)  # every position
    for ones, others in zip(*taken, strict=True):
        for one, other in zip(ones, others, strict=True):
            np.testing.assert_array_equal(one, other)


def test_calls_are_named_one_by_one_or_with_a_wildcard():
    model = twins(Plain)[0]
    assert anatomy_of(model, layers=("relu1#2",)).names == ["relu1#2", "relu1#3"]
    assert anatomy_of(model, layers=("relu1*",)).names == ["relu1", "relu1#2", "relu1#3"]
    assert anatomy_of(model, layers=("relu1",)).names == ["relu1", "relu1#3"]  # what the head reads is always there
    with pytest.raises(StudyError, match=r"'relu1#4' matches no layer; did you mean relu1#3\?$"):
        anatomy_of(model, layers=("relu1#4",))


def test_a_block_that_is_called_again_and_again_is_a_block_each_time():
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 6, 3, padding=1)
            self.block = Block(6, [nn.ReLU(), nn.ReLU()])
            self.fc = nn.Linear(6, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.fc(self.block(self.block(self.block(self.conv(images)))).mean((2, 3)))

    found = anatomy_of(Recurrent())
    assert [(row.layer, row.role) for row in found.layers] == [
        ("conv", "stem"),
        ("block", "block"),
        ("block#2", "block"),
        ("block#3", "penultimate"),
    ]
