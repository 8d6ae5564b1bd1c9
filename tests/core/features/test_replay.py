import pytest
import torch
from torch import nn
from torchvision import models

from featcx_core.features.replay import Replay
from featcx_core.networks.small_resnet import SmallResNet
from tests.families import TORCHVISION


def small():
    torch.manual_seed(0)
    return SmallResNet(channels=1, n_classes=3, widths=(4, 8), blocks=2).eval()


def images(n=5, channels=1, side=12):
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(1))


class Skipping(nn.Module):
    """What its first layer is given passes by it: added, multiplied, or side by side with it."""

    def __init__(self, how):
        super().__init__()
        self.how, self.before, self.inner, self.head = how, nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        x = self.before(x)
        y = self.inner(x)
        y = {"add": lambda: x + y, "gate": lambda: x.mean(0) * y, "size": lambda: y.reshape(len(x), 4)}[self.how]()
        return self.head(y)


class Twice(nn.Module):
    """One ReLU in place, called twice."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.head(self.relu(self.second(self.relu(self.first(x)))))


@pytest.mark.parametrize("layer", ["stem", "layer1.0", "layer2", "pool"])
def test_what_is_unchanged_gives_the_same_logits(layer):
    model = small()
    with torch.inference_mode():
        expected = model(images())
    with Replay(model, layer) as replay:
        acts, logits = replay.record(images())
        torch.testing.assert_close(logits, expected, rtol=0, atol=0)
        torch.testing.assert_close(replay(acts), expected)
        torch.testing.assert_close(replay(acts[:2]), expected[:2])  # as many as stand in
        torch.testing.assert_close(replay(acts.repeat(7, 1, 1, 1)), expected.repeat(7, 1))


def test_what_lies_below_sees_two_images_however_many_activations():
    model, seen = small(), []
    model.layer1[0].register_forward_hook(lambda _, __, output: seen.append(len(output)))
    with Replay(model, "layer1.1") as replay:
        acts, _ = replay.record(images(9))
        replay(acts.repeat(10, 1, 1, 1))
    assert seen == [9, 2, 2]  # whole, the check, the replay


def transformer():
    torch.manual_seed(0)
    shape = {"image_size": 32, "patch_size": 8, "num_layers": 3, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
    model = models.VisionTransformer(**shape, num_classes=3).eval()
    nn.init.normal_(model.heads.head.weight)
    return model


def family(name):
    (member,) = (member for member in TORCHVISION if member.family == name)
    return member.build()


@pytest.mark.parametrize(
    ("build", "layer"),
    [
        (lambda: family("ResNet"), "layer2.1"),
        (lambda: family("DenseNet"), "features.transition2"),
        (lambda: family("Swin"), "features.3"),
        (transformer, "encoder.layers.encoder_layer_1"),
    ],
    ids=["ResNet", "DenseNet", "Swin", "transformer"],
)
def test_networks_of_several_families(build, layer):
    with Replay(build(), layer) as replay:
        acts, logits = replay.record(images(3, channels=3, side=32))
        scale = logits.abs().max()
        torch.testing.assert_close(replay(acts) / scale, logits / scale, rtol=0, atol=1e-5)
        changed = replay(0 * acts)
    assert (changed[0] - changed[1]).abs().max() < 1e-5 * scale  # nothing of the images is left
    assert (changed - logits).abs().max() > 1e-3 * scale


def test_a_densely_connected_layer_is_refused():
    with (
        Replay(family("DenseNet"), "features.denseblock2.denselayer3") as replay,
        pytest.raises(ValueError, match="denselayer3: wanted a layer that all of the network passes through"),
    ):
        replay.record(images(3, channels=3, side=32))


def test_several_sets_run_together_and_apart_alike():
    with Replay(small(), "layer1.0") as replay:
        acts, _ = replay.record(images())
        parts = [acts * scale for scale in (0, 1, 2, 3)]
        apart = [replay(part) for part in parts]
        for rows in (1, 10, 13, 1000):
            for together, alone in zip(replay.each([p.clone() for p in parts], rows_at_once=rows), apart, strict=True):
                torch.testing.assert_close(together, alone)
        assert list(replay.each([], rows_at_once=10)) == []


def test_activations_are_not_changed_by_what_follows_in_place():
    model, x = Twice().eval(), torch.randn(6, 4)
    with Replay(model, "second") as replay:
        acts, logits = replay.record(x)
        before = acts.clone()
        assert (acts < 0).any()
        torch.testing.assert_close(replay(acts), logits)
        torch.testing.assert_close(acts, before, rtol=0, atol=0)


def test_a_later_call_of_a_module():
    model, x = Twice().eval(), torch.randn(6, 4)
    with Replay(model, "relu#2") as replay:
        acts, logits = replay.record(x)
        torch.testing.assert_close(replay(acts), logits)
        with torch.inference_mode():
            torch.testing.assert_close(acts, model.second(model.first(x).relu()).relu())


def test_hooks_are_gone_afterwards():
    model = small()
    with Replay(model, "stem") as replay:
        replay.record(images())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("how", ["add", "gate", "size"])
@pytest.mark.parametrize("n", [1, 2, 6])
def test_a_layer_that_is_passed_by_is_refused(how, n):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))
    with (
        Replay(Skipping(how).eval(), "inner") as replay,
        pytest.raises(ValueError, match="inner: wanted a layer that all of the network passes through"),
    ):
        replay.record(x)


def test_inside_a_block_is_refused():
    with Replay(small(), "layer1.0.bn2") as replay, pytest.raises(ValueError, match=r"layer1\.0\.bn2: wanted a layer"):
        replay.record(images())


def test_errors():
    model = small()
    with pytest.raises(ValueError, match="a layer of SmallResNet, got 'layer9'"):
        Replay(model, "layer9")
    with pytest.raises(ValueError, match="in evaluation mode, got training mode"):
        Replay(small().train(), "stem")
    with Replay(model, "stem") as replay, pytest.raises(ValueError, match="a recorded forward pass first"):
        replay(images())
    with Replay(Twice().eval(), "relu#3") as replay, pytest.raises(ValueError, match="a row an image, got no tensor"):
        replay.record(torch.randn(3, 4))
    with torch.no_grad():
        model.fc.bias += torch.nan
    with Replay(model, "stem") as replay, pytest.raises(ValueError, match="finite logits"):
        replay.record(images())
