import numpy as np
import pytest
import torch

from featcx_core.features.moments import Moments
from featcx_core.measures.complexity import complexity, complexity_standard_error
from featcx_core.measures.correlations import correlation
from featcx_core.measures.explained import explained
from featcx_core.measures.group_means import group_means
from featcx_core.measures.importance import importance
from featcx_core.measures.intervals import draw_groups, jackknife_error
from featcx_core.measures.layer_information import layer_information
from featcx_core.measures.over_images import redraw, redraw_information, redraw_lack
from featcx_core.measures.sedimentation import sedimentation
from featcx_core.measures.v_information import v_information_streamed
from tests.references import over_images as reference


def test_by_hand():
    # two groups; the mean over images is 2, without the first group 3, without the second 1
    redrawn = redraw(np.array([2.0]), np.array([[3.0, 1.0]]), np.array([[1.0, -1.0], [0.0, 0.0]]) / np.sqrt(2))
    assert redrawn[:, 0] == pytest.approx([2 - np.sqrt(2), 2.0])


def test_the_spread_is_the_jackknifes_error():
    left_out = np.random.default_rng(0).normal(size=(3, 20))
    redrawn = redraw(np.zeros(3), left_out, draw_groups(20, n_bootstrap=40_000, seed=0))
    assert redrawn.mean(0) == pytest.approx(np.zeros(3), abs=0.1)
    assert redrawn.std(0) == pytest.approx(jackknife_error(torch.from_numpy(left_out)).numpy(), rel=0.03)


def test_exact_for_a_mean_over_images():
    values = np.random.default_rng(0).random((40, 2))
    means = values.reshape(10, 4, 2).mean(0)  # group g holds the images g, g + 4, …
    left_out = (values.sum(0) - 10 * means) / 30
    weights = draw_groups(4, n_bootstrap=7, seed=1)
    assert redraw(values.mean(0), left_out.T, weights) == pytest.approx(
        values.mean(0) + weights @ (means - means.mean(0)) * 1.0, abs=1e-12
    )


def test_no_resample_holds_more_than_everything():
    drawn = redraw_information(np.array([0.99]), np.array([[0.9, 1.0]]), np.array([[2.0, -2.0]]))
    assert drawn.tolist() == [[1.0]]


def test_lack_is_clipped_layer_by_layer_and_dead_stay_dead():
    information = np.array([[0.5, np.nan, 0.0]])
    left_out = np.stack([np.tile([0.4, 0.6], (1, 1)), np.full((1, 2), np.nan), np.tile([-9.0, -8.0], (1, 1))], axis=1)
    k = redraw_lack(information, left_out, draw_groups(2, n_bootstrap=50, seed=0))
    assert 0.5 - 0.15 < k[:, 0].min() < k[:, 0].max() < 0.5 + 0.15
    assert np.isnan(k[:, 1]).all()
    assert (k[:, 2] == 1).all()


def study(n_fit: int = 300, n_score: int = 400, units: int = 12, concepts: int = 40):
    """Two layers' activations, the first noisier; codes that range from easy to hard; contributions to a logit."""
    chance = np.random.default_rng(0)
    n = n_fit + n_score
    hidden = chance.normal(size=(n, units))
    codes = np.maximum(hidden @ chance.normal(size=(units, concepts)), 0)
    codes += np.linspace(0, 3, concepts) * chance.normal(size=codes.shape)
    layers = [hidden + noise * chance.normal(size=hidden.shape) for noise in (1.5, 0.3)]
    return layers, codes, np.linspace(2, 0.2, concepts) * np.abs(codes) ** 1.5


def score_images_left_out(x, codes, n_fit, *, penalty, groups):
    fit, score = Moments.of(x[:n_fit], codes[:n_fit]), [(x[n_fit:], codes[n_fit:])]
    return v_information_streamed(fit, score, penalty=penalty, groups=groups)


