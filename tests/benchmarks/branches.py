"""(l) Extraction with the branches of all residual blocks against extraction without them."""

import shutil

from featcx_core.analyses.activations.make import record_activations
from featcx_core.artefacts.making import make
from featcx_core.images.data import load_data
from featcx_core.store.places import Store
from tests.benchmarks.inputs import study_on_noise
from tests.benchmarks.pairs import pairs
from tests.benchmarks.table import Row

AIM = 1.15


def measure(device: str) -> list[Row]:
    """ResNet-18 at 64 px, and the built-in network at 28 px."""
    wide = study_on_noise(source="torchvision:resnet18", side=64, channels=3, classes=10, train=100, probe=1536)
    small = study_on_noise(source="builtin:small_resnet", side=28, channels=1, classes=10, train=100, probe=4096)
    return [
        _row(wide, "ResNet-18, 64 px", device, repeats=3),
        _row(small, "built-in network, 28 px", device, repeats=7),  # short, so more of them
    ]


def _row(store: Store, what: str, device: str, *, repeats: int) -> Row:
    study = store.study
    analyses = study.analyses.model_copy(update={"run": (*study.analyses.run, "branches")})
    asking = Store(store.home, study.model_copy(update={"analyses": analyses}))

    def extraction(of: Store) -> None:
        for folder in ("activations", "branches"):
            shutil.rmtree(of.root / folder, ignore_errors=True)
        record_activations(of, epoch=0, device=device)

    make(store, "checkpoint", epoch=0, device=device)
    measured = pairs(lambda: extraction(asking), lambda: extraction(store), repeats=repeats)
    n_branches, n_images = sum(len(row.branches) for row in store.anatomy.layers), len(load_data(study).probe)
    ours, peer = measured.seconds
    ratio = measured.ratio.inverse
    return Row(
        "l",
        f"extraction of {len(store.anatomy.layers)} layers and {n_branches} branches: {what}, {n_images:,} images",
        f"{ours:.1f} s",
        f"{peer:.1f} s (the layers alone)",
        f"{ratio} times its time",
        f"≤ {AIM}",
        ratio.median <= AIM,
    )
