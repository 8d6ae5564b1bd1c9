import numpy as np
import pytest
import torch

from featcx_core.measures import removal as module
from featcx_core.measures.importance import importance
from featcx_core.measures.removal import removal
from tests.references import removal as reference


def planted(n=60, concepts=9, units=7, classes=4):
    chance = np.random.default_rng(0)
    codes = np.maximum(chance.normal(size=(n, concepts)), 0)
    atoms, head, bias = chance.random((concepts, units)), chance.normal(size=(units, classes)), chance.random(classes)
    acts = codes @ atoms + 0.3 * chance.random((n, units))  # the concepts leave a rest
    return acts, codes, atoms, head, bias, chance.integers(0, classes, n)


def measured(acts, codes, atoms, head, bias, right, **options):
    return removal(codes, atoms, head, logits=acts @ head + bias, right=right, **options)


def test_by_hand():
    # the logits (2, 0) without the part 2·(1, 0) are (0, 0): the logit falls by 2, the loss rises to log 2
    found = removal(
        np.array([[2.0]]), np.eye(1), np.array([[1.0, 0.0]]), logits=np.array([[2.0, 0.0]]), right=np.array([0])
    )
    assert found.logit == pytest.approx([2.0])
    assert found.loss == pytest.approx([np.log(2) - np.log(1 + np.exp(-2))])


def test_equals_the_head_on_activations_without_the_part():
    world = planted()
    falls, rises = reference.removal(*world)
    found = measured(*world, groups=7)
    np.testing.assert_allclose(found.logit, falls.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.loss, rises.mean(axis=0), atol=1e-12)
    for group in range(7):
        left = np.arange(60) % 7 != group
        np.testing.assert_allclose(found.logit_jackknife[:, group], falls[left].mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(found.loss_jackknife[:, group], rises[left].mean(axis=0), atol=1e-12)


def test_the_logit_falls_by_signed_importance():
    acts, codes, atoms, head, bias, right = planted()
    predicted = (acts @ head + bias).argmax(axis=1)
    signed = importance(codes, atoms, head, predicted=predicted).signed
    np.testing.assert_allclose(measured(acts, codes, atoms, head, bias, right).logit, signed, atol=1e-12)


def test_what_changes_nothing():
    acts, codes, atoms, head, bias, right = planted()
    alike = np.repeat(head[:, :1], 4, axis=1)  # every logit falls alike: the softmax stays
    found = removal(codes, atoms, alike, logits=acts @ head + bias, right=right)
    np.testing.assert_allclose(found.loss, 0, atol=1e-12)
    silent = measured(acts, np.zeros_like(codes), atoms, head, bias, right)
    assert (silent.logit == 0).all()
    assert (silent.loss == 0).all()


def test_removing_what_speaks_for_the_right_class_raises_the_loss_and_against_it_lowers_it():
    codes, atoms = np.ones((3, 2)), np.eye(2)
    head = np.array([[3.0, 0.0], [0.0, 3.0]])
    found = removal(codes, atoms, head, logits=codes @ head, right=np.zeros(3, dtype=int))
    assert found.loss[0] > 0 > found.loss[1]


@pytest.mark.parametrize("size", [1, 7])
def test_independent_of_chunks_and_blocks(monkeypatch, size):
    world = planted()
    whole = measured(*world)
    monkeypatch.setattr(module, "_IMAGES_AT_ONCE", size)
    monkeypatch.setattr(module, "_VALUES_AT_ONCE", 9)
    for a, b in zip(measured(*world), whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_no_output_is_right_and_the_kind_comes_back():
    acts, codes, atoms, head, bias, _ = (torch.from_numpy(part) for part in planted())
    found = removal(codes, atoms, head, logits=acts @ head + bias, right=None)
    assert all(isinstance(part, torch.Tensor) for part in found)
    assert torch.isnan(found.loss).all()
    assert not torch.isnan(found.logit).any()


def test_large_logits_do_not_overflow():
    acts, codes, atoms, head, bias, right = planted()
    falls, rises = reference.removal(acts, codes, atoms, 500 * head, bias, right)
    found = measured(acts, codes, atoms, 500 * head, bias, right)
    np.testing.assert_allclose(found.loss, rises.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.logit, falls.mean(axis=0), rtol=1e-9)


def test_errors():
    acts, codes, atoms, head, bias, right = planted()
    with pytest.raises(ValueError, match=r"right outputs from 0 to 3, got .* to 4; try model\.outputs"):
        measured(acts, codes, atoms, head, bias, right + 1)
    with pytest.raises(ValueError, match="at least one image, got none"):
        measured(acts[:0], codes[:0], atoms, head, bias, right[:0])
