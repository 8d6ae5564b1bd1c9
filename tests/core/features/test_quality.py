import jaxtyping
import numpy as np
import pytest
import torch

from featcx_core.features import quality as module
from featcx_core.features.dictionary import random_atoms
from featcx_core.features.quality import (
    alive,
    code_statistics,
    count_active,
    dictionary_quality,
    dictionary_quality_streamed,
    hoyer,
    is_alive,
    random_hoyer,
)
from tests.references import dictionary as reference


def activations(n_samples: int = 240, n_units: int = 24, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.maximum(rng.gamma(0.5, size=(n_samples, 8)) @ rng.standard_normal((8, n_units)), 0).astype(np.float32)


def test_hoyer() -> None:
    # n = 4: (2 - 7/5) / (2 - 1)
    np.testing.assert_allclose(hoyer(np.array([[3.0, 4.0, 0.0, 0.0]])), [0.6])
    rows = np.random.default_rng(0).random((9, 12))
    np.testing.assert_allclose(hoyer(rows), hoyer(-5 * rows[:, ::-1].copy()))
    assert ((hoyer(rows) > 0) & (hoyer(rows) < 1)).all()
    np.testing.assert_allclose(hoyer(np.stack([np.ones(9), np.eye(9)[2]])), [0, 1], atol=1e-12)
    assert np.isnan(hoyer(np.zeros((1, 3)))).all()
    with pytest.raises(ValueError, match=r"at least two entries, got \(3, 1\)"):
        hoyer(np.ones((3, 1)))


def test_random_hoyer_is_the_mean_over_random_directions() -> None:
    for is_signed in (False, True):
        found = hoyer(random_atoms(40_000, 8, seed=0, is_signed=is_signed)).mean()
        assert found == pytest.approx(random_hoyer(8), abs=2e-3)
    with pytest.raises(ValueError, match="at least two units, got 1"):
        random_hoyer(1)


def test_quality_by_hand() -> None:
    acts = np.array([[2.0, 0.0], [0.0, 1.0], [2.0, 1.0], [0.0, 2.0]])
    codes = np.array([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    atoms = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    quality = dictionary_quality(acts, codes, atoms, np.eye(2), np.array([0.0, 0.5]))
    # what z D misses: 1 in the third image, 2 in the fourth; ||A||² = 14; mean (1, 1), variance sum 4 + 2
    assert quality.relative_error == pytest.approx((5 / 14) ** 0.5)
    assert quality.explained_variance == pytest.approx(1 - 5 / 6)
    assert quality.predictions_kept_fraction == 0.75  # (2, 1.5) becomes (1, 1.5)
    assert quality.l0 == 1.0
    # predicted 0, 1, 0, 1: the concepts carry 2, 1, 1 and 0 of logits 2, 1, 2 and 2 (without the bias)
    assert (quality.logit_by_concepts, quality.logit_by_rest) == (1.0, 0.75)
    assert quality.logit_carried_fraction == pytest.approx(4 / 7)
    assert np.isnan(quality.predictions_kept_classes_fraction)
    pair = (3**0.5 - 2**0.5) / (3**0.5 - 1)
    assert quality.code_hoyer == pytest.approx((1 + 1 + pair) / 3)


def test_mean_support_is_exact_in_half_precision_codes_too() -> None:
    codes = np.zeros((3000, 2), dtype=np.float16)
    codes[:2999, 0] = 1
    quality = dictionary_quality(np.ones((3000, 2), np.float32), codes, np.eye(2), np.eye(2), np.zeros(2))
    assert quality.l0 == 2999 / 3000


def test_quality_of_an_exact_and_of_a_null_reconstruction(monkeypatch: pytest.MonkeyPatch) -> None:
    acts = activations(60).astype(np.float64)
    head = np.random.default_rng(1).standard_normal((24, 5))
    exact = dictionary_quality(acts, acts, np.eye(24), head, np.zeros(5))
    assert (exact.relative_error, exact.explained_variance, exact.predictions_kept_fraction) == (0, 1, 1)
    mean = np.tile(acts.mean(axis=0), (60, 1))
    null = dictionary_quality(acts, mean, np.eye(24), head, np.zeros(5))
    assert abs(null.explained_variance) < 1e-12
    monkeypatch.setattr(module, "_ROWS", 7)
    assert dictionary_quality(acts, mean, np.eye(24), head, np.zeros(5)) == pytest.approx(
        null, rel=1e-12, abs=1e-12, nan_ok=True
    )


def test_alive_needs_both_halves() -> None:
    fit, score = np.zeros((20, 3)), np.zeros((15, 3))
    fit[:10, :2] = 1
    score[:10, 0] = score[:9, 1] = score[:, 2] = 1
    assert alive(fit, score).tolist() == [True, False, False]
    halves = [sum(count_active(part) for part in np.split(codes, [3, 11])) for codes in (fit, score)]
    assert is_alive(*halves).tolist() == [True, False, False]
    assert alive(torch.from_numpy(fit), torch.from_numpy(score)).dtype == torch.bool


def test_how_the_images_are_cut_does_not_count() -> None:
    rng = np.random.default_rng(0)
    acts, atoms, head = activations(90), rng.random((7, 24)), rng.standard_normal((24, 5))
    codes = rng.random((90, 7)) * (rng.random((90, 7)) < 0.3)
    codes[10:13] = 0
    whole = dictionary_quality(acts, codes, atoms, head, np.zeros(5))
    chunks = [(acts[a:b], codes[a:b]) for a, b in ((0, 1), (1, 13), (13, 90))]
    streamed = dictionary_quality_streamed(chunks, atoms, head, np.zeros(5))
    assert streamed == pytest.approx(whole, rel=1e-12, nan_ok=True)
    statistics = code_statistics(codes[a:b] for a, b in ((0, 1), (1, 13), (13, 90)))
    np.testing.assert_allclose(statistics.variance, codes.var(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(statistics.prevalence_fraction, (codes > 0).mean(axis=0))


def test_variance_of_codes_far_from_zero() -> None:
    codes = 1e4 + np.random.default_rng(0).standard_normal((500, 3))
    found = code_statistics(np.split(codes, 5))
    np.testing.assert_allclose(found.variance, codes.var(axis=0), rtol=1e-10)


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    with pytest.raises(ValueError, match=r"\(image, concept\).* got \[\(20, 24\), \(19, 3\)"):
        dictionary_quality(activations(20), np.ones((19, 3)), np.ones((3, 24)), np.ones((24, 2)), np.ones(2))
    with pytest.raises(ValueError, match="at least one chunk of codes, got none"):
        code_statistics([])


def test_what_is_kept_equals_the_definition_image_by_image() -> None:
    chance = np.random.default_rng(0)
    acts, head, bias = activations(), chance.standard_normal((24, 7)), chance.standard_normal(7)
    atoms = random_atoms(5, 24, seed=1)
    codes = np.maximum(acts @ atoms.T, 0)
    found = dictionary_quality(
        acts, codes, atoms, head.astype(np.float32), bias.astype(np.float32), class_outputs=[[4], [2]]
    )
    expected = reference.kept(acts, codes, atoms, head, bias, outputs=[4, 2])
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-5), name
    all_of_them = dictionary_quality(acts, codes, atoms, head, bias, class_outputs=[[i] for i in range(7)])
    assert all_of_them.predictions_kept_classes_fraction == all_of_them.predictions_kept_fraction