def test_agrees_with_the_bootstrap_over_images():
    layers, codes, contributions = study()
    n_fit, groups, alpha = 300, 100, 1.0
    found = [score_images_left_out(x, codes, n_fit, penalty=alpha, groups=groups) for x in layers]
    k = complexity(np.stack([layer.v_information for layer in found]))
    half = [np.arange(n_fit) % groups, np.arange(len(codes) - n_fit) % groups]
    member = np.concatenate(half)
    gamma = np.abs(contributions).mean(0)
    left_out = np.stack([np.abs(contributions[member != g]).mean(0) for g in range(groups)], axis=1)
    weights = draw_groups(groups, n_bootstrap=4000, seed=0)
    information, jackknife = (
        np.stack([getattr(layer, name) for layer in found]) for name in ("v_information", "jackknife")
    )
    k_drawn = redraw_lack(information, jackknife, weights)
    drawn = k_drawn, redraw(gamma, left_out, weights)

    pairs = [reference.residuals(x[:n_fit], codes[:n_fit], x[n_fit:], codes[n_fit:], alpha) for x in layers]
    errors, nulls = zip(*pairs, strict=True)
    everyone = np.arange(len(errors[0]))
    expected = reference.information(errors, nulls, everyone)
    assert k == pytest.approx(1 - expected.mean(0), abs=1e-3)  # the penalty is of z, not z/σ
    members = np.arange(len(k)) // 8
    direct = [
        reference.statistics(*sample, share=0.25, groups=members)
        for sample in reference.resamples(errors, nulls, contributions, n_fit, n_bootstrap=2000, seed=1)
    ]
    everything, top = sedimentation(k, gamma, shares=(0.25,), over_images=drawn, seed=0, n_bootstrap=100)
    ranks, values = (
        correlation(k, gamma, method=method, over_images=drawn, seed=0, n_bootstrap=100)
        for method in ("spearman", "pearson")
    )
    layers_found = layer_information(information, jackknife, weights, seed=0)
    by_layer = [*zip(layers_found.low_images, layers_found.high_images, strict=True)]
    gain = (layers_found.gain_low_images[1], layers_found.gain_high_images[1])
    means = group_means(k, members.tolist(), over_images=k_drawn, n_bootstrap=100)
    share = explained(k, members.tolist(), over_images=k_drawn, n_bootstrap=100)
    assert share.value == pytest.approx(reference.explained(k, members))
    intervals = [(result.low_images, result.high_images) for result in (everything, top, ranks, values)]
    intervals += [*by_layer, gain, *((group.low_images, group.high_images) for group in (*means, share))]
    for result, drawn_directly in zip(intervals, np.array(direct).T, strict=True):
        low, high = np.quantile(drawn_directly, [0.025, 0.975])
        # 100 groups know a standard error to 7 %, so the ends of an interval to 7 % of half its width
        assert result == pytest.approx((low, high), abs=0.15 * (high - low))


def test_the_same_error_as_the_tables():
    layers, codes, _ = study()
    found = [score_images_left_out(x, codes, 300, penalty=1.0, groups=20) for x in layers]
    information, jackknife = (np.stack([layer[i] for layer in found]) for i in (0, 3))
    redrawn = redraw_lack(information, jackknife, draw_groups(20, n_bootstrap=20_000, seed=0))
    far = information.min(0) > 0.3  # where nothing is clipped
    assert redrawn.std(0)[far] == pytest.approx(complexity_standard_error(jackknife)[far], rel=0.03)


def test_controls_are_held_fixed_in_the_partial_correlation():
    chance = np.random.default_rng(0)
    shared = chance.normal(size=60)
    x, y = shared + 0.1 * chance.normal(size=(2, 60))
    drawn = tuple(values + 0.02 * chance.normal(size=(300, 60)) for values in (x, y))
    raw = correlation(x, y, over_images=drawn, seed=0)
    partial = correlation(x, y, controls=shared[:, None], over_images=drawn, seed=0)
    assert raw.low_images > 0.9
    assert -0.5 < partial.low_images < partial.high_images < 0.5
    assert partial.low_images < partial.value < partial.high_images


def test_concepts_that_are_unknown_in_a_resample_are_left_out_of_the_interval_over_images():
    chance = np.random.default_rng(0)
    x, y = chance.normal(size=(2, 30))
    drawn = [values + 0.1 * chance.normal(size=(200, 30)) for values in (x, y)]
    drawn[1][7, 29] = np.nan
    found = correlation(x, y, over_images=(drawn[0], drawn[1]), seed=0)
    known = correlation(x[:29], y[:29], over_images=(drawn[0][:, :29], drawn[1][:, :29]), seed=0)
    assert (found.low_images, found.high_images) == (known.low_images, known.high_images)
    assert found.n == 30
    drawn[1][:, 3:] = np.nan
    assert np.isnan(correlation(x, y, over_images=(drawn[0], drawn[1]), seed=0).low_images)


def test_importance_gives_its_jackknife():
    chance = np.random.default_rng(0)
    codes, atoms, head = chance.random((50, 6)), chance.random((6, 4)), chance.normal(size=(4, 3))
    predicted = chance.integers(3, size=50)
    found = importance(codes, atoms, head, predicted=predicted, groups=5)
    for g in range(5):
        kept = np.arange(50) % 5 != g
        expected = importance(codes[kept], atoms, head, predicted=predicted[kept]).importance
        assert found.jackknife[:, g] == pytest.approx(expected)
