"""One small member of each family of networks, with random weights; run as a module, a table of what is found in each."""

from typing import Any, NamedTuple

import torch
from torch import nn

from featcx_core.anatomy import Anatomy
from featcx_core.sources.layers import resolve_anatomy
from featcx_core.sources.models import build_model
from featcx_core.study import Model, Study

N_CLASSES = 3


class Family(NamedTuple):
    """A member of a family."""

    family: str
    source: str
    side: int = 64
    arguments: dict[str, Any] = {}  # noqa: RUF012 - never changed

    @property
    def study(self) -> Study:
        return Study(name="family", model=Model(source=self.source, arguments=self.arguments))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return (3, self.side, self.side)

    def build(self) -> nn.Module:
        """The network; what it initialises with zeros is random, or its logits would be the same for all images."""
        model = build_model(self.study, n_classes=N_CLASSES, image_shape=self.image_shape).eval()
        generator = torch.Generator().manual_seed(1)
        for parameter in model.parameters():
            if not parameter.detach().any():
                nn.init.normal_(parameter, std=0.1, generator=generator)
        return model

    def anatomy(self, model: nn.Module) -> Anatomy:
        return resolve_anatomy(model, self.study, image_shape=self.image_shape)


TORCHVISION = (
    Family("ResNet", "torchvision:resnet18"),
    Family("ResNeXt", "torchvision:resnext50_32x4d"),
    Family("WideResNet", "torchvision:wide_resnet50_2"),
    Family("RegNet", "torchvision:regnet_y_400mf"),
    Family("VGG", "torchvision:vgg11", 32),
    Family("DenseNet", "torchvision:densenet121"),
    Family("MobileNetV2", "torchvision:mobilenet_v2"),
    Family("MobileNetV3", "torchvision:mobilenet_v3_small"),
    Family("EfficientNet", "torchvision:efficientnet_b0"),
    Family("ConvNeXt", "torchvision:convnext_tiny"),
    Family("ViT", "torchvision:vit_b_16", 32),
    Family("Swin", "torchvision:swin_t"),
)
TIMM = (
    Family("ResNet", "timm:resnet10t"),
    Family("RegNet", "timm:regnety_002"),
    Family("VGG", "timm:vgg11_bn", 32),
    Family("DenseNet", "timm:densenet121"),
    Family("MobileNetV2", "timm:mobilenetv2_035"),
    Family("MobileNetV3", "timm:mobilenetv3_small_050"),
    Family("EfficientNet", "timm:efficientnet_b0"),
    Family("ConvNeXt", "timm:convnext_atto"),
    Family("ViT", "timm:vit_tiny_patch16_224"),
    Family("Swin", "timm:swin_tiny_patch4_window7_224"),
)


def as_markdown(families: tuple[Family, ...]) -> str:
    """One row per network."""
    rows = ["| family | model | layers | stem | blocks | penultimate | read as | units | head |", "|" + "---|" * 9]
    for family in families:
        found = family.anatomy(family.build())
        last = next(row for row in found.layers if row.role == "penultimate")
        blocks = [row for row in found.layers if row.kind in {r.kind for r in found.layers if r.role == "block"}]
        kinds = ", ".join(sorted({row.kind for row in blocks}))
        stem = next((row.layer for row in found.layers if row.role == "stem"), "–")
        way = f"{last.layout}{', after a ReLU' if last.rectified else ''}, {last.height} x {last.width}"
        rows.append(
            f"| {family.family} | `{family.source}` | {len(found.layers)} | {stem} | "
            f"{f'{len(blocks)} {kinds}' if blocks else '– (stages)'} | {last.layer} | {way} | {last.units} | {found.head} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    print(as_markdown((*TORCHVISION, *TIMM)))  # noqa: T201 - its job
