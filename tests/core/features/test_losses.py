import jaxtyping
import numpy as np
import pytest
import torch
from torch import nn

from featcx_core.features.losses import image_losses, losses_of
from featcx_core.networks.small_resnet import SmallResNet


def network():
    torch.manual_seed(0)
    return SmallResNet(channels=1, n_classes=4, widths=(4, 8), blocks=1).eval()


def images(n=13):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(1))


TARGETS = np.random.default_rng(0).integers(0, 4, 13)


def test_by_hand():
    two = losses_of(torch.tensor([[0.0, np.log(3.0)], [2.0, 2.0]]), np.array([0, 1]))
    assert two.loss == pytest.approx([np.log(4), np.log(2)])
    assert two.margin == pytest.approx([-np.log(3), 0])
    assert two.is_correct.tolist() == [False, False]  # of equal logits the first counts


def test_equals_the_definition():
    model = network()
    result = image_losses(model, images().split(5), TARGETS)
    with torch.inference_mode():
        logits = model(images()).double().numpy()
    for image, target in enumerate(TARGETS):
        row = logits[image]
        shares = np.exp(row) / np.exp(row).sum()
        assert result.loss[image] == pytest.approx(-np.log(shares[target]), rel=1e-5)
        assert result.margin[image] == pytest.approx(row[target] - np.delete(row, target).max(), abs=1e-5)
        assert result.is_correct[image] == (row.argmax() == target)


@pytest.mark.parametrize("size", [1, 4, 13])
def test_independent_of_the_batches_and_of_the_kind_of_targets(size):
    whole = image_losses(network(), [images()], TARGETS)
    cut = image_losses(network(), images().split(size), torch.from_numpy(TARGETS))
    for part, expected in zip(cut, whole, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-5, atol=1e-6)


def test_a_right_image_has_a_positive_margin_and_confidence_does_not_overflow():
    result = image_losses(network(), [images()], TARGETS)
    np.testing.assert_array_equal(result.is_correct, result.margin > 0)
    sure = losses_of(torch.tensor([[1e4, 0.0], [0.0, 40.0]]), np.array([1, 1]))
    assert sure.loss == pytest.approx([1e4, np.exp(-40.0)])


def test_is_one_forward_pass():
    model, seen = network(), []
    model.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    image_losses(model, images().split(5), TARGETS)
    assert seen == [5, 5, 3]


def test_errors(monkeypatch):
    with pytest.raises(ValueError, match="in evaluation mode, got training mode"):
        image_losses(network().train(), [images()], TARGETS)
    with pytest.raises(ValueError, match="wanted 14 images, one a target, got 13"):
        image_losses(network(), [images()], np.append(TARGETS, 0))
    with pytest.raises(ValueError, match="wanted 0 images, one a target, got 0"):
        image_losses(network(), [], TARGETS[:0])
    with pytest.raises(ValueError, match="at least 2 outputs, got 0 to 4 of 4"):
        image_losses(network(), [images()], np.arange(13) % 5)
    with pytest.raises(ValueError, match="at least 2 outputs, got 0 to 0 of 1"):
        image_losses(nn.Linear(3, 1).eval(), [torch.rand(2, 3)], np.array([0, 0]))
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    with pytest.raises(ValueError, match="wanted 13 targets, one an image, got 12"):
        image_losses(network(), [images()], TARGETS[1:])
