import jaxtyping
import numpy as np
import pytest
import torch

from featcx_core.features.moments import Moments
from featcx_core.measures.v_information import as_printed, v_information
from featcx_core.study.fields import Penalties
from tests.references import v_information as reference


def planted(n_fit=150, n_score=90, units=12, concepts=6, dtype=np.float64, seed=0):
    """Codes from linear in the acts to pure noise."""
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(n_fit + n_score, units)) * np.geomspace(1, 0.05, units) + 2
    signal = x @ chance.normal(size=(units, concepts))
    z = signal + chance.normal(size=signal.shape) * np.linspace(0, 5, concepts) * signal.std(0)
    z[:, -1] = chance.normal(size=len(x))
    x, z = x.astype(dtype), z.astype(dtype)
    return x[:n_fit], z[:n_fit], x[n_fit:], z[n_fit:]


def test_half_of_the_variance_by_hand():
    # z = x + noise that the probe cannot see, both with variance 1: R² = 1/2
    x = np.array([[-1.0], [-1.0], [1.0], [1.0]] * 5)
    z = x + np.array([[-1.0], [1.0], [-1.0], [1.0]] * 5)
    result = v_information(x, z, x, z, penalty=0.0)
    assert result.v_information == pytest.approx([0.5])
    assert result.penalty == pytest.approx([0.0])


@pytest.mark.parametrize("n_fit", [150, 9])
def test_equals_scikit_learn_concept_by_concept(n_fit):
    halves = planted(n_fit=n_fit)
    result = v_information(*halves, groups=5)
    for i in range(halves[1].shape[1]):
        x, z, x_score, z_score = halves[0], halves[1][:, i], halves[2], halves[3][:, i]
        assert result.penalty[i] == pytest.approx(reference.best_alpha(x, z), rel=1e-9)
        r2, left_out = reference.refitted(x, z, x_score, z_score, 5)
        assert result.v_information[i] == pytest.approx(max(0, r2), abs=1e-6)
        np.testing.assert_allclose(result.jackknife[i], left_out, atol=1e-6)
        assert result.standard_error[i] == pytest.approx(reference.jackknife_error(left_out), abs=1e-6)


def test_float32_products_cost_six_digits_at_most():
    halves = planted()
    single = v_information(*(half.astype(np.float32) for half in halves))
    double = v_information(*halves)
    np.testing.assert_allclose(single.penalty, double.penalty, rtol=1e-4)
    np.testing.assert_allclose(single.v_information, double.v_information, atol=2e-5)


def test_a_penalty_given_is_used_as_it_is():
    halves = planted()
    alphas = np.array([0.0, 0.1, 1.0, 10.0, 100.0, 1e9])
    result = v_information(*halves, penalty=alphas)
    np.testing.assert_array_equal(result.penalty, alphas)
    for i, alpha in enumerate(alphas):
        r2, left_out = reference.refitted(halves[0], halves[1][:, i], halves[2], halves[3][:, i], 20, alpha)
        assert result.v_information[i] == pytest.approx(max(0, r2), abs=1e-6)
        np.testing.assert_allclose(result.jackknife[i], left_out, atol=1e-6)
    one = v_information(*halves, penalty=10.0)
    assert one.v_information[3] == pytest.approx(result.v_information[3])


def test_the_grid_is_relative_to_the_mean_eigenvalue():
    halves = planted()
    result = v_information(*halves, penalties=Penalties(count=1, low=0.1, high=0.1))
    centred = halves[0] - halves[0].mean(0)
    np.testing.assert_allclose(result.penalty, 0.1 * np.sum(centred**2) / 12)


def test_codes_do_not_influence_each_other():
    halves = planted()
    alone = v_information(halves[0], halves[1][:, 2:3], halves[2], halves[3][:, 2:3])
    together = v_information(*halves)
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_allclose(a, b[2:3], rtol=1e-9)


@pytest.mark.parametrize("change", ["scale codes", "shift codes", "shift acts", "scale acts", "rotate acts"])
def test_invariances(change):
    halves = planted()
    fit, score = list(halves[:2]), list(halves[2:])
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 12)))[0]
    for half in (fit, score):
        half[0] = {"shift acts": half[0] + 3, "scale acts": half[0] * 7, "rotate acts": half[0] @ rotation}.get(
            change, half[0]
        )
        half[1] = {"scale codes": half[1] * 1e-3, "shift codes": half[1] + 50}.get(change, half[1])
    changed, same = v_information(*fit, *score), v_information(*halves)
    np.testing.assert_allclose(changed.v_information, same.v_information, atol=1e-7)
    np.testing.assert_allclose(changed.standard_error, same.standard_error, atol=1e-7)


def test_more_noise_is_less_information_and_all_lie_in_0_1():
    scores = v_information(*planted(n_fit=600, n_score=400)).v_information
    assert (np.diff(scores[:5]) < 0).all()
    assert scores[0] == pytest.approx(1, abs=1e-6)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_independent_codes_score_about_zero():
    chance = np.random.default_rng(2)
    x, z = chance.normal(size=(1000, 64)), chance.normal(size=(1000, 200))
    result = v_information(x[:500], z[:500], x[500:], z[500:])
    assert result.v_information.mean() < 0.01
    unclipped = result.jackknife.mean(1)
    assert unclipped.mean() < 0.005
    assert np.mean(np.abs(unclipped) > 4 * result.standard_error + 0.01) < 0.02


