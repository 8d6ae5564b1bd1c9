import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from featcx_core.measures.ablated_units import UnitLosses


def logits(n=23, n_edits=4, seed=0):
    return torch.randn(n_edits, n, 3, generator=torch.Generator().manual_seed(seed))


TARGETS = np.random.default_rng(0).integers(3, size=23)


def losses_of(values, targets, *, batch, groups=5):
    losses = UnitLosses(len(values), groups=groups)
    for start in range(0, len(targets), batch):
        losses.add(values[:, start : start + batch], targets[start : start + batch])
    return losses.result()


def test_equals_the_loss_of_every_ablation():
    values = logits()
    found = losses_of(values, TARGETS, batch=23)
    each = np.array(
        [cross_entropy(part.double(), torch.from_numpy(TARGETS), reduction="none").numpy() for part in values]
    )
    np.testing.assert_allclose(found.loss_rise, (each[1:] - each[0]).mean(axis=1), atol=1e-12)
    right = (values.argmax(2).numpy() == TARGETS).mean(axis=1)
    np.testing.assert_allclose(found.accuracy_lost, right[0] - right[1:])
    for group in range(5):
        kept = np.arange(23) % 5 != group
        np.testing.assert_allclose(found.left_out[:, group], (each[1:, kept] - each[0, kept]).mean(axis=1), atol=1e-12)


@pytest.mark.parametrize("batch", [1, 7])
def test_batches_change_nothing(batch):
    for found, whole in zip(
        losses_of(logits(), TARGETS, batch=batch), losses_of(logits(), TARGETS, batch=23), strict=True
    ):
        np.testing.assert_allclose(found, whole, atol=1e-12)


def test_a_unit_that_does_nothing_has_no_importance():
    values = logits()[:1].repeat(3, 1, 1)
    found = losses_of(values, TARGETS, batch=4)
    assert not found.loss_rise.any()
    assert not found.accuracy_lost.any()


def test_errors():
    with pytest.raises(ValueError, match="at least 2 groups and 2 ablations, got 20 and 1; try groups=20"):
        UnitLosses(1)
    losses = UnitLosses(4, groups=30)
    with pytest.raises(ValueError, match="logits of 4 ablations, got 3; try the same edits"):
        losses.add(logits(n_edits=3), TARGETS)
    losses.add(logits(), TARGETS)
    with pytest.raises(ValueError, match="at least 30 images, one a group, got 23; try more images"):
        losses.result()
