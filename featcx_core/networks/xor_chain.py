"""The built-in network of which it is known what each layer can tell: parities, one more bit a block.

Nothing in it is learned but the head. The parity that block k adds, counted from 0, is linearly decodable from there on
and, as a parity of fair bits is uncorrelated with every smaller one, not at all before: over the five blocks its K is
k/5. It is first in the main branch of its block, afterwards in the residual branch of the next ones.
"""

import torch
from jaxtyping import Float
from torch import nn

from featcx_core.images.generated import N_BITS, N_PARITIES

Units = Float[torch.Tensor, "image unit"]


class Tiles(nn.Module):
    """Mean of each tile, pushed to 0 or 1, and room for the parities."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d((2, N_BITS // 2))

    def forward(self, images: Float[torch.Tensor, "image channel height width"]) -> Units:
        """The bits, then zeros."""
        bits = (5 * self.pool(images).flatten(1) - 2).clamp(0, 1)
        return nn.functional.pad(bits, (0, N_PARITIES))


class Parity(nn.Module):
    """f + g(f): g is the exclusive or of the last parity and the next bit, in the next free unit."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place
        self.relu = nn.ReLU()

    def forward(self, units: Units) -> Units:
        """The same with one parity more."""
        before = units[:, 0] if self.place == 0 else units[:, N_BITS + self.place - 1]
        both = before + units[:, self.place + 1]
        parity = self.relu(both) - 2 * self.relu(both - 1)
        own = nn.functional.one_hot(torch.tensor(N_BITS + self.place), N_BITS + N_PARITIES).to(units)
        out: torch.Tensor = units + parity[:, None] * own
        return out


class XorChain(nn.Module):
    """Stem `stem`, then `blocks.0` … `blocks.4`, each one parity further, and the head `fc`.

    Wants one-channel images, not normalised, whose tiles are bright or dark.
    """

    def __init__(self, *, n_classes: int) -> None:
        super().__init__()
        self.stem = Tiles()
        self.blocks = nn.Sequential(*(Parity(place) for place in range(N_PARITIES)))
        self.fc = nn.Linear(N_BITS + N_PARITIES, n_classes)

    def forward(self, images: Float[torch.Tensor, "image 1 height width"]) -> Float[torch.Tensor, "row class"]:
        """Logits: a row an image, unless a hook puts other activations in place of a layer's."""
        logits: torch.Tensor = self.fc(self.blocks(self.stem(images)))
        return logits
