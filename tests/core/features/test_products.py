import numpy as np
import torch

from featcx_core.features.products import class_products, residual


def test_products_are_those_of_each_class_alone() -> None:
    chance = np.random.default_rng(0)
    acts = [torch.from_numpy(chance.random((n, 4))) for n in (5, 3)]
    codes, atoms = torch.zeros(2, 2, 5, dtype=torch.float64), torch.from_numpy(chance.random((2, 2, 4)))
    for i, a in enumerate(acts):
        codes[i, :, : len(a)] = torch.from_numpy(chance.random((2, len(a))))
    products = class_products(acts, torch.stack([a.square().sum() for a in acts]))
    of_atoms, (grams, targets) = products.of_atoms(atoms), products.of_codes(codes)
    for i, a in enumerate(acts):
        z, d = codes[i, :, : len(a)].numpy(), atoms[i].numpy()
        np.testing.assert_allclose(of_atoms[i, :, : len(a)], d @ a.numpy().T)
        assert (of_atoms[i, :, len(a) :] == 0).all()  # padding
        np.testing.assert_allclose(grams[i], z @ z.T)
        np.testing.assert_allclose(targets[i], z @ a.numpy())
        assert products.residual is not None
        np.testing.assert_allclose(products.residual(i, codes[i], atoms[i]), np.linalg.norm(a.numpy() - z.T @ d))


def test_residual_by_hand() -> None:
    acts = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    assert residual(acts, torch.zeros(1, 2), torch.ones(1, 2)).item() == 5.0
    assert residual(acts, torch.tensor([[3.0, 0.0, 9.0]]), torch.tensor([[1.0, 0.0]])).item() == 4.0  # 9: padding
