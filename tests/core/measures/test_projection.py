from itertools import pairwise

import numpy as np
import pytest
import torch

from featcx_core.measures.decomposed import decompose
from featcx_core.measures.projection import Projection, most_active_units, project, random_units, svcca_projection
from featcx_core.measures.similarity import mean_cca

pytestmark = pytest.mark.filterwarnings("ignore:CCA of")


def pair(n=400, seed=0):
    """Two layers that share two directions."""
    chance = np.random.default_rng(seed)
    shared = chance.normal(size=(n, 2))
    x = shared @ chance.normal(size=(2, 8)) + 0.3 * chance.normal(size=(n, 8)) + 5
    y = shared @ chance.normal(size=(2, 6)) + 0.3 * chance.normal(size=(n, 6))
    return x, y


def canonical_variables(x, y, n_directions):
    """By Σ_xx^{-1/2} Σ_xy Σ_yy^{-1/2}, scaled to length 1."""
    x, y = x - x.mean(0), y - y.mean(0)
    root = np.linalg.inv(np.linalg.cholesky(x.T @ x)).T
    a, _, _ = np.linalg.svd(root.T @ (x.T @ y) @ np.linalg.inv(np.linalg.cholesky(y.T @ y)).T)
    return x @ root @ a[:, :n_directions]


@pytest.mark.parametrize("n_directions", [0, 1, 2, 6])
def test_svcca_projection_is_the_regression_on_the_canonical_variables(n_directions):
    x, y = pair()
    projection = svcca_projection(x, y, n_directions=n_directions, threshold=1.0)
    h = canonical_variables(x, y, n_directions)
    np.testing.assert_allclose(project(x, projection), x.mean(0) + h @ (h.T @ x), atol=1e-9)
    np.testing.assert_allclose(projection.projector @ projection.projector, projection.projector, atol=1e-10)
    assert np.linalg.matrix_rank(projection.projector) == n_directions


def test_the_shared_directions_stay_and_the_rest_goes():
    x, y = pair()
    kept = project(x, svcca_projection(x, y, n_directions=2))
    assert mean_cca(kept, y) == pytest.approx(np.sort(_correlations(x, y))[-2:].mean(), abs=0.01)
    unlike = project(x, random_units(x, n_units=2, seed=0))
    assert mean_cca(unlike, y) < mean_cca(kept, y)


def _correlations(x, y):
    qx, qy = (np.linalg.qr(side - side.mean(0))[0] for side in (x, y))
    return np.linalg.svd(qx.T @ qy, compute_uv=False)


def test_all_directions_of_a_full_layer_change_nothing():
    x, _ = pair()
    everything = svcca_projection(x, x, n_directions=8, threshold=1.0)
    np.testing.assert_allclose(everything.projector, np.eye(8), atol=1e-9)
    np.testing.assert_allclose(project(x, everything), x, atol=1e-9)


def test_svcca_leaves_weak_directions_out_first():
    x, y = pair()
    few = svcca_projection(x, y, n_directions=2, threshold=0.95, squared=True)
    assert decompose(x).leading(0.95, squared=True) == 4
    outside = np.linalg.svd(x - x.mean(0))[2][4:]
    np.testing.assert_allclose(few.projector @ outside.T, 0, atol=1e-10)


def test_units_are_kept_or_set_to_their_mean():
    x, _ = pair()
    kept = np.diag(random_units(x, n_units=3, seed=1).projector).astype(bool)
    assert kept.sum() == 3
    projected = project(x, random_units(x, n_units=3, seed=1))
    np.testing.assert_allclose(projected[:, kept], x[:, kept])
    np.testing.assert_allclose(projected[:, ~kept], np.broadcast_to(x[:, ~kept].mean(0), (400, 5)))
    to_zero = random_units(x, n_units=3, seed=1)._replace(offset=np.zeros(8))
    assert (project(x, to_zero)[:, ~kept] == 0).all()


def test_random_units_are_seeded_and_nested():
    x, _ = pair()
    sets = [set(np.flatnonzero(np.diag(random_units(x, n_units=n, seed=3).projector))) for n in range(9)]
    assert all(fewer < more for fewer, more in pairwise(sets))
    others = [np.diag(random_units(x, n_units=4, seed=seed).projector).tolist() for seed in range(5)]
    assert len({tuple(other) for other in others}) > 1


def test_most_active_units_by_hand():
    x = np.array([[0.0, 1.0, -4.0, 1.0], [0.0, 3.0, -2.0, 3.0]])
    assert np.diag(most_active_units(x, n_units=1).projector).tolist() == [0, 0, 1, 0]
    assert np.diag(most_active_units(x, n_units=2).projector).tolist() == [0, 1, 1, 0]
    assert most_active_units(x, n_units=2).offset.tolist() == [0, 2, -3, 2]


def test_kinds_positions_and_precision():
    x, y = pair()
    single = x.astype(np.float32)
    tensors = svcca_projection(torch.from_numpy(x), torch.from_numpy(y), n_directions=2)
    arrays = svcca_projection(x, y, n_directions=2)
    assert isinstance(tensors.projector, torch.Tensor)
    np.testing.assert_array_equal(tensors.projector, arrays.projector)
    assert isinstance(random_units(torch.from_numpy(x), n_units=2, seed=0).offset, torch.Tensor)
    positions = single.reshape(100, 4, 8)
    projected = project(positions, arrays)
    assert projected.dtype == np.float32
    np.testing.assert_allclose(projected.reshape(400, 8), project(x, arrays), atol=1e-5)
    assert project(torch.from_numpy(positions), arrays).dtype == torch.float32


def test_errors():
    x, y = pair()
    for wanted in (-1, 7):
        with pytest.raises(ValueError, match=f"0 to 6 directions to keep, got {wanted}"):
            svcca_projection(x, y, n_directions=wanted, threshold=1.0)
        with pytest.raises(ValueError, match="0 to 6 units to keep"):
            random_units(y, n_units=wanted, seed=0)
        with pytest.raises(ValueError, match="0 to 6 units to keep"):
            most_active_units(y, n_units=wanted)
    with pytest.raises(ValueError, match="threshold above 0"):
        svcca_projection(x, y, n_directions=1, threshold=0.0)
    with pytest.raises(ValueError, match="got 8 images and 8 units"):
        svcca_projection(x[:8], y[:8], n_directions=1)
    with pytest.raises(ValueError, match="activations of 2 units, got 8"):
        project(x, Projection(np.eye(2), np.zeros(2)))
