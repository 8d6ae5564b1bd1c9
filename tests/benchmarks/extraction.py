"""(a) Extraction of all layers into committed stores against the bare forward pass on the same images."""

import shutil

import torch

from featcx_core.analyses.activations.make import record_activations
from featcx_core.artefacts.making import make
from featcx_core.features.forward import Network
from featcx_core.images.data import batches
from featcx_core.store.places import Store
from tests.benchmarks.inputs import study_on_noise
from tests.benchmarks.pairs import pairs
from tests.benchmarks.table import Row

AIM = 0.93


def measure(device: str) -> list[Row]:
    """ResNet-18 at 64 px, and the built-in network at 28 px."""
    wide = study_on_noise(source="torchvision:resnet18", side=64, channels=3, classes=10, train=100, probe=3072)
    small = study_on_noise(source="builtin:small_resnet", side=28, channels=1, classes=10, train=100, probe=4096)
    return [_row(wide, "ResNet-18, 64 px", device), _row(small, "built-in network, 28 px", device)]


def _row(store: Store, what: str, device: str) -> Row:
    make(store, "checkpoint", epoch=0, device=device)
    network = Network.load(store, epoch=1, device=device)
    probe = network.data.probe
    prepared = list(batches(network.data, probe, batch_size=256, device=network.device))

    def bare() -> None:
        with torch.inference_mode():
            for images in prepared:
                network.model(images).cpu()

    def extraction() -> None:
        shutil.rmtree(store.root / "activations", ignore_errors=True)
        record_activations(store, epoch=0, device=device)  # weights are read, arrays are written and committed

    measured = pairs(extraction, bare, repeats=5)
    ours, peer = (len(probe) / seconds for seconds in measured.seconds)
    return Row(
        "a",
        f"extraction of {len(store.anatomy.layers)} layers: {what}, {len(probe):,} images",
        f"{ours:,.0f} images/s",
        f"{peer:,.0f} images/s (bare forward pass, images ready on the device)",
        f"{measured.ratio} of its rate",
        f"≥ {AIM}",
        measured.ratio.median >= AIM,
        "the forward pass itself",
    )
