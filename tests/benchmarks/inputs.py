"""Studies on generated images, with checkpoints that nobody trained."""

import tempfile
from pathlib import Path

import numpy as np

from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.survey import write_checkpoint
from featcx_core.networks.models import build_model
from featcx_core.store.places import Store
from featcx_core.study.fields import Study

METRICS = {"train_loss": 2.3, "train_accuracy": 0.1, "test_loss": 2.3, "test_accuracy": 0.1, "learning_rate": 0.1}


def study_on_noise(
    *,
    source: str,
    side: int,
    channels: int,
    classes: int,
    train: int,
    probe: int,
    epochs: int = 1,
    arguments: dict[str, object] | None = None,
    atoms: int = 10,
    images_per_class: int = 500,
) -> Store:
    """A registered study whose checkpoints hold initial weights, another seed's each; smooth random images."""
    place = Path(tempfile.mkdtemp(prefix="study-"))
    folder = place / "images"  # without the home beside them: all files in it belong to what the images are known by
    folder.mkdir()
    chance = np.random.default_rng(0)
    n = train + probe + classes
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (n, channels, side, side))
    for start in range(0, n, 1024):
        coarse = chance.integers(0, 256, (min(1024, n - start), channels, side // 4, side // 4), dtype=np.uint8)
        images[start : start + 1024] = coarse.repeat(4, axis=2).repeat(4, axis=3)
    images.flush()
    del images  # unmapped: the file changes no more
    labels = chance.permutation(np.arange(n) % classes)
    np.save(folder / "labels.npy", labels)
    study = Study.model_validate(
        {
            "name": "noise",
            "data": {
                "source": f"npy:{folder}",
                "split": {"train": train, "fit": probe // 2, "score": probe // 2, "test": classes},
            },
            "model": {"source": source, "arguments": arguments or {}},
            "training": {"epochs": epochs, "save": []},
            "dictionary": {"atoms_per_class": atoms, "images_per_class": images_per_class},
            "analyses": {"run": ["complexity", "importance", "decode_time", "sedimentation"]},
        }
    )
    store = register(study, home=place / "home")
    made_by = Snapshot(store).fingerprint(Partition("training"))
    for epoch in range(epochs + 1):
        seeded = study.model_copy(update={"seed": epoch})
        model = build_model(seeded, n_classes=classes, image_shape=(channels, side, side))
        write_checkpoint(store.checkpoint(epoch), model.state_dict(), metrics=METRICS, made_by=made_by)
    return store
