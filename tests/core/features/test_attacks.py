import math
from importlib.util import find_spec

import jaxtyping
import numpy as np
import pytest
import torch
from torch import nn

from featcx_core.features.attacks import ddn, fgsm, pgd, same_norm
from featcx_core.features.pixel_gradients import in_pixels, l2
from featcx_core.networks.small_resnet import SmallResNet

MEAN, STD = np.array([0.4], dtype=np.float32), np.array([0.3], dtype=np.float32)


def network():
    torch.manual_seed(0)
    model = SmallResNet(channels=1, n_classes=4, widths=(4, 8), blocks=1)
    model.train()
    with torch.no_grad():
        model(2 * pixels() - 1)  # statistics of batch normalisation
    return model.eval()


def pixels(n=12):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def victim():
    """A network, images and its own predictions of them."""
    logits = in_pixels(network(), mean=MEAN, std=STD)
    with torch.no_grad():
        return logits, pixels(), logits(pixels()).argmax(1)


class Linear(nn.Module):
    """Two classes, told apart by w'x > b."""

    def __init__(self, w, b):
        super().__init__()
        self.w, self.b = w, b

    def forward(self, x):
        score = x.flatten(1) @ self.w - self.b
        return torch.stack([-score, score], dim=1)


def linear(seed=0):
    chance = torch.Generator().manual_seed(seed)
    w = torch.randn(64, generator=chance)
    x = 0.3 + 0.4 * torch.rand(20, 1, 8, 8, generator=chance)
    model = Linear(w, (x.flatten(1) @ w).median() + 1e-3)
    return model, x, model(x).argmax(1)


