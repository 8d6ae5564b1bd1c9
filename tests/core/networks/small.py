"""Small studies and networks for tests: what is found in them is known."""

import torch
from torch import nn

from featcx_core.networks.anatomy import Anatomy
from featcx_core.networks.layers import resolve_anatomy
from featcx_core.networks.models import build_model
from featcx_core.study.fields import Activations, Model, Study

GREY, COLOUR, SMALL_COLOUR = (1, 12, 12), (3, 64, 64), (3, 12, 12)
SMALL_VIT = {"patch_size": 4, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16, "num_classes": 3}
VIT = "torchvision.models.vision_transformer:VisionTransformer"


def study(source: str = "builtin:small_resnet", *, layers="auto", pooling="gap", seed=0, **arguments) -> Study:
    model = Model(source=source, arguments=arguments)
    return Study(name="x", seed=seed, model=model, activations=Activations(layers=layers, pooling=pooling))


def anatomy(of: Study, shape=GREY) -> Anatomy:
    return resolve_anatomy(build_model(of, n_classes=3, image_shape=shape), of, image_shape=shape)


def table(found: Anatomy) -> list[tuple[str, str, int]]:
    return [(row.layer, row.role, row.units) for row in found.layers]


class Flat(nn.Module):
    """The head reads the flattened maps."""

    def __init__(self, *, n_classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(2 * 10 * 10, n_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.relu(self.conv(images)).flatten(1))


class Functional(Flat):
    """No module gives what the head reads."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.sigmoid(self.conv(images)).flatten(1))


class Headless(Flat):
    """The logits are not the linear map's output."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images).softmax(1)


class Turned(nn.Module):
    """A block with channels last."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Linear(channels, channels)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps + self.mix(maps).relu_()


class AsWideAsDeep(nn.Module):
    """Its first block gives 12 x 12 x 12, from which nobody can tell where the channels are."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, padding=1)
        self.first = Turned(12)
        self.merge = nn.Linear(12, 20)
        self.second = Turned(20)
        self.head = nn.Linear(20, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.merge(self.first(self.conv(images).permute(0, 2, 3, 1)))
        return self.head(self.second(maps[:, ::2, ::2]).mean((1, 2)))


class Doubled(nn.Module):
    """Adds two branches, one of which adds as well; one of the two is shared."""

    def __init__(self, side: nn.Module, *, is_plain: bool = False) -> None:
        super().__init__()
        self.side, self.turned, self.is_plain = side, Turned(9), is_plain

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        if self.is_plain:
            return self.side(maps)
        total = self.side(maps)
        total += self.turned(maps)
        return total


class Branches(nn.Module):
    """Blocks without a known attribute: a sum of two branches, and one that adds nothing."""

    def __init__(self, *, times: int = 1) -> None:
        super().__init__()
        self.times = times
        self.embed = nn.Conv2d(3, 5, 3)
        shared = nn.Conv2d(5, 5, 3, padding=1)
        self.codes = nn.Parameter(torch.ones(1, 5, 10, 9))
        self.one, self.two, self.three = Doubled(shared), Doubled(shared, is_plain=True), Doubled(shared)
        self.fc = nn.Linear(5, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.embed(images)[..., :9] + self.codes  # broadcast: no block
        maps = self.two(self.one(maps))
        for _ in range(self.times):
            maps = self.three(maps)
        return self.fc(torch.relu_(maps).mean((2, 3)))
