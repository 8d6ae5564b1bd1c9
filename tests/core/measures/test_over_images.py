import numpy as np
import pytest
import torch
from scipy import stats

from featcx_core.measures.complexity import complexity, complexity_standard_error
from featcx_core.measures.correlations import correlation
from featcx_core.measures.cross_fitted import cross_fitted_v_information
from featcx_core.measures.explained import explained
from featcx_core.measures.group_means import group_means
from featcx_core.measures.importance import importance
from featcx_core.measures.intervals import draw_groups, jackknife_error
from featcx_core.measures.layer_information import layer_information
from featcx_core.measures.over_images import Redrawn, redraw, redraw_information, redraw_lack
from featcx_core.measures.sedimentation import sedimentation


def test_by_hand():
    # two groups; the mean over images is 2, without the first group 3, without the second 1
    redrawn = redraw(np.array([2.0]), np.array([[3.0, 1.0]]), np.array([[1.0, -1.0], [0.0, 0.0]]) / np.sqrt(2))
    assert redrawn.draws[:, 0] == pytest.approx([2 - np.sqrt(2), 2.0])


def test_the_spread_is_the_jackknifes_error():
    left_out = np.random.default_rng(0).normal(size=(3, 20))
    redrawn = redraw(np.zeros(3), left_out, draw_groups(20, n_bootstrap=40_000, seed=0)).draws
    assert redrawn.mean(0) == pytest.approx(np.zeros(3), abs=0.1)
    assert redrawn.std(0) == pytest.approx(jackknife_error(torch.from_numpy(left_out)).numpy(), rel=0.03)


def test_exact_for_a_mean_over_images():
    values = np.random.default_rng(0).random((40, 2))
    means = values.reshape(10, 4, 2).mean(0)  # group g holds the images g, g + 4, …
    left_out = (values.sum(0) - 10 * means) / 30
    weights = draw_groups(4, n_bootstrap=7, seed=1)
    assert redraw(values.mean(0), left_out.T, weights).draws == pytest.approx(
        values.mean(0) + weights @ (means - means.mean(0)) * 1.0, abs=1e-12
    )


def test_no_resample_holds_more_than_everything():
    drawn = redraw_information(np.array([0.99]), np.array([[0.9, 1.0]]), np.array([[2.0, -2.0]]))
    assert drawn.draws.tolist() == [[1.0]]


def test_lack_is_clipped_layer_by_layer_and_dead_stay_dead():
    information = np.array([[0.5, np.nan, 0.0]])
    left_out = np.stack([np.tile([0.4, 0.6], (1, 1)), np.full((1, 2), np.nan), np.tile([-9.0, -8.0], (1, 1))], axis=1)
    k = redraw_lack(information, left_out, draw_groups(2, n_bootstrap=50, seed=0)).draws
    assert 0.5 - 0.15 < k[:, 0].min() < k[:, 0].max() < 0.5 + 0.15
    assert np.isnan(k[:, 1]).all()
    assert (k[:, 2] == 1).all()


def world(seed, *, n=120, units=10, concepts=40):
    """Two layers' activations, the first noisier; codes from easy to hard; contributions to a logit. Drawn anew."""
    fixed, chance = np.random.default_rng(0), np.random.default_rng(seed)
    hidden = chance.normal(size=(2 * n, units))
    codes = np.maximum(hidden @ fixed.normal(size=(units, concepts)), 0)
    codes += np.linspace(0, 3, concepts) * chance.normal(size=codes.shape)
    layers = [hidden + noise * chance.normal(size=hidden.shape) for noise in (1.5, 0.3)]
    return layers, codes, np.linspace(2, 0.2, concepts) * np.abs(codes) ** 1.5


