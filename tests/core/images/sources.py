"""Small sources of images for tests: folders of noise, arrays of noise."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from featcx_core.study.fields import Data, DictionarySettings, Probe, Split, Study

SHARES = {"train": 0.4, "fit": 0.2, "score": 0.2, "test": 0.2}
COUNTS = {"train": 8, "fit": 4, "score": 4, "test": 4}
LABELS = np.arange(20) % 2
CPU = torch.device("cpu")


def picture(chance: np.random.Generator, size: tuple[int, int] = (12, 10), mode: str = "RGB") -> Image.Image:
    width, height = size
    return Image.fromarray(chance.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)


def folder(
    root: Path, *, each: int = 10, classes: tuple[str, ...] = ("cat", "dog"), ending: str = "png", seed: int = 0
) -> Path:
    """A folder of noise, `each` images a class, all 12 x 10."""
    chance = np.random.default_rng(seed)
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(each):
            picture(chance).save(root / name / f"{i:03}.{ending}")
    return root


def study(source: object, **fields: object) -> Study:
    data = {"source": str(source), "split": SHARES, **fields}
    few = {"probe": Probe(groups=2), "dictionary": DictionarySettings(atoms_per_class=2)}
    return Study(name="x", data=Data.model_validate(data), **few)


def of_folder(root: Path, **fields: object) -> Study:
    return study(f"folder:{root}", **fields)


def npz(folder: Path, *, split: dict[str, float] = COUNTS, seed: int = 0, **arrays: np.ndarray) -> Study:
    np.savez(folder / "d.npz", **arrays)
    data = Data(source=f"npz:{folder / 'd.npz'}", split=Split(**split))
    return Study(name="x", seed=seed, data=data, probe=Probe(groups=2))


def pictures(n: int = 20, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, *(shape or (5, 6))), dtype=np.uint8)
