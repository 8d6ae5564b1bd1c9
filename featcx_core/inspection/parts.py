"""Sizes of the parts of the images, and atoms a class, as the images allow."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64

from featcx_core.images.splits import divided
from featcx_core.study.fields import DictionarySettings, Probe, StudyError

_MANY = 2000  # images; with fewer, half of them are kept for the probes and the test
_ENOUGH = 10_000  # probe images of a half, and test images; the paper has 20,000 probe images in all
_FEWEST_ATOMS = 5  # of a class, before one dictionary serves all images
_FEW_PROBE = 100  # images of a half; a concept is measured where 10 of them show it


class Parts(NamedTuple):
    """Settings of a study's parts."""

    values: dict[str, dict[str, Any]]
    """Fields by section: `data.split`, and of `dictionary` and `probe` what must be other than usual."""
    sentences: tuple[str, ...]
    """Choices and their reasons, for people."""


def propose_parts(
    labels: Int64[np.ndarray, "image"],
    class_names: tuple[str, ...],
    *,
    n_train: int | None,
    is_trained: bool,
    seed: int,
) -> Parts:
    """Sizes of the parts, atoms and jackknife groups.

    70 : 10 : 10 : 10 % of many images, 50 : 20 : 20 : 10 % of few; of a source with its own held-out images all for
    training and 40 : 40 : 20 % of the others. No more than 10,000 for a probe half, and where the network is trained
    elsewhere (not `is_trained`) no more training images than the dictionary takes.

    Raises StudyError where there are too few images for four parts.
    """
    sizes = _sizes(len(labels), len(class_names), n_train, is_trained=is_trained)
    split = divided(labels, n_train=n_train, sizes=sizes, seed=seed)
    counts = np.bincount(labels[split["train"]], minlength=len(class_names))
    values: dict[str, dict[str, Any]] = {"data": {"split": sizes}}
    sentences = [f"split: {', '.join(f'{part} {len(rows)}' for part, rows in split.items())} images"]
    atoms, groups = int(DictionarySettings().atoms_per_class), Probe().groups
    fewest, name, n_score = int(counts.min()), class_names[int(counts.argmin())], len(split["score"])
    if fewest >= atoms:
        sentences[0] += f"; every class has {fewest} or more for training"
    elif fewest >= _FEWEST_ATOMS:
        values["dictionary"] = {"atoms_per_class": fewest}
        sentences.append(f"class {name} has only {fewest} training images: dictionary.atoms_per_class = {fewest}")
    else:
        together = min(atoms * len(class_names), 100, len(split["train"]))
        values["dictionary"] = {"scope": "all", "atoms_per_class": together}
        sentences.append(f'class {name} has only {fewest} training images: dictionary.scope = "all", {together} atoms')
    if n_score < groups:
        if n_score < 2:
            raise StudyError(f"data.split: wanted at least 2 images to score, got {n_score} of {len(labels)}")
        values["probe"] = {"groups": n_score}
        sentences.append(f"only {n_score} images to score: probe.groups = {n_score}")
    if min(n_score, len(split["fit"])) < _FEW_PROBE:
        sentences.append("few probe images: wide intervals, and concepts on fewer than 10 of a half are not measured")
    return Parts(values, tuple(sentences))


def _sizes(n_images: int, n_classes: int, n_train: int | None, *, is_trained: bool) -> dict[str, int | float]:
    if n_train is None:
        shares = (0.7, 0.1, 0.1, 0.1) if n_images >= _MANY else (0.5, 0.2, 0.2, 0.1)
        rest = n_images
    else:
        shares, rest = (1.0, 0.4, 0.4, 0.2), n_images - n_train
    sizes: dict[str, int | float] = dict(zip(("train", "fit", "score", "test"), shares, strict=True))
    capped = {part: _ENOUGH for part, share in sizes.items() if part != "train" and share * rest > _ENOUGH}
    sizes |= capped
    if capped and n_train is None:  # what the others leave
        sizes["train"] = n_images - sum(
            round(s * rest) if isinstance(s, float) else s for s in list(sizes.values())[1:]
        )
    most = n_classes * DictionarySettings().images_per_class
    share = sizes["train"]
    if not is_trained and (share * (n_train or n_images) if isinstance(share, float) else share) > most:
        sizes["train"] = most
    return sizes
