"""Preparations of the images, tried on a trained network: which of them it knows, by its answers on a few images.

Where the network's outputs are the data's classes, they are ranked by the probability of the right ones. Else by its
agreement: the probability that it says the same of an image and of the mirrored image, mean over images. A network that
guesses, or says one thing of everything it does not know, scores low; mere confidence would not do, since pixels of a
larger scale make any network sure. (EfficientNet-Lite on 40 photographs: accuracy .90, .85, .75, .65 and agreement .41,
.37, .34, .27 with its own mean and std, none, ImageNet's, and ImageNet's with red and blue exchanged.)
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from featcx_core.features.exact import exact
from featcx_core.images.answers import is_right, losses_of_right
from featcx_core.images.loading import open_source, picture_files
from featcx_core.images.outputs import class_outputs, right_outputs
from featcx_core.images.reading import Files
from featcx_core.images.transforms import Preprocessing, preprocessing
from featcx_core.networks.anatomy import Anatomy
from featcx_core.networks.models import build_model
from featcx_core.networks.state_dicts import read_state_dict
from featcx_core.study.fields import Study, StudyError, Transform

N_IMAGES = 32
"""Images that are tried, spread over all."""
GOOD = {"accuracy": 0.5, "agreement": 0.3}
"""From here on recognised weights do not look wrong."""
BETTER = 0.02
"""By as much another preparation must rank higher."""
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_BYTE = 1 / 255
_NORMALISATIONS: dict[str, dict[str, Any]] = {
    "ImageNet's mean and std": _IMAGENET,
    "mean and std of 0.5": {"mean": [0.5] * 3, "std": [0.5] * 3},
    "pixels from 0 to 1": {"mean": [0.0] * 3, "std": [1.0] * 3},
    "pixels from 0 to 255": {"mean": [0.0] * 3, "std": [_BYTE] * 3},
    "pixels from 0 to 255 less ImageNet's mean, blue first": {
        "bgr": True,
        "mean": _IMAGENET["mean"],
        "std": [_BYTE] * 3,
    },
}


class Tried(NamedTuple):
    """A preparation and what came of it."""

    words: str
    """The preparation, for people."""
    transform: dict[str, Any]
    """Fields of `data.transform` that it changes."""
    score: float
    """Accuracy or agreement, 0 to 1."""
    rank: float
    """By what preparations are ranked: the mean probability of the right outputs, or agreement."""


class Trial:
    """A trained network and a few images.

    Args:
        study: with its checkpoint's file at `path`.
        anatomy: of its network.
        path: file of the weights.

    Raises CheckpointError for a file of another network, StudyError for images that cannot be read.
    """

    def __init__(self, study: Study, anatomy: Anatomy, path: Path) -> None:
        self.study = study
        state = read_state_dict(path, wanted=anatomy.parameters, key=study.checkpoints.weights)
        images, labels, names, _ = open_source(study.data)
        self.model = build_model(study, n_classes=len(names), image_shape=anatomy.image_shape, is_filled=True).eval()
        self.model.load_state_dict(state.tensors)
        self.n_outputs = anatomy.n_classes
        self.channels = anatomy.image_shape[0]
        rows = np.unique(np.linspace(0, len(labels) - 1, min(N_IMAGES, len(labels))).astype(int)).tolist()
        if isinstance(images, Files):
            self.files = images
        else:
            self.files = picture_files(images)
        self.rows: Int64[np.ndarray, "image"] = np.array([row for row in rows if _opens(self.files, row)])
        outputs = class_outputs(study.model, names)
        self.right = torch.from_numpy(right_outputs(outputs, labels[self.rows])) if outputs else None

    @property
    def least(self) -> float:
        """The score below which a preparation says nothing: one and a half times that of a guess, or of agreement."""
        if self.right is None:
            return GOOD["agreement"] / 2
        named = self.right[:, None] if self.right.ndim == 1 else self.right
        return 1.5 * float((named >= 0).sum(1).double().mean()) / self.n_outputs

    @property
    def measure(self) -> str:
        """`accuracy`, where outputs are classes, or `agreement`."""
        return "agreement" if self.right is None else "accuracy"

    def alternatives(self, first: Tried) -> list[Tried]:
        """Try other normalisations, then other orders of the colours and crops with the best; the best come first."""
        if self.channels != 3:
            return [first]
        tried = [first, *self._tried(_NORMALISATIONS)]
        best = max(tried, key=lambda each: each.rank)
        if not best.transform.get("bgr"):
            tried += self._tried({f"{best.words}, blue first": {**best.transform, "bgr": True}})
        best = max(tried, key=lambda each: each.rank)
        tried += self._tried({f"{best.words}, {w}": {**best.transform, **crop} for w, crop in self._crops().items()})
        return sorted(tried, key=lambda each: -each.rank)

    def score(self, words: str, transform: Mapping[str, Any]) -> Tried:
        """Try one preparation. Raises StudyError where the images cannot be prepared so."""
        model, steps = _with(self.study, transform)
        pixels = self._pixels(steps)
        mean, std = (
            torch.tensor(stated, dtype=torch.float32) if stated else auto
            for stated, auto in zip((steps.mean, steps.std), _mean_and_std(pixels), strict=True)
        )
        images = (torch.from_numpy(pixels).float() / 255 - mean[:, None, None]) / std[:, None, None]
        if model.bgr and not self.study.data.transform.bgr:
            images = images.flip(1)
        shares = _shares(self.model, images)
        if self.right is not None:
            score = float(is_right(shares.argmax(1), self.right).double().mean())
            rank = float((-losses_of_right(shares.log(), self.right)).exp().mean())
            return Tried(words, dict(transform), score, rank)
        agreement = float((shares * _shares(self.model, images.flip(3))).sum(1).mean())
        return Tried(words, dict(transform), agreement, agreement)

    def _tried(self, transforms: Mapping[str, Mapping[str, Any]]) -> Iterator[Tried]:
        for words, transform in transforms.items():
            try:
                yield self.score(words, transform)
            except StudyError:  # these images cannot be prepared so
                continue

    def _crops(self) -> dict[str, dict[str, Any]]:
        steps = preprocessing(self.study)
        if not steps.crop:
            return {}
        usual = round(steps.crop / 0.875)
        other = {"resize": steps.crop, "crop": steps.crop} if steps.resize != steps.crop else {"resize": usual}
        words = f"resized to {other['resize']} before the crop"
        return {words: {"crop": steps.crop, **other}, "squashed": {"resize": steps.crop, "fit": "squash"}}

    def _pixels(self, steps: Preprocessing) -> UInt8[np.ndarray, "image channel height width"]:
        images = [steps.pixels(self.files.load(int(row)), channels=self.channels) for row in self.rows]
        if len({image.shape for image in images}) != 1:
            raise StudyError("data.transform: the images are of several sizes; state a crop")
        return np.stack(images)


def _with(study: Study, transform: Mapping[str, Any]) -> tuple[Transform, Preprocessing]:
    """Return the study's transform with some fields changed, and what follows from it."""
    stated = study.data.transform.model_dump(mode="json", exclude_defaults=True)
    changed = Transform.model_validate({**stated, **transform})
    data = study.data.model_copy(update={"transform": changed})
    return changed, preprocessing(study.model_copy(update={"data": data}))


def _opens(files: Files, row: int) -> bool:
    try:
        files.load(row)
    except Exception:  # a damaged file fails in many ways
        return False
    return True


def _mean_and_std(pixels: UInt8[np.ndarray, "image channel height width"]) -> tuple[Tensor, Tensor]:
    values = torch.from_numpy(pixels).float() / 255
    return values.mean((0, 2, 3)), values.std((0, 2, 3)).clamp(min=1e-6)


def _shares(model: nn.Module, images: Float[Tensor, "image channel height width"]) -> Float[Tensor, "image class"]:
    with torch.inference_mode(), exact():
        parts = [model(part).float().softmax(1) for part in torch.split(images, 8)]
    return torch.cat(parts)
