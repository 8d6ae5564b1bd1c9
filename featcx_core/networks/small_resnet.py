"""The built-in network: a small residual network for small images.

After He et al., Deep residual learning for image recognition, CVPR 2016, section 4.2.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import nn

Maps = Float[torch.Tensor, "image channel height width"]
Output = Float[torch.Tensor, "image channel_out height_out width_out"]


class BasicBlock(nn.Module):
    """f + g(f), then ReLU; g is two 3x3 convolutions. Where the shape changes, a 1x1 convolution projects f."""

    def __init__(self, channels: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != width:
            projection = nn.Conv2d(channels, width, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(width))

    def forward(self, maps: Maps) -> Output:
        """Return the block's output after its last ReLU."""
        main = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(maps)))))
        return torch.relu(self.shortcut(maps) + main)


class SmallResNet(nn.Module):
    """Stem, stages `layer1`, `layer2`, … of residual blocks, global average pooling, linear head `fc`.

    Args:
        channels: channels of the images.
        n_classes: outputs of the head.
        widths: feature maps of each stage; every stage but the first halves the resolution.
        blocks: residual blocks a stage.
    """

    def __init__(self, *, channels: int, n_classes: int, widths: Sequence[int] = (16, 32, 64), blocks: int = 3) -> None:
        super().__init__()
        first = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.stem = nn.Sequential(first, nn.BatchNorm2d(widths[0]), nn.ReLU())
        self.n_stages = len(widths)
        before = widths[0]
        for stage, width in enumerate(widths, start=1):
            stride = 1 if stage == 1 else 2
            inputs = [(before, stride)] + [(width, 1)] * (blocks - 1)
            self.add_module(f"layer{stage}", nn.Sequential(*(BasicBlock(c, width, stride=s) for c, s in inputs)))
            before = width
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(before, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Maps) -> Float[torch.Tensor, "row class"]:
        """Return the logits: a row an image, unless a hook puts other activations in place of a layer's."""
        maps = self.stem(images)
        for stage in range(1, self.n_stages + 1):
            maps = self.get_submodule(f"layer{stage}")(maps)
        logits: torch.Tensor = self.fc(self.pool(maps).flatten(1))
        return logits