def test_the_standard_error_is_the_spread_over_images():
    values, errors = [], []
    for seed in range(30):
        chance = np.random.default_rng(seed)
        x = chance.normal(size=(600, 4))
        z = x[:, :1] + chance.normal(size=(600, 1))
        result = v_information(x[:200], z[:200], x[200:], z[200:])
        values.append(result.v_information[0])
        errors.append(result.standard_error[0])
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.35)


@pytest.mark.parametrize("half", ["fit", "score", "both"])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_a_constant_code_has_no_score(half, value):
    halves = planted()
    if half in ("fit", "both"):
        halves[1][:, 2] = value
    if half in ("score", "both"):
        halves[3][:, 2] = value
    result = v_information(*halves)
    for column in result:
        assert np.isnan(column[2]).all()
        assert np.isfinite(np.delete(column, 2, axis=0)).all()


def test_a_dead_layer_holds_nothing():
    _, z, _, z_score = planted()
    x, x_score = np.full((len(z), 3), 0.7), np.full((len(z_score), 3), 0.7)
    np.testing.assert_allclose(v_information(x, z, x_score, z_score).v_information, 0, atol=1e-12)


def test_dead_and_doubled_units_change_nothing():
    x, z, x_score, z_score = planted()
    alpha = np.full(z.shape[1], 1e-3)
    dead = [np.column_stack([half, np.zeros(len(half)), np.full(len(half), 0.3)]) for half in (x, x_score)]
    doubled = [np.column_stack([half, half]) / np.sqrt(2) for half in (x, x_score)]
    expected = v_information(x, z, x_score, z_score, penalty=alpha).v_information
    for a, b in (dead, doubled):
        np.testing.assert_allclose(v_information(a, z, b, z_score, penalty=alpha).v_information, expected, atol=1e-8)


def test_fewer_images_than_units_in_float32_follow_float64():
    chance = np.random.default_rng(3)
    x, x_score = chance.normal(size=(40, 100)), chance.normal(size=(60, 100))
    direction = chance.normal(size=(100, 4))
    z, z_score = x @ direction, x_score @ direction
    double = v_information(x, z, x_score, z_score, penalty=1e-3)
    single = v_information(*(a.astype(np.float32) for a in (x, z, x_score, z_score)), penalty=1e-3)
    np.testing.assert_allclose(single.v_information, double.v_information, atol=1e-4)


def test_as_printed_by_hand():
    # the line has slope 1/2: Var(z)·R² = Var(x/2) = (2/3)/4
    x, z = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [2.0], [1.0]])
    assert as_printed(Moments.of(x, z)) == pytest.approx([1 / 6])


@pytest.mark.parametrize("case", ["full rank", "doubled", "dead", "few images"])
def test_as_printed_equals_lstsq(case):
    x, z, x_score, z_score = planted(
        n_fit=6 if case == "few images" else 150, n_score=5 if case == "few images" else 90
    )
    if case == "doubled":
        x, x_score = np.column_stack([x, x[:, :3]]), np.column_stack([x_score, x_score[:, :3]])
    if case == "dead":
        x[:, 4], x_score[:, 4] = 0.1, 0.1
    merged = Moments.of(x, z).merge(Moments.of(x_score, z_score))
    both_x, both_z = np.concatenate([x, x_score]), np.concatenate([z, z_score])
    expected = [reference.in_sample(both_x, both_z[:, i]) for i in range(z.shape[1])]
    np.testing.assert_allclose(as_printed(merged), expected, rtol=1e-8)


def test_as_printed_of_a_constant_code_and_its_bounds():
    x, z, *_ = planted(dtype=np.float32)
    z[:, 1] = 0.3
    result = as_printed(Moments.of(x, z))
    assert np.isnan(result[1])
    rest = np.delete(result, 1)
    assert (rest >= 0).all()
    assert (rest <= np.delete(z, 1, axis=1).var(0) * (1 + 1e-5)).all()


def test_the_kind_of_array_comes_back():
    halves = planted(dtype=np.float32)
    arrays = v_information(*halves)
    tensors = v_information(*(torch.from_numpy(half) for half in halves))
    for a, b in zip(arrays, tensors, strict=True):
        assert isinstance(a, np.ndarray)
        assert isinstance(b, torch.Tensor)
        assert a.dtype == np.float64
        np.testing.assert_array_equal(a, b)
    assert isinstance(as_printed(Moments.of(*halves[:2])), np.ndarray)


def test_errors():
    x, z, x_score, z_score = planted()
    with pytest.raises(ValueError, match="one image for each of 20 groups, got 19 images"):
        v_information(x, z, x_score[:19], z_score[:19])
    with pytest.raises(ValueError, match="one image for each of 20 groups, got 1 images"):
        v_information(x[:1], z[:1], x_score, z_score)
    with pytest.raises(ValueError, match="penalties >= 0"):
        v_information(x, z, x_score, z_score, penalty=-1.0)
    with pytest.raises(ValueError, match="at least 2 images in the fit half, got 1"):
        v_information(x[:2], z[:2], x_score, z_score, groups=2)
    x_score[31, 4] = np.nan
    with pytest.raises(ValueError, match=r"finite activations, got 1 values .* image 31, unit 4"):
        v_information(x, z, x_score, z_score)


def test_errors_of_shape(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    x, z, x_score, z_score = planted()
    with pytest.raises(ValueError, match="same images, got 150 and 149"):
        v_information(x, z[1:], x_score, z_score)
    with pytest.raises(ValueError, match=r"one penalty or 6, got shape \(5,\)"):
        v_information(x, z, x_score, z_score, penalty=np.ones(5))
