import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from featcx_core.features.ablating import ablated_logits, noisy_logits, unit_moments
from featcx_core.features.ablations import ablate_directions, ablate_units
from featcx_core.networks.small_resnet import SmallResNet
from tests.references import ablation as reference

SHARES = np.linspace(0, 1, 5)
ORDERS = {"random": np.stack([np.random.default_rng(seed).permutation(8) for seed in range(3)])}


def network():
    torch.manual_seed(0)
    return SmallResNet(channels=1, n_classes=3, widths=(4, 8), blocks=2).eval()


def images(n=11, seed=1):
    return torch.rand(n, 1, 12, 12, generator=torch.Generator().manual_seed(seed))


def run(plan, *, batch=11, rows=256, model=None, layer="layer2.0", layout="channels_first"):
    parts = ablated_logits(
        model or network(), images().split(batch), plan.edits, layer=layer, layout=layout, rows_at_once=rows
    )
    return torch.cat(list(parts), dim=1)


@pytest.mark.parametrize("kind", ["units", "directions"])
def test_equals_whole_forward_passes(kind):
    model, value = network(), torch.linspace(0, 1, 8)
    directions = np.random.default_rng(0).random((8, 8))
    if kind == "units":
        plan = ablate_units(ORDERS, SHARES, value=value)
    else:
        plan = ablate_directions(ORDERS, SHARES, directions=directions, value=value)
    logits = run(plan, model=model)
    for number, order in enumerate(ORDERS["random"]):
        for step, n in enumerate(plan.n_ablated):
            edit = reference.clamped(order[:n], value)
            if kind == "directions" and n:
                edit = reference.projected(directions[order[:n]], value)
            expected = reference.logits(model, images(), "layer2.0", edit)
            torch.testing.assert_close(logits[plan.places["random"][number, step]], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("batch", "rows"), [(1, 1), (2, 7), (4, 9), (11, 1), (11, 1000)])
def test_independent_of_the_batches_and_of_how_many_rows_run_together(batch, rows):
    plan = ablate_units(ORDERS, SHARES, value=torch.zeros(8))
    torch.testing.assert_close(run(plan, batch=batch, rows=rows), run(plan))


def test_all_units_at_their_means_say_the_same_of_all_images():
    plan = ablate_units(ORDERS, np.array([0.0, 1.0]), value=torch.linspace(0, 1, 8))
    whole, none = run(plan)
    assert (whole - whole[0]).abs().max() > 1e-3
    assert (none - none[0]).abs().max() < 1e-5


def test_a_planted_unit_that_carries_a_class():
    class Planted(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = nn.Identity(), nn.Linear(4, 2)
            self.head.weight.data = torch.tensor([[0.0, 0.0, 0.0, -5.0], [0.0, 0.0, 0.0, 5.0]])
            self.head.bias.data = torch.tensor([1.0, 0.0])

        def forward(self, x):
            return self.head(self.layer(x))

    x = torch.rand(20, 4)
    x[:10, 3] = 0
    x[10:, 3] = 1
    order = {"carrier first": np.array([[3, 0, 1, 2]]), "carrier last": np.array([[0, 1, 2, 3]])}
    plan = ablate_units(order, np.linspace(0, 1, 5), value=torch.zeros(4))
    (logits,) = ablated_logits(Planted().eval(), [x], plan.edits, layer="layer", layout="vector")
    right = (logits.argmax(2) == (torch.arange(20) >= 10)).float().mean(1).numpy()
    assert right[plan.places["carrier first"][0]].tolist() == [1, 0.5, 0.5, 0.5, 0.5]
    assert right[plan.places["carrier last"][0]].tolist() == [1, 1, 1, 1, 0.5]


def test_units_of_tokens_and_of_a_flattened_map():
    torch.manual_seed(0)
    shape = {"image_size": 12, "patch_size": 4, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 8}
    model = models.VisionTransformer(**shape, num_classes=3).eval()
    nn.init.normal_(model.heads.head.weight)
    x, layer = torch.rand(5, 3, 12, 12), "encoder.layers.encoder_layer_0"
    plan = ablate_units({"one": np.arange(8)[None]}, np.array([0.5]), value=torch.zeros(8))
    (logits,) = ablated_logits(model, [x], plan.edits, layer=layer, layout="class_token")
    expected = reference.logits(model, x, layer, reference.clamped(range(4), torch.zeros(8)))
    torch.testing.assert_close(logits[1], expected, rtol=1e-4, atol=1e-5)
    flat = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(200, 3)).eval()
    plan = ablate_units({"one": np.arange(200)[None]}, np.array([0.5]), value=torch.zeros(200))
    (logits,) = ablated_logits(flat, [images()], plan.edits, layer="1", layout="vector")
    with torch.inference_mode():
        acts = flat[1](flat[0](images()))
        acts[:, 0] = 0  # the first half of 2 x 10 x 10
        torch.testing.assert_close(logits[1], flat[3](acts.flatten(1)), rtol=1e-4, atol=1e-5)


