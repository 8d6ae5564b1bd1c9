"""A network that tells red from blue images, set by hand."""

import torch
from torch import nn


class Colours(nn.Module):
    """Says 1 where the image has more red than blue, else 0; `blue_first`: of images whose colours come in that order."""

    def __init__(self, *, blue_first: bool = False) -> None:
        super().__init__()
        self.stem, self.relu = nn.Conv2d(3, 8, 1), nn.ReLU()
        self.body, self.act = nn.Conv2d(8, 8, 1), nn.ReLU()
        self.head = nn.Linear(8, 2)
        for layer in (self.stem, self.body, self.head):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            for colour, unit in ((2 if blue_first else 0, 0), (0 if blue_first else 2, 1)):
                self.stem.weight[unit, colour] = 1
                self.body.weight[unit, unit] = 1
            self.stem.bias[:2] = 3  # so that nothing is cut off
            self.head.weight[1, 0] = self.head.weight[0, 1] = 8

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.act(self.body(self.relu(self.stem(images))))
        return self.head(maps.mean((2, 3)))


def colours() -> nn.Module:
    return Colours()
