"""(p) Ablation curves against whole forward passes, and spectra of groups against NumPy's decomposition of each."""

import numpy as np
import torch
from torch import nn
from torchvision import models

from featcx_core.features.ablating import ablated_logits
from featcx_core.features.ablations import Plan, ablate_units
from featcx_core.features.replay import Replay
from featcx_core.measures.ablation import AblationCounts, ablation_orders
from featcx_core.measures.spectra import group_spectra
from featcx_core.networks.models import on_device
from featcx_core.networks.small_resnet import SmallResNet
from tests.benchmarks.pairs import Pairs, Work, best, pairs
from tests.benchmarks.table import Row

SHARES = np.linspace(0, 1, 11)
ABLATION_AIM, SPECTRA_AIM = 4.0, 5.0
GROUPS, COPIES = 10_000, 20


def measure(device: str) -> list[Row]:
    """Curves of ten random orders at the middle layer of two networks; spectra of 10,000 groups."""
    small = SmallResNet(channels=1, n_classes=10)
    resnet = models.resnet18(weights=None, num_classes=10)
    return [
        _ablation(small, "built-in network, 28 px", device, shape=(1, 28, 28), units=32, n_images=256),
        _ablation(resnet, "ResNet-18, 64 px", device, shape=(3, 64, 64), units=128, n_images=128),
        _ablation(resnet, "ResNet-18, 224 px", device, shape=(3, 224, 224), units=128, n_images=32),
        _spectra(64, device, with_vectors=True),
        _spectra(64, device, with_vectors=False),
        _spectra(512, device, with_vectors=True),
    ]


def _ablation(
    model: nn.Module, what: str, device: str, *, shape: tuple[int, int, int], units: int, n_images: int
) -> Row:
    network, layer = on_device(model.eval(), torch.device(device)), "layer2.1"
    images = torch.randn(n_images, *shape, generator=torch.Generator().manual_seed(0)).to(device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(n_images, device=device) % 10
    orders = ablation_orders({}, n_units=units, seed=0)
    plan = ablate_units(orders, SHARES, value=torch.zeros(units, device=device))
    n_curves, n_steps = len(orders["random"]), len(SHARES)
    share = _upper_share(network, images, layer)

    def ours() -> None:
        counts = AblationCounts(len(plan.edits))
        for logits in ablated_logits(network, [images], plan.edits, layer=layer, layout="channels_first"):
            counts.add(logits.argmax(2), labels)
        counts.curves(plan.places, SHARES)

    one = pairs(ours, _whole_passes(network, images, plan, layer), repeats=3, warm=False)
    measured = Pairs(one.ours, [n_curves * seconds for seconds in one.peer])
    seconds, peer = measured.seconds
    return Row(
        "p",
        f"ablation curves at the middle layer of the {what}: {n_curves} orders × {n_steps} shares, {n_images} images",
        f"{seconds:.1f} s",
        f"{peer:.1f} s (whole forward passes; one curve, extrapolated)",
        f"{measured.ratio} times faster",
        f"≥ {ABLATION_AIM:.0f}",
        measured.ratio.median >= ABLATION_AIM,
        limit=f"what lies above the layer takes {share:.2f} of a pass, and {len(plan.edits)} of the "
        f"{n_curves * n_steps} steps differ: at most {n_curves * n_steps / (len(plan.edits) * share):.1f} times",
        note="random weights; a whole pass, the check and the intervals included",
    )


def _upper_share(network: nn.Module, images: torch.Tensor, layer: str) -> float:
    """Share of a whole forward pass that is spent above the layer."""
    with Replay(network, layer) as replay:
        acts, _ = replay.record(images)
        upper = best(lambda: [replay(acts) for _ in range(10)])
        return upper / best(lambda: [replay.record(images) for _ in range(10)])


def _whole_passes(network: nn.Module, images: torch.Tensor, plan: Plan, layer: str) -> Work:
    """One curve: the whole network for every share, with the units clamped by a hook."""
    curve = [plan.edits[place] for place in plan.places["random"][0]]

    def work() -> None:
        for edit in curve:
            clamp = edit or (lambda acts: acts)
            handle = network.get_submodule(layer).register_forward_hook(
                lambda _, __, output, clamp=clamp: clamp(output.movedim(1, -1)).movedim(-1, 1)
            )
            with torch.inference_mode():
                network(images).argmax(1)
            handle.remove()

    return work


def _spectra(units: int, device: str, *, with_vectors: bool) -> Row:
    groups = GROUPS if units < 100 else GROUPS // 10
    chance = torch.Generator().manual_seed(0)
    clean = torch.randn(groups, 1, units, generator=chance)
    acts = (clean + 0.1 * torch.randn(groups, COPIES, units, generator=chance)).relu().to(device)
    matrices = acts.cpu().numpy()

    def numpy() -> None:
        for matrix in matrices:
            np.linalg.svd(matrix, full_matrices=False, compute_uv=with_vectors)

    measured = pairs(lambda: group_spectra(acts), numpy, repeats=5)
    seconds, peer = measured.seconds
    call = "np.linalg.svd(x)" if with_vectors else "np.linalg.svd(x, compute_uv=False)"
    return Row(
        "p",
        f"noise spectra of {groups:,} groups × {COPIES} copies × {units} units",
        f"{seconds:.2f} s",
        f"{peer:.2f} s ({call} in a loop)",
        f"{measured.ratio} times faster",
        f"≥ {SPECTRA_AIM:.0f}" if with_vectors else "",
        measured.ratio.median >= SPECTRA_AIM if with_vectors else None,
        note="float32 in; ours in float64, the peer in float32",
    )
