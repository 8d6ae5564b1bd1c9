import jaxtyping
import numpy as np
import pytest
import torch

from featcx_core.features.ablations import ablate_directions, ablate_units, clamp_directions, clamp_units, orthonormal
from tests.references import ablation as reference

SHARES = np.linspace(0, 1, 6)


def acts(shape=(3, 4, 5, 10), seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def orders(n=10, n_orders=3):
    chance = np.random.default_rng(0)
    return {"random": np.stack([chance.permutation(n) for _ in range(n_orders)]), "importance": np.arange(n)[None]}


def test_each_step_clamps_the_first_units_of_its_order():
    x, value = acts(), torch.arange(10.0)
    plan = ablate_units(orders(), SHARES, value=value)
    assert plan.n_ablated.tolist() == [0, 2, 4, 6, 8, 10]
    for name, group in orders().items():
        for number, order in enumerate(group):
            for step, n in enumerate(plan.n_ablated):
                edit = plan.edits[plan.places[name][number, step]]
                expected = reference.clamped(order[:n], value)(x)
                torch.testing.assert_close(x if edit is None else edit(x), expected, rtol=0, atol=0)


def test_orders_share_the_ablation_of_none_and_of_all():
    plan = ablate_units(orders(), SHARES, value=torch.zeros(10))
    assert len(plan.edits) == 2 + 4 * 4  # four steps between the ends, of four orders
    assert plan.edits[0] is None
    assert all((group[:, 0] == 0).all() for group in plan.places.values())
    assert len({place for group in plan.places.values() for place in group[:, -1].tolist()}) == 1
    between = ablate_units(orders(), np.array([0.5]), value=torch.zeros(10))
    assert len(between.edits) == 1 + 4


def test_each_step_projects_out_the_span_of_the_first_directions():
    x, value = acts().double(), torch.arange(10.0).double()
    directions = np.random.default_rng(1).normal(size=(10, 10)) ** 2
    plan = ablate_directions(orders(), SHARES, directions=directions, value=value)
    for name, group in orders().items():
        for number, order in enumerate(group):
            for step, n in enumerate(plan.n_ablated[1:], start=1):
                edit = plan.edits[plan.places[name][number, step]]
                expected = reference.projected(directions[order[:n]], value)(x)
                torch.testing.assert_close(edit(x), expected, rtol=0, atol=1e-6)


def test_nothing_is_left_along_the_directions_and_all_is_left_across():
    directions = np.random.default_rng(1).normal(size=(3, 10))
    plan = ablate_directions({"one": np.arange(3)[None]}, np.array([1.0]), directions=directions, value=torch.zeros(10))
    x = acts().double()
    left = plan.edits[1](x)
    assert (left @ torch.from_numpy(directions).T).abs().max() < 1e-5
    across = np.linalg.svd(directions)[2][3:].T
    torch.testing.assert_close(left @ torch.from_numpy(across), x @ torch.from_numpy(across), rtol=0, atol=1e-5)
    torch.testing.assert_close(plan.edits[1](left), left, rtol=0, atol=1e-5)  # twice is once


def test_the_directions_of_the_units_are_the_units():
    x, value = acts(), torch.arange(10.0)
    by_unit = ablate_units(orders(), SHARES, value=value)
    by_direction = ablate_directions(orders(), SHARES, directions=np.eye(10), value=value)
    for unit, direction in zip(by_unit.edits[1:], by_direction.edits[1:], strict=True):
        torch.testing.assert_close(direction(x), unit(x), rtol=0, atol=1e-5)


def test_more_directions_than_units_leave_nothing_before_the_end():
    directions = np.random.default_rng(1).random((30, 10))
    plan = ablate_directions({"one": np.arange(30)[None]}, SHARES, directions=directions, value=torch.zeros(10))
    assert plan.edits[2](acts()).abs().max() < 1e-5  # 12 of 30
    assert plan.edits[1](acts()).abs().max() > 0.1  # 6 of 30


def test_an_orthonormal_basis_spans_the_first_directions():
    chance = np.random.default_rng(0)
    directions = chance.normal(size=(8, 12))
    directions[3] = directions[0] - 2 * directions[2]  # depends
    directions[5] = directions[4] + 1e-3 * directions[5]  # nearly
    basis, ranks = orthonormal(directions)
    assert ranks.tolist() == [1, 2, 3, 3, 4, 5, 6, 7]
    np.testing.assert_allclose(basis.T @ basis, np.eye(7), atol=1e-12)
    for n, rank in enumerate(ranks, start=1):
        q = basis[:, :rank]
        np.testing.assert_allclose(q @ (q.T @ directions[:n].T), directions[:n].T, atol=1e-10)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_dtype_and_order_in_memory_stay_and_activations_are_not_changed(layout):
    maps = torch.randn(2, 10, 4, 4).contiguous(memory_format=layout)
    before, x = maps.clone(), maps.movedim(1, -1)
    basis = torch.eye(10)[:, :3]
    for edited in (
        clamp_units(x, ablated=torch.arange(10) < 3, value=torch.zeros(10, dtype=torch.float64)),
        clamp_directions(x, basis=basis, value=torch.zeros(10, dtype=torch.float64)),
    ):
        assert edited.dtype == torch.float32
        assert (edited[..., :3] == 0).all()
        assert edited.movedim(-1, 1).is_contiguous(memory_format=torch.channels_last) or layout != torch.channels_last
    torch.testing.assert_close(maps, before, rtol=0, atol=0)


def test_errors(monkeypatch):
    with pytest.raises(ValueError, match=r"shares from 0 to 1, got 0\.0 to 2\.0"):
        ablate_units(orders(), 2 * SHARES, value=torch.zeros(10))
    with pytest.raises(ValueError, match="order twice to name each of 10 units once"):
        ablate_units({"twice": np.zeros((1, 10), dtype=int)}, SHARES, value=torch.zeros(10))
    with pytest.raises(ValueError, match="a length above 0, got one of length 0"):
        ablate_directions(orders(), SHARES, directions=np.zeros((10, 10)), value=torch.zeros(10))
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    with pytest.raises(ValueError, match="order random to name each of 9 units once"):
        ablate_units(orders(), SHARES, value=torch.zeros(9))
    with pytest.raises(ValueError, match="order random to name each of 4 directions once"):
        ablate_directions(orders(), SHARES, directions=np.ones((4, 10)), value=torch.zeros(10))
