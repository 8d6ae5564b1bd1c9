"""(n) Redundancy from sums, and sensitivity against the forward passes and the encoding that it cannot do without."""

import torch

from featcx_core.analyses.codes.make import N_RANDOM_DIRECTIONS, encoders
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.artefacts.making import make
from featcx_core.features.forward import Network, Tap, pooled
from featcx_core.features.moments import Moments
from featcx_core.images.noise import noisy_batches
from featcx_core.measures.redundancy import redundancy
from featcx_core.store.places import Store
from tests.benchmarks.inputs import study_on_noise
from tests.benchmarks.pairs import pairs, timed
from tests.benchmarks.table import Row
from tests.steps import reader

UNITS, CONCEPTS, MASKS, GROUPS, SHARES = 512, 2_000, 20, 20, (0.1, 0.5, 0.9)
REDUNDANCY_AIM, SENSITIVITY_AIM = 10.0, 1.1


def measure(device: str) -> list[Row]:
    """Redundancy of 2,000 concepts; sensitivity at the defaults, and of a ResNet-18 on a quarter of the images."""
    small = study_on_noise(source="builtin:small_resnet", side=28, channels=1, classes=10, train=1_000, probe=1_000)
    wide = study_on_noise(
        source="torchvision:resnet18", side=64, channels=3, classes=10, train=500, probe=500, images_per_class=50
    )
    return [
        _redundancy(device),
        _sensitivity(small, "built-in network, 28 px", device, n_images=200),
        _sensitivity(wide, "ResNet-18, 64 px", device, n_images=50),
    ]


def _redundancy(device: str) -> Row:
    sums = {n: _sums(n, device) for n in (2_000, 20_000)}
    seconds = {n: timed(lambda given=given: _all_shares(*given)) for n, given in sums.items()}
    slowest = max(seconds.values())
    return Row(
        "n",
        f"redundancy, {CONCEPTS:,} concepts × {UNITS} units × {len(SHARES)} × {MASKS} masks, as printed "
        f"too, and without each of {GROUPS} groups of images",
        f"{seconds[2_000]:.2f} s",
        f"{seconds[20_000]:.2f} s (of ten times the images)",
        f"{seconds[20_000] / seconds[2_000]:.2f} times",
        f"< {REDUNDANCY_AIM:.0f} s, flat in images",
        slowest < REDUNDANCY_AIM,
        note="from stored sums: no image is read",
    )


def _sums(n_images: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(0)
    x = torch.rand(n_images, UNITS, generator=chance).to(device)
    mixing = torch.randn(UNITS, CONCEPTS, generator=chance).to(device)
    centred = Moments.over((part, (part @ mixing).relu()) for part in torch.split(x, 1_000)).centred()
    return centred.xx, centred.xz


def _all_shares(gram: torch.Tensor, cross: torch.Tensor) -> None:
    for share in SHARES:
        for _ in range(1 + GROUPS):  # of all images, and without each group of them
            redundancy(gram, cross, masked_fraction=share, n_masks=MASKS, seed=0)


def _sensitivity(store: Store, what: str, device: str, *, n_images: int) -> Row:
    make(store, "codes", epoch=0, device=device)
    dictionary = read_dictionary(reader(store), epoch=0)
    settings = store.study.sensitivity.model_copy(update={"images": n_images})
    store.study = store.study.model_copy(update={"sensitivity": settings})
    network = Network.load(store, epoch=0, device=device)
    batches = list(
        noisy_batches(
            network.data,
            network.data.probe[:n_images],
            n_draws=settings.draws,
            sigmas=settings.sigmas,
            seed=0,
            batch_size=network.data.at_once(256),
            device=network.device,
        )
    )
    row = next(row for row in store.anatomy.layers if row.role == "penultimate")
    taps, n = [Tap(row.layer, pooled(row, "gap"))], len(batches)
    acts = [torch.from_numpy(found) for (found,) in network.over(iter(batches), taps, n_batches=n, desc="")]
    by_kind = encoders(store.study, dictionary, device=device)

    def bare() -> None:
        with torch.inference_mode():
            for images, seen in zip(batches, acts, strict=True):
                network.model(images).cpu()
                for encode in by_kind.values():
                    encode(seen)

    def ours() -> None:
        make(store, "sensitivity", epoch=0, inputs=False, anew=True, device=device)

    measured = pairs(ours, bare, repeats=3, warm=False)
    seconds, peer = measured.seconds
    ratio = measured.ratio.inverse
    return Row(
        "n",
        f"sensitivity: {what}, {n_images} images × {settings.draws} draws × {len(settings.sigmas)} levels, "
        f"{len(dictionary.atoms)} concepts, {N_RANDOM_DIRECTIONS} random directions",
        f"{seconds:.1f} s",
        f"{peer:.1f} s (bare forward passes on noisy images that are ready, and encoding)",
        f"{ratio} times its time",
        f"≤ {SENSITIVITY_AIM}",
        ratio.median <= SENSITIVITY_AIM,
        note="noise, loading of the checkpoint, bootstrap and writing included",
    )
