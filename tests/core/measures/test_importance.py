import numpy as np
import pytest
import torch

from featcx_core.measures import importance as module
from featcx_core.measures.importance import importance
from tests.references import importance as reference


def planted(n=60, concepts=9, units=7, classes=4, dtype=torch.float64):
    chance = torch.Generator().manual_seed(0)
    codes = torch.randn(n, concepts, generator=chance, dtype=dtype).relu()
    atoms = torch.rand(concepts, units, generator=chance, dtype=dtype)
    head = torch.randn(units, classes, generator=chance, dtype=dtype)
    return codes, atoms, head, (codes @ atoms @ head).argmax(1)


def test_by_hand():
    codes = np.array([[1.0, 0.0], [3.0, 2.0]])
    atoms, head = np.eye(2), np.array([[1.0, -1.0], [0.5, 4.0]])
    result = importance(codes, atoms, head, predicted=np.array([0, 1]))
    # concept 0: 1·1 and 3·(-1); concept 1: 0 and 2·4
    assert result.importance == pytest.approx([2.0, 4.0])
    assert result.signed == pytest.approx([-1.0, 4.0])
    assert result.prevalence == pytest.approx([1.0, 0.5])
    assert result.when_active == pytest.approx([2.0, 8.0])


@pytest.mark.parametrize("effects", [reference.gradient_times_input, reference.occlusion])
def test_equals_gradient_times_input_and_occlusion(effects):
    codes, atoms, head, predicted = planted()
    expected = effects(codes, atoms, head, predicted)
    result = importance(codes, atoms, head, predicted=predicted)
    torch.testing.assert_close(result.importance, expected.abs().mean(0))
    torch.testing.assert_close(result.signed, expected.mean(0))


def test_when_active_is_the_mean_over_active_images():
    codes, atoms, head, predicted = planted()
    codes[:, 2] = 0
    effects = reference.occlusion(codes, atoms, head, predicted).abs()
    result = importance(codes, atoms, head, predicted=predicted, groups=6)
    for concept in (0, 5):
        active = codes[:, concept] > 0
        torch.testing.assert_close(result.when_active[concept], effects[active, concept].mean())
        for group in range(6):
            left = active & (torch.arange(60) % 6 != group)
            torch.testing.assert_close(result.when_active_jackknife[concept, group], effects[left, concept].mean())
    assert torch.isnan(result.when_active).tolist() == [False, False, True, *[False] * 6]


def test_properties():
    codes, atoms, head, predicted = planted()
    result = importance(codes, atoms, head, predicted=predicted)
    assert (result.signed.abs() <= result.importance + 1e-12).all()
    assert ((result.prevalence >= 0) & (result.prevalence <= 1)).all()
    doubled = importance(2 * codes, atoms, head, predicted=predicted)
    torch.testing.assert_close(doubled.importance, 2 * result.importance)
    rescaled = importance(codes * 4, atoms / 4, head, predicted=predicted)  # the scale may lie in codes or in atoms
    torch.testing.assert_close(rescaled.importance, result.importance)
    unread = importance(codes, atoms, torch.zeros_like(head), predicted=predicted)
    assert (unread.importance == 0).all()
    logits = (codes @ atoms @ head)[torch.arange(len(codes)), predicted]
    torch.testing.assert_close(result.signed.sum(), logits.mean())


@pytest.mark.parametrize("size", [1, 7, 60])
def test_independent_of_the_chunk_size(monkeypatch, size):
    codes, atoms, head, predicted = planted(dtype=torch.float32)
    whole = importance(codes, atoms, head, predicted=predicted)
    monkeypatch.setattr(module, "_IMAGES_AT_ONCE", size)
    for a, b in zip(importance(codes, atoms, head, predicted=predicted), whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


def test_half_precision_does_not_overflow():
    codes, atoms, head, predicted = planted(dtype=torch.float16)
    result = importance(codes * 1000, atoms * 100, head, predicted=predicted.int())
    expected = importance((codes * 1000).double(), (atoms * 100).double(), head.double(), predicted=predicted)
    torch.testing.assert_close(result.importance, expected.importance, rtol=1e-5, atol=0)


def test_kind_comes_back():
    arrays = importance(*(t.numpy() for t in planted()[:3]), predicted=planted()[3].numpy())
    assert all(isinstance(field, np.ndarray) for field in arrays)


def test_errors():
    codes, atoms, head, predicted = planted()
    with pytest.raises(ValueError, match=r"classes from 0 to 3, got .* to 4"):
        importance(codes, atoms, head, predicted=predicted.clamp(max=2) + 2)
    with pytest.raises(ValueError, match="at least one image, got none"):
        importance(codes[:0], atoms, head, predicted=predicted[:0])
