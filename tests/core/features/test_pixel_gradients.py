import numpy as np
import pytest
import torch
from torch import nn

from featcx_core.features.pixel_gradients import in_pixels, l2, loss_gradient, unit
from featcx_core.networks.small_resnet import SmallResNet


def network():
    torch.manual_seed(0)
    return SmallResNet(channels=3, n_classes=4, widths=(4, 8), blocks=1).eval()


MEAN, STD = np.array([0.4, 0.5, 0.6], dtype=np.float32), np.array([0.2, 0.3, 0.1], dtype=np.float32)


def pixels(n=6):
    return torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_the_normalisation_is_inside():
    model = network()
    normalised = (pixels() - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(in_pixels(model, mean=MEAN, std=STD)(pixels()), model(normalised))
    with pytest.raises(ValueError, match="in evaluation mode, got training mode"):
        in_pixels(network().train(), mean=MEAN, std=STD)


def test_gradients_are_those_of_finite_differences():
    model = network().double()
    logits = in_pixels(model, mean=MEAN.astype(np.float64), std=STD.astype(np.float64))
    x, labels = pixels(2).double(), torch.tensor([1, 3])
    gradient, predicted = loss_gradient(logits, x, labels)
    assert predicted.tolist() == logits(x).argmax(1).tolist()
    for image, place in ((0, (0, 2, 3)), (1, (2, 7, 0)), (1, (1, 4, 4))):
        step = torch.zeros_like(x)
        step[(image, *place)] = 1e-6
        up, down = (nn.functional.cross_entropy(logits(x + s), labels, reduction="sum") for s in (step, -step))
        assert gradient[(image, *place)].item() == pytest.approx(((up - down) / 2e-6).item(), rel=1e-3, abs=1e-8)


def test_an_images_gradient_is_its_own():
    logits = in_pixels(network(), mean=MEAN, std=STD)
    whole, _ = loss_gradient(logits, pixels(), torch.zeros(6, dtype=torch.long))
    alone, _ = loss_gradient(logits, pixels()[2:3], torch.zeros(1, dtype=torch.long))
    torch.testing.assert_close(whole[2:3], alone, rtol=1e-4, atol=1e-7)


def test_images_and_weights_are_left_alone():
    model, x = network(), pixels()
    before = x.clone()
    loss_gradient(in_pixels(model, mean=MEAN, std=STD), x, torch.zeros(6, dtype=torch.long))
    assert not x.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    torch.testing.assert_close(x, before, rtol=0, atol=0)


def test_lengths():
    change = torch.tensor([[[[3.0, 0.0], [0.0, 4.0]]], [[[0.0, 0.0], [0.0, 0.0]]]])
    assert l2(change).tolist() == [5, 0]
    assert l2(unit(change)).tolist() == [1, 0]


def test_errors():
    labels = torch.zeros(6, dtype=torch.long)
    logits = in_pixels(network(), mean=MEAN, std=STD)
    with pytest.raises(ValueError, match="labels from 0 to 3, the model's classes, got 4 to 4"):
        loss_gradient(logits, pixels(), labels + 4)
    with pytest.raises(ValueError, match="a model with gradients to attack, got none at all; try it without"):
        loss_gradient(lambda x: logits(x).detach(), pixels(), labels)
    with pytest.raises(ValueError, match="a model with gradients to attack, got none for the pixels"):
        loss_gradient(lambda x: logits(x.detach()), pixels(), labels)
    with torch.inference_mode(), pytest.raises(ValueError, match="a model with gradients to attack, got none at all"):
        loss_gradient(logits, pixels(), labels)
