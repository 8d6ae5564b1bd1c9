"""Products with the activations A, by which the iterations of a factorisation A ≈ Z D see them.

Letters and axes as in `factorisation`: codes Z are kept transposed, (atom, sample).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch


class Products(NamedTuple):
    """Products with A, which is all that the iterations see of it."""

    energy: torch.Tensor
    """(factorisation,) ||A||²."""
    of_atoms: Callable[[torch.Tensor], torch.Tensor]
    """D -> D A', (factorisation, atom, sample)."""
    of_codes: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
    """Z -> Z Z' and Z A."""
    residual: Callable[[int, torch.Tensor, torch.Tensor], torch.Tensor] | None
    """i, Z, D -> ||A - Z D|| of factorisation i."""


def class_products(acts: list[torch.Tensor], energy: torch.Tensor) -> Products:
    """Return the products of classes, summed class by class on unpadded arrays: rounding is that of a class alone."""

    def of_atoms(atoms: torch.Tensor) -> torch.Tensor:
        products = atoms.new_zeros(*atoms.shape[:2], max(a.shape[0] for a in acts))
        for product, a, d in zip(products, acts, atoms, strict=True):
            product[:, : a.shape[0]] = (a @ d.T).T
        return products

    def of_codes(codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        unpadded = [z[:, : a.shape[0]] for z, a in zip(codes, acts, strict=True)]
        of_acts = [z @ a for z, a in zip(unpadded, acts, strict=True)]
        return torch.stack([z @ z.T for z in unpadded]), torch.stack(of_acts)

    return Products(energy, of_atoms, of_codes, lambda i, codes, atoms: residual(acts[i], codes, atoms))


def residual(acts: torch.Tensor, codes: torch.Tensor, atoms: torch.Tensor) -> torch.Tensor:
    """Return ||A - Z D||, entry by entry."""
    norm: torch.Tensor = torch.linalg.vector_norm(torch.addmm(acts, codes[:, : acts.shape[0]].T, atoms, alpha=-1))
    return norm