def noisy(*, batch=11, scales=(0.0, 0.5, 2.0), seed=0, rows=None, deviation=None, layer="layer2.0"):
    rows = np.arange(11) if rows is None else rows
    parts = noisy_logits(
        network(),
        images()[rows].split(batch),
        rows,
        layer=layer,
        layout="channels_first",
        scales=scales,
        deviation=torch.ones(8) if deviation is None else deviation,
        seed=seed,
    )
    return torch.cat(list(parts), dim=1)


def test_noise_on_all_units_is_added_to_the_layer():
    from featcx_core.images.noise import white_noise

    model, deviation = network(), torch.linspace(0, 2, 8)
    noise = torch.from_numpy(white_noise(np.arange(11), np.zeros(11, dtype=int), shape=(6, 6, 8), seed=0))
    logits = noisy(deviation=deviation)
    for scale, found in zip((0, 0.5, 2), logits, strict=True):
        expected = reference.logits(model, images(), "layer2.0", lambda x, s=scale: x + s * deviation * noise)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_noise_follows_from_seed_and_image_alone():
    whole = noisy()
    torch.testing.assert_close(noisy(batch=3), whole)
    torch.testing.assert_close(noisy(rows=np.array([7, 2])), whole[:, [7, 2]])
    assert (noisy(seed=1)[1:] != whole[1:]).all(2).any()
    torch.testing.assert_close(noisy(scales=(2.0,))[0], whole[2])


def test_moments_of_units_are_over_images_and_positions():
    model = network()
    mean, deviation = unit_moments(model, images().split(3), layer="layer2.0", layout="channels_first")
    taken = []
    reference.logits(model, images(), "layer2.0", lambda x: taken.append(x.clone()) or x)
    flat = taken[0].reshape(-1, 8).double()
    torch.testing.assert_close(mean, flat.mean(0).float())
    torch.testing.assert_close(deviation, flat.std(0, correction=0).float())


def test_errors():
    plan = ablate_units(ORDERS, SHARES, value=torch.zeros(8))
    with pytest.raises(ValueError, match=r"layer2\.0\.conv1: wanted a layer that all of the network passes through"):
        run(plan, layer="layer2.0.conv1")
    with pytest.raises(ValueError, match="scales of at least 0, got -1"):
        noisy(scales=(-1.0,))
    with pytest.raises(ValueError, match="numbers of 11 images, got 5"):
        list(
            noisy_logits(
                network(),
                [images()],
                np.arange(5),
                layer="stem",
                layout="channels_first",
                scales=(1.0,),
                deviation=torch.ones(4),
                seed=0,
            )
        )
    with pytest.raises(ValueError, match="at least one image, got none"):
        unit_moments(network(), [], layer="stem", layout="channels_first")
