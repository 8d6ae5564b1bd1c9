"""(h) One epoch's whole analysis at ResNet-18 size against its bare forward passes, part by part."""

import torch

from featcx_core.artefacts.making import make
from featcx_core.features.forward import Network
from featcx_core.images.data import batches, dictionary_images
from tests.benchmarks.inputs import study_on_noise
from tests.benchmarks.pairs import timed
from tests.benchmarks.table import Row

CLASSES, PROBE, TRAIN, ATOMS = 200, 2_000, 4_000, 10
"""A quarter of the 8,000 probe images of a full measurement: the parts grow with them, the factorisations do not."""


def measure(device: str) -> list[Row]:
    """ResNet-18 at 64 px: 10 layers, 2,000 concepts of 512 units."""
    store = study_on_noise(
        source="torchvision:resnet18",
        side=64,
        channels=3,
        classes=CLASSES,
        train=TRAIN,
        probe=PROBE,
        atoms=ATOMS,
    )
    network = Network.load(store, epoch=0, device=device)
    indices = [network.data.probe, *dictionary_images(network.data, store.study)]

    def bare() -> None:
        with torch.inference_mode():
            for rows in indices:
                for images in batches(network.data, rows, batch_size=256, device=network.device):
                    network.model(images).cpu()

    forward = timed(bare)
    make(store, "checkpoint", epoch=0, device=device)
    artefacts = {
        "activations": "activations",
        "positions": "dictionary_activations",
        "dictionary": "dictionary",
        "codes": "codes",
        "V-information": "v_information",
        "complexity": "complexity",
        "importance": "importance",
    }
    parts = {
        what: timed(lambda name=name: make(store, name, epoch=0, inputs=False, device=device))
        for what, name in artefacts.items()
    }
    whole = sum(parts.values())
    return [
        Row(
            "h",
            f"one epoch's analysis: ResNet-18, 64 px, {PROBE:,} probe and {TRAIN:,} training images, "
            f"{CLASSES * ATOMS:,} concepts",
            f"{whole:.0f} s",
            f"{forward:.0f} s (bare forward passes)",
            f"{whole / forward:.2f} times",
            note="; ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items()),
        )
    ]
