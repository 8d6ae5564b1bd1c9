"""A study so small that every stage takes a second: 64 pictures of 8 x 8 pixels, one epoch."""

from pathlib import Path

import numpy as np

STUDY = """
name = "tiny"

[data]
source = "npz:tiny.npz"
split = {train = 32, fit = 12, score = 12, test = 8}

[training]
epochs = 1
optimizer = {lr = 0.05}
schedule = "constant"
batch_size = 16

[dictionary]
atoms_per_class = 2

[probe]
penalties = {count = 5}
groups = 4

[analyses]
bootstrap = 100
"""


def write_study(folder: Path) -> Path:
    """Write `tiny.npz` and `tiny.toml`; two classes, a bright left half and a bright right half."""
    rng = np.random.default_rng(0)
    labels = np.arange(64) % 2
    images = rng.integers(0, 100, size=(64, 8, 8), dtype=np.uint8)
    images[labels == 0, :, :4] += 120
    images[labels == 1, :, 4:] += 120
    np.savez(folder / "tiny.npz", images=images, labels=labels)
    path = folder / "tiny.toml"
    path.write_text(STUDY, encoding="utf-8")
    return path