def test_fgsm_by_hand():
    x = torch.tensor([[[[0.5, 0.9, 0.0]]]])
    moved = fgsm(Linear(torch.tensor([1.0, -2.0, 0.0]), 0.0), x, torch.tensor([0]), epsilon=0.2)
    assert moved.images.flatten().tolist() == pytest.approx([0.7, 0.7, 0.0])  # the third pixel does not matter
    assert moved.norm.item() == pytest.approx(0.2 * math.sqrt(2))
    assert fgsm(Linear(torch.tensor([1.0, -2.0, 0.0]), 0.0), x, torch.tensor([1]), epsilon=0.2).images.flatten()[
        :2
    ].tolist() == pytest.approx([0.3, 1.0])


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_on_a_linear_model_is_the_farthest_point_of_the_ball(norm):
    model, x, labels = linear()
    attacked = pgd(model, x, labels, epsilon=0.05, norm=norm)
    change = attacked.images - x
    direction = model.w.sign() if norm == "linf" else model.w / model.w.norm()
    uphill = torch.where(labels == 0, 1.0, -1.0)[:, None] * 0.05 * direction
    torch.testing.assert_close(change.flatten(1), uphill, rtol=0, atol=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_stays_in_the_ball_and_in_the_range_of_pixels(norm):
    logits, x, labels = victim()
    attacked = pgd(logits, x, labels, epsilon=0.3, norm=norm, rows=np.arange(12))
    change = attacked.images - x
    assert (change.abs().max() if norm == "linf" else l2(change).max()) <= 0.3 + 1e-5
    assert attacked.images.min() >= 0
    assert attacked.images.max() <= 1
    torch.testing.assert_close(attacked.norm, l2(change))
    with torch.no_grad():
        torch.testing.assert_close(attacked.is_fooled, logits(attacked.images).argmax(1) != labels)


def test_more_steps_and_a_larger_ball_fool_more():
    logits, x, labels = victim()
    fooled = [pgd(logits, x, labels, epsilon=size).is_fooled.float().mean() for size in (1e-4, 0.05, 0.3)]
    assert fooled[0] <= fooled[1] <= fooled[2]
    assert fooled[2] > 0.5
    assert fgsm(logits, x, labels, epsilon=0.3).is_fooled.sum() <= pgd(logits, x, labels, epsilon=0.3).is_fooled.sum()


def test_ddn_comes_near_the_nearest_point_of_the_boundary():
    model, x, labels = linear()
    attacked = ddn(model, x, labels, n_steps=300)
    distance = (x.flatten(1) @ model.w - model.b).abs() / model.w.norm()
    assert attacked.is_fooled.all()
    assert (attacked.norm >= distance - 1e-6).all()
    assert (attacked.norm <= 1.1 * distance + 0.02).all()


def test_ddn_needs_less_than_pgd_and_leaves_what_is_wrong_already():
    logits, x, labels = victim()
    near, far = ddn(logits, x, labels), pgd(logits, x, labels, epsilon=2.0, norm="l2")
    both = near.is_fooled & far.is_fooled
    assert both.sum() > 6
    assert (near.norm[both] < far.norm[both]).all()
    wrong = ddn(logits, x, (labels + 1) % 4)
    assert wrong.is_fooled.all()
    assert (wrong.norm == 0).all()


def test_ddn_gives_the_image_itself_where_nothing_fools_the_model():
    model = Linear(torch.zeros(64), 1.0)
    _, x, _ = linear()
    attacked = ddn(model, x, torch.zeros(20, dtype=torch.long), n_steps=5)
    assert not attacked.is_fooled.any()
    torch.testing.assert_close(attacked.images, x, rtol=0, atol=0)


def test_independent_of_the_batch_and_seeded():
    logits, x, labels = victim()
    rows = np.arange(12) + 100
    for norm in ("linf", "l2"):
        whole = pgd(logits, x, labels, epsilon=0.2, norm=norm, rows=rows, seed=3).images
        part = slice(4, 7)
        alone = pgd(logits, x[part], labels[part], epsilon=0.2, norm=norm, rows=rows[part], seed=3).images
        torch.testing.assert_close(alone, whole[part], rtol=0, atol=1e-3)
        again = pgd(logits, x, labels, epsilon=0.2, norm=norm, rows=rows, seed=3).images
        torch.testing.assert_close(again, whole, rtol=0, atol=0)
        draws = np.ones(12, dtype=int)
        assert (pgd(logits, x, labels, epsilon=0.2, norm=norm, rows=rows, draws=draws, seed=3).images != whole).any()
        assert (pgd(logits, x, labels, epsilon=0.2, norm=norm, rows=rows, seed=4).images != whole).any()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_starts_are_uniform_in_the_ball(norm):
    flat = Linear(torch.zeros(64), 1.0)  # no gradient: the start stays
    x = torch.full((4000, 1, 2, 2), 0.5)
    moved = pgd(lambda v: flat(v.repeat(1, 1, 4, 4)), x, torch.zeros(4000, dtype=torch.long), epsilon=0.2, norm=norm,
                n_steps=1, rows=np.arange(4000)).images  # fmt: skip
    change = (moved - x).flatten(1) / 0.2
    radius = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    assert radius.max() <= 1 + 1e-5
    assert (radius**4).mean() == pytest.approx(0.5, abs=0.02)  # of four numbers, both radii to the fourth are uniform
    assert change.mean(0).abs().max() < 0.03


def test_same_norm():
    norm = torch.linspace(0.1, 2, 12)
    copies = same_norm(pixels(), norm, np.arange(12), n_copies=5, seed=0)
    change = copies - pixels()[:, None]
    torch.testing.assert_close(l2(change.flatten(0, 1)).reshape(12, 5), norm[:, None].expand(12, 5))
    alone = same_norm(pixels()[3:5], norm[3:5], np.array([3, 4]), n_copies=5, seed=0)
    torch.testing.assert_close(alone, copies[3:5])
    directions = (change / norm[:, None, None, None, None]).flatten(0, 1).flatten(1)
    products = directions @ directions.T - torch.eye(60)
    assert products.abs().max() < 0.6  # no two copies share their noise
    assert (same_norm(pixels(), norm, np.arange(12), n_copies=5, seed=1) != copies).any()


@pytest.mark.skipif(not find_spec("foolbox"), reason="no foolbox; pip install '.[pretrained]'")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # it imports what SciPy has moved
@pytest.mark.parametrize("attack", ["fgsm", "linf", "l2", "ddn"])
def test_equals_foolbox(attack):
    import foolbox

    logits, x, labels = victim()
    preprocessing = {"mean": MEAN.tolist(), "std": STD.tolist(), "axis": -3}
    peer = foolbox.PyTorchModel(network(), bounds=(0, 1), preprocessing=preprocessing, device="cpu")
    attacks, length = foolbox.attacks, 0.01
    theirs, ours = {
        "fgsm": (
            lambda: attacks.LinfFastGradientAttack(random_start=False)(peer, x, labels, epsilons=0.03)[1],
            lambda: fgsm(logits, x, labels, epsilon=0.03),
        ),
        "linf": (
            lambda: attacks.LinfPGD(abs_stepsize=length, steps=10, random_start=False)(peer, x, labels, epsilons=0.03)[
                1
            ],
            lambda: pgd(logits, x, labels, epsilon=0.03, n_steps=10, step=length),
        ),
        "l2": (
            lambda: attacks.L2PGD(abs_stepsize=0.1, steps=10, random_start=False)(peer, x, labels, epsilons=0.5)[1],
            lambda: pgd(logits, x, labels, epsilon=0.5, norm="l2", n_steps=10, step=0.1),
        ),
        "ddn": (
            lambda: attacks.DDNAttack(init_epsilon=1.0, steps=50, gamma=0.05)(peer, x, labels, epsilons=None)[1],
            lambda: ddn(logits, x, labels, n_steps=50),
        ),
    }[attack]
    expected, found = theirs(), ours()
    if attack == "ddn":
        torch.testing.assert_close(found.norm, l2(expected - x), rtol=1e-4, atol=1e-4)
    else:
        torch.testing.assert_close(found.images, expected, rtol=0, atol=2e-3)
        assert (found.images - expected).abs().mean() < 1e-4


def test_errors(monkeypatch):
    logits, x, labels = victim()
    with pytest.raises(ValueError, match="labels from 0 to 3, the model's classes, got 7 to 7"):
        fgsm(logits, x, torch.full_like(labels, 7), epsilon=0.1)
    with pytest.raises(ValueError, match="a model with gradients to attack, got none at all"):
        pgd(lambda v: logits(v).detach(), x, labels, epsilon=0.1)
    with pytest.raises(ValueError, match=r"pixels from 0 to 1, got \d.* to 255; try pixels / 255"):
        ddn(logits, 255 * x / x.max(), labels)
    with pytest.raises(ValueError, match=r"a change larger than 0, got 0\.0; try 8 / 255"):
        fgsm(logits, x, labels, epsilon=0.0)
    with pytest.raises(ValueError, match="norm linf or l2 and at least 1 step, got 'l1' and 20"):
        pgd(logits, x, labels, epsilon=0.1, norm="l1")
    with pytest.raises(ValueError, match="at least 1 step, got 'linf' and 0"):
        pgd(logits, x, labels, epsilon=0.1, n_steps=0)
    with pytest.raises(ValueError, match="at least 1 step and gamma between 0 and 1, got 100 and 1"):
        ddn(logits, x, labels, gamma=1.0)
    with pytest.raises(ValueError, match="at least 1 copy, got 0"):
        same_norm(x, torch.ones(12), np.arange(12), n_copies=0, seed=0)
    with pytest.raises(ValueError, match="a label for each of 0 images, at least one"):
        fgsm(logits, x[:0], labels[:0], epsilon=0.1)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    with pytest.raises(ValueError, match="a label for each of 12 images, at least one, got 11 labels"):
        fgsm(logits, x, labels[1:], epsilon=0.1)
