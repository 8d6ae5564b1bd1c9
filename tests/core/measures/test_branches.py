"""CKA of a branch with each concept, and the sums that it follows from."""

import jaxtyping
import numpy as np
import pytest
import torch

from featcx_core.features.by_group import GroupedSums
from featcx_core.features.kernels import KernelSums
from featcx_core.measures.branches import concept_cka, concept_cka_of_sums, concept_cka_without_each
from featcx_core.measures.similarity import linear_cka
from tests.references import branches as reference


def drawn(n=90, units=7, concepts=5, *, seed=0):
    """Branch and sparse codes that depend on it, far from zero: a mean that is not taken away would show."""
    generator = np.random.default_rng(seed)
    acts = generator.normal(size=(n, units)) @ generator.normal(size=(units, units))
    codes = np.maximum(acts @ generator.normal(size=(units, concepts)) + generator.normal(size=(n, concepts)), 0)
    return acts + 30, codes + 5


def test_by_hand():
    """Four images, one unit x = (0, 0, 0, 4), codes z = x and z = (1, -1, 1, -1).

    Centred x = (-1, -1, -1, 3), x'x = 12; z'z = 4, x'z = -4. Biased: (x'z)² / (x'x·z'z) = 16/48.
    """
    x = torch.tensor([[0.0], [0.0], [0.0], [4.0]])
    z = torch.cat([x, torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])], dim=1)
    found = concept_cka(x, z)
    torch.testing.assert_close(found.biased, torch.tensor([1.0, 1 / 3], dtype=torch.float64))
    torch.testing.assert_close(found.as_printed, found.biased)  # one unit: C is a number
    # only one image is active: without its diagonal the kernel is zero, and nothing can be said
    assert found.unbiased.isnan().all()


@pytest.mark.parametrize(("n", "units"), [(90, 7), (20, 30)])  # fewer and more units than images
def test_the_definitions_with_n_by_n_matrices(n, units):
    acts, codes = drawn(n, units)
    for ours, theirs in zip(concept_cka(acts, codes), reference.concept_cka(acts, codes), strict=True):
        assert isinstance(ours, np.ndarray)
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


def test_float32_activations():
    acts, codes = (array.astype(np.float32) for array in drawn())
    for ours, theirs in zip(
        concept_cka(acts, codes), reference.concept_cka(acts.astype(float), codes.astype(float)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_it_is_the_similarity_of_two_representations():
    acts, codes = drawn()
    expected = [linear_cka(acts, codes[:, [i]]) for i in range(codes.shape[1])]
    np.testing.assert_allclose(concept_cka(acts, codes).unbiased, expected, rtol=1e-8)


def test_neither_scale_rotation_nor_offset_matters():
    acts, codes = drawn()
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(7, 7)))
    for one, other in zip(concept_cka(acts, codes), concept_cka(3 * acts @ turn - 100, -2 * codes + 7), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7)


def test_chunks_and_merging_change_nothing():
    acts, codes = drawn()
    whole = concept_cka(acts, codes)
    pieces = [(acts[start : start + 13], codes[start : start + 13]) for start in range(0, 90, 13)]
    added = KernelSums.over(pieces)
    merged = KernelSums.over(pieces[:2]).merge(KernelSums.over(pieces[2:5])).merge(KernelSums.over(pieces[5:]))
    for sums in (added, merged):
        for one, other in zip(concept_cka_of_sums(sums), whole, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9)


def test_independent_data_score_nothing_but_the_biased_form_does():
    generator = np.random.default_rng(2)
    found = concept_cka(generator.normal(size=(200, 150)), generator.normal(size=(200, 300)))
    assert abs(found.unbiased.mean()) < 0.003
    assert found.biased.mean() > 0.04


def test_what_does_not_vary_has_no_score():
    acts, codes = drawn()
    codes[:, 2] = 0.1
    found = concept_cka(acts, codes)
    for part in found:
        assert np.flatnonzero(np.isnan(part)).tolist() == [2]
    for part in concept_cka(np.full_like(acts, 0.3), codes):
        assert np.isnan(part).all()


def test_too_few_images():
    acts, codes = drawn()
    with pytest.raises(ValueError, match="wanted at least 4 images for CKA, got 3; try a larger probe split"):
        concept_cka(acts[:3], codes[:3])


def test_different_images(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    acts, codes = drawn()
    with pytest.raises(ValueError, match="wanted activations and codes of the same images, got 89 and 90 images"):
        concept_cka(acts[1:], codes)


def test_without_each_group_is_the_definition_on_the_images_that_are_left():
    acts, codes = drawn()
    halves = (slice(0, 48), slice(48, 90))
    group = np.concatenate([np.arange(48) % 4, np.arange(42) % 4])  # each half counts from its own first image
    codes[:, 1] = np.where(group == 2, codes[:, 1], 0.7)  # varies on the images of one group alone
    parts = ((torch.tensor(acts[half]), torch.tensor(codes[half])) for half in halves)
    found = concept_cka_without_each(*(GroupedSums.of(KernelSums, *part, groups=4, at_once=13) for part in parts))
    for left_out in range(4):
        others, varying = group != left_out, [0, 2, 3, 4] if left_out == 2 else [0, 1, 2, 3, 4]
        expected = reference.concept_cka(acts[others], codes[others][:, varying])[0]
        np.testing.assert_allclose(found[varying, left_out], expected, rtol=1e-8)
    assert found.isnan().nonzero().tolist() == [[1, 2]]
