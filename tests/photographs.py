"""Crops of real photographs that packages carry, as folders of JPEG files: `python -m tests.photographs FOLDER`.

- `FOLDER/grouped/GROUP/`: all 40 photographs, of scikit-learn (2), scikit-image's wheel (18) and foolbox (20, of
  ImageNet), in four groups that are ours: `animals`, `objects`, `scenes` (people, places, plants), `textures`
  (surfaces, tissue, sky, print).
- `FOLDER/labelled/INDEX/`: the 20 of ImageNet by their label, a class of ImageNet; `names.txt` has its name.

Crops are seeded: 50 to 100 % of the photograph's area, half of them mirrored, in their own size. Every photograph is in
every part of a split, so that concepts are about these photographs, not about others. The 20 of CIFAR-10 that foolbox
has too are left out: 32 pixels enlarged to 224 show no more than blur.
"""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

LIVING = range(398)
"""Classes of ImageNet that are animals."""
SCIKIT_IMAGE = {
    "animals": ("chelsea",),
    "objects": ("clock_motion", "coffee", "coins", "motorcycle_left", "rocket"),
    "scenes": ("astronaut", "camera"),
    "textures": ("brick", "cell", "grass", "gravel", "hubble_deep_field", "ihc", "moon", "page", "retina", "text"),
}


class Photograph(NamedTuple):
    """A photograph in a package."""

    name: str
    """Package and file."""
    path: Path
    """Where it lies."""
    group: str
    """Which of our four groups it is in."""
    label: int = -1
    """Class of ImageNet; -1 where nobody said."""


def photographs() -> list[Photograph]:
    """All that are there, in a fixed order; those of packages that are not installed are left out."""
    return [*_of_scikit_learn(), *_of_scikit_image(), *_of_foolbox()]


def write_crops(folder: Path, *, each: int, labelled: bool = False, seed: int = 0) -> int:
    """Cut every photograph (or every labelled one) into `each` crops, a folder a class; gives how many."""
    chosen = [photograph for photograph in photographs() if not labelled or photograph.label >= 0]
    for place, photograph in enumerate(chosen):
        chance = np.random.default_rng([seed, place])
        target = folder / (f"{photograph.label:03}" if labelled else photograph.group)
        target.mkdir(parents=True, exist_ok=True)
        for i in range(each):
            crop(photograph, chance).save(target / f"{photograph.name}-{i:04}.jpg", quality=95)
    return each * len(chosen)


def crop(photograph: Photograph, chance: np.random.Generator) -> Image.Image:
    """A piece of 50 to 100 % of its area, mirrored half of the times."""
    with Image.open(photograph.path) as file:
        image = file.convert("RGB")
    share = np.sqrt(chance.uniform(0.5, 1.0))
    width, height = (round(share * side) for side in image.size)
    left = int(chance.integers(0, image.width - width + 1))
    top = int(chance.integers(0, image.height - height + 1))
    piece = image.crop((left, top, left + width, top + height))
    return piece.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if chance.random() < 0.5 else piece


def _of_scikit_learn() -> Iterator[Photograph]:
    for name in ("china", "flower"):
        yield Photograph(f"sklearn-{name}", _inside("sklearn") / "datasets" / "images" / f"{name}.jpg", "scenes")


def _of_scikit_image() -> Iterator[Photograph]:
    if find_spec("skimage"):
        data = _inside("skimage") / "data"
        for group, names in SCIKIT_IMAGE.items():
            for name in names:
                (path,) = [path for path in data.glob(f"{name}.*") if path.suffix in (".png", ".jpg")]
                yield Photograph(f"skimage-{name}", path, group)


def _of_foolbox() -> Iterator[Photograph]:
    if find_spec("foolbox"):
        files = {path.stem: path for path in sorted((_inside("foolbox") / "data").glob("imagenet_*_*.*"))}
        for name, path in files.items():
            label = int(name.rpartition("_")[2])
            yield Photograph(f"foolbox-{name}", path, "animals" if label in LIVING else "objects", label)


def _inside(package: str) -> Path:
    """The package's folder; it is not imported."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def imagenet_names() -> list[str]:
    """The classes of ImageNet, in order, as torchvision lists them."""
    from torchvision.models import ResNet50_Weights

    names: list[str] = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    return names


def main(folder: Path, *, each: int = 20) -> None:
    """Write both folders and the names."""
    for part, labelled in (("grouped", False), ("labelled", True)):
        n = write_crops(folder / part, each=each, labelled=labelled)
        sys.stdout.write(f"{folder / part}: {n} crops of {n // each} photographs\n")
    labels = sorted({photograph.label for photograph in photographs()} - {-1})
    names = imagenet_names()
    (folder / "names.txt").write_text("".join(f"{label:03} {names[label]}\n" for label in labels))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
