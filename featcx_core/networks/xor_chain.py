"""The built-in networks whose layers hold known information: parities, of one more bit in each block.

Only the head learns. In `XorChain` the parity that block k adds, counted from 0, is linearly decodable from that block
on, and not at all before, since a parity of fair bits is uncorrelated with every smaller one: over the five blocks its
K is k/5. It appears in the main branch of its block, then in the residual branch of the following blocks. `XorTwins`
has two such chains side by side.
"""

import torch
from jaxtyping import Float
from torch import nn

from featcx_core.images.generated import N_BITS, N_PARITIES, N_TWIN_BITS

Units = Float[torch.Tensor, "image unit"]


class Tiles(nn.Module):
    """Mean of each tile, pushed to 0 or 1, then zeros for the parities.

    Args:
        n_parities: Parities that the blocks will add.
    """

    def __init__(self, n_parities: int = N_PARITIES) -> None:
        super().__init__()
        self.n_parities = n_parities
        self.pool = nn.AdaptiveAvgPool2d((2, N_BITS // 2))

    def forward(self, images: Float[torch.Tensor, "image channel height width"]) -> Units:
        """Return the bits, then zeros."""
        bits = (5 * self.pool(images).flatten(1) - 2).clamp(0, 1)
        return nn.functional.pad(bits, (0, self.n_parities))


class Parity(nn.Module):
    """f + g(f): g is the exclusive or of the last parity and the next bit, in the next free unit."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place
        self.relu = nn.ReLU()

    def forward(self, units: Units) -> Units:
        """Return the units with one parity more."""
        previous = units[:, 0] if self.place == 0 else units[:, N_BITS + self.place - 1]
        both = previous + units[:, self.place + 1]
        parity = self.relu(both) - 2 * self.relu(both - 1)
        free = nn.functional.one_hot(torch.tensor(N_BITS + self.place), N_BITS + N_PARITIES).to(units)
        out: torch.Tensor = units + parity[:, None] * free
        return out


class XorChain(nn.Module):
    """Stem `stem`, blocks `blocks.0` … `blocks.4`, each with one parity more, and the head `fc`.

    The images have one channel and bright or dark tiles; they are not normalised.
    """

    def __init__(self, *, n_classes: int) -> None:
        super().__init__()
        self.stem = Tiles()
        self.blocks = nn.Sequential(*(Parity(place) for place in range(N_PARITIES)))
        self.fc = nn.Linear(N_BITS + N_PARITIES, n_classes)

    def forward(self, images: Float[torch.Tensor, "image 1 height width"]) -> Float[torch.Tensor, "row class"]:
        """Return the logits: a row an image, unless a hook puts other activations in place of a layer's."""
        logits: torch.Tensor = self.fc(self.blocks(self.stem(images)))
        return logits


class TwinParity(nn.Module):
    """f + g(f): g is the exclusive or of the last parity and the next bit, of both rows of tiles, in two free units."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place
        self.relu = nn.ReLU()

    def forward(self, units: Units) -> Units:
        """Return the units with one parity more of each row."""
        added = torch.zeros_like(units)
        for row in range(2):
            first_bit, free = row * N_TWIN_BITS, N_BITS + 2 * self.place + row
            previous = units[:, first_bit] if self.place == 0 else units[:, free - 2]
            both = previous + units[:, first_bit + self.place + 1]
            added[:, free] = self.relu(both) - 2 * self.relu(both - 1)
        return units + added


class LastUnits(nn.Module):
    """The first bit of either row, then the last parity of either row."""

    def forward(self, units: Units) -> Float[torch.Tensor, "image 4"]:
        """Return these four of the units."""
        return torch.cat([units[:, [0, N_TWIN_BITS]], units[:, -2:]], dim=1)


class XorTwins(nn.Module):
    """Stem `stem`, blocks `blocks.0` … `blocks.2`, `last` and the head `fc`: two like chains of parities.

    Over the three blocks and `last`, each row's first bit has K = 0 and its parity of four bits K = 1/2.
    """

    def __init__(self, *, n_classes: int) -> None:
        super().__init__()
        n_blocks = N_TWIN_BITS - 1
        self.stem = Tiles(2 * n_blocks)
        self.blocks = nn.Sequential(*(TwinParity(place) for place in range(n_blocks)))
        self.last = LastUnits()
        self.fc = nn.Linear(4, n_classes)

    def forward(self, images: Float[torch.Tensor, "image 1 height width"]) -> Float[torch.Tensor, "row class"]:
        """Return the logits: a row an image, unless a hook puts other activations in place of a layer's."""
        logits: torch.Tensor = self.fc(self.last(self.blocks(self.stem(images))))
        return logits
