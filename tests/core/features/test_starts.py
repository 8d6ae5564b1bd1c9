import numpy as np
import torch

from featcx_core.features.starts import N_STARTS, best_starts, drawn


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def begin(projected: torch.Tensor, basis: torch.Tensor, n_atoms: int, chance: torch.Generator) -> torch.Tensor:
    return torch.rand(N_STARTS, n_atoms, len(basis), generator=chance).to(basis)


def test_few_rows_are_all_drawn() -> None:
    rows = torch.rand(5, 3, generator=generator())
    assert drawn(rows, 5, generator=generator()) is rows


def test_drawn_rows_have_one_length_and_on_average_the_products_of_all_rows() -> None:
    rows = torch.randn(300, 3, dtype=torch.float64, generator=generator()) * torch.tensor([1.0, 2.0, 4.0])
    draws = [drawn(rows, 40, generator=generator(seed)) for seed in range(400)]
    assert all(torch.allclose(draw.norm(dim=1), draw[0].norm()) for draw in draws)
    products = torch.stack([draw.T @ draw for draw in draws])
    error = products.std(0) / len(draws) ** 0.5
    assert ((products.mean(0) - rows.T @ rows).abs() < 4 * error + 1e-9).all()
    np.testing.assert_allclose(products.diagonal(dim1=1, dim2=2).sum(1), float(rows.square().sum()))


def test_a_start_is_that_of_the_class_alone_and_of_the_seed() -> None:
    acts = [torch.rand(n, 12, generator=generator(n)) for n in (90, 30, 64)]
    given = {"is_signed": False, "n_atoms": 3}
    together = best_starts(acts, begin, seed=1, **given)
    assert together.shape == (3, 3, 12)
    assert torch.equal(together, best_starts(acts, begin, seed=1, **given))
    assert not torch.equal(together, best_starts(acts, begin, seed=2, **given))
    for place, a in enumerate(acts):
        torch.testing.assert_close(best_starts([a], begin, seed=1, **given)[0], together[place], atol=1e-4, rtol=1e-4)