def measured(seed, *, groups=20):
    """Every statistic of one draw of the images, and its interval."""
    layers, codes, contributions = world(seed)
    n = len(codes) // 2
    found = [cross_fitted_v_information(x[:n], codes[:n], x[n:], codes[n:], groups=groups) for x in layers]
    information, jackknife = (np.stack([getattr(f, name) for f in found]) for name in ("v_information", "jackknife"))
    member, weights = np.tile(np.arange(n) % groups, 2), draw_groups(groups, n_bootstrap=400, seed=0)
    gamma = contributions.mean(0)
    left_out = np.stack([contributions[member != g].mean(0) for g in range(groups)], axis=1)
    k, drawn = complexity(information), redraw_lack(information, jackknife, weights)
    pair, clusters = (drawn, redraw(gamma, left_out, weights)), (np.arange(len(k)) // 8).tolist()
    few = {"seed": 0, "n_bootstrap": 100}
    everything, top = sedimentation(k, gamma, shares=(0.25,), over_images=pair)
    ranks, values = (correlation(k, gamma, method=m, over_images=pair, **few) for m in ("spearman", "pearson"))
    means, share = group_means(k, clusters, over_images=drawn), explained(k, clusters, over_images=drawn, **few)
    of_layers = layer_information(information, jackknife, weights)
    gain = of_layers.gain[1], of_layers.gain_low_images[1], of_layers.gain_high_images[1]
    estimates = {"mean K": everything, "top": top, "spearman": ranks, "pearson": values, "group": means[2], "e2": share}
    value_of = {"mean K": "mean_complexity", "top": "mean_complexity", "group": "mean"}
    return {
        name: (getattr(each, value_of.get(name, "value")), each.low_images, each.high_images)
        for name, each in estimates.items()
    } | {"gain": gain, "I_V": (of_layers.v_information[0], of_layers.low_images[0], of_layers.high_images[0])}


def test_intervals_are_as_wide_as_the_spread_over_images_drawn_anew():
    draws = [measured(seed) for seed in range(40)]
    for name in draws[0]:
        value, low, high = np.array([draw[name] for draw in draws]).T
        wanted = 2 * stats.t.ppf(0.975, 19) * value.std()
        assert ((low <= value) & (value <= high)).all(), name
        # a little wide: what a reader of fewer images loses counts twice in a jackknife
        most = 2.0 if name == "e2" else 1.6  # it starts from ε² with and without what errors add
        assert 0.8 * wanted < (high - low).mean() < most * wanted, name


def test_the_same_error_as_the_tables():
    layers, codes, _ = world(0, n=500)
    found = [cross_fitted_v_information(x[:500], codes[:500], x[500:], codes[500:]) for x in layers]
    information, jackknife = (np.stack([getattr(f, name) for f in found]) for name in ("v_information", "jackknife"))
    redrawn = redraw_lack(information, jackknife, draw_groups(20, n_bootstrap=20_000, seed=0)).draws
    far = np.min([f.v_information - 3 * f.standard_error for f in found], axis=0) > 0  # where nothing is clipped
    assert far.sum() >= 3
    assert redrawn.std(0)[far] == pytest.approx(complexity_standard_error(jackknife)[far], rel=0.03)


def test_controls_are_held_fixed_in_the_partial_correlation():
    chance = np.random.default_rng(0)
    shared = chance.normal(size=60)
    x, y = shared + 0.1 * chance.normal(size=(2, 60))
    drawn = tuple(Redrawn(values + 0.02 * chance.normal(size=(300, 60)), values, 20) for values in (x, y))
    raw = correlation(x, y, over_images=drawn, seed=0)
    partial = correlation(x, y, controls=shared[:, None], over_images=drawn, seed=0)
    assert raw.low_images > 0.9
    assert -0.5 < partial.low_images < partial.high_images < 0.5
    assert partial.low_images < partial.value < partial.high_images


def test_concepts_that_are_unknown_in_a_resample_are_left_out_of_the_interval_over_images():
    chance = np.random.default_rng(0)
    x, y = chance.normal(size=(2, 30))
    draws = [values + 0.1 * chance.normal(size=(200, 30)) for values in (x, y)]
    draws[1][7, 29] = np.nan
    pair = Redrawn(draws[0], x, 20), Redrawn(draws[1], y, 20)
    seen = pair[0].of(np.arange(29)), pair[1].of(np.arange(29))
    found = correlation(x, y, over_images=pair, seed=0)
    known = correlation(x[:29], y[:29], over_images=seen, seed=0)
    assert found.high_images - found.low_images == pytest.approx(known.high_images - known.low_images, rel=0.1)
    assert found.n == 30
    draws[1][:, 3:] = np.nan
    assert np.isnan(correlation(x, y, over_images=pair, seed=0).low_images)


def test_importance_gives_its_jackknife():
    chance = np.random.default_rng(0)
    codes, atoms, head = chance.random((50, 6)), chance.random((6, 4)), chance.normal(size=(4, 3))
    predicted = chance.integers(3, size=50)
    found = importance(codes, atoms, head, predicted=predicted, groups=5)
    for g in range(5):
        kept = np.arange(50) % 5 != g
        expected = importance(codes[kept], atoms, head, predicted=predicted[kept]).importance
        assert found.jackknife[:, g] == pytest.approx(expected)
