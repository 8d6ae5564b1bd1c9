"""The measures and centrings of a study's similarities, as far as its probe images suffice for them."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from featcx_core.measures.cca import IMAGES_A_UNIT
from featcx_core.measures.similarity_measures import OF_CORRELATIONS, SWAPPED
from featcx_core.study.fields import SimilaritySettings, StudyError

LEAST_OF_CLASS = 4
"""Images of each class that unbiased CKA within classes needs."""


class Planned(NamedTuple):
    """The measures that are taken after one centring."""

    centring: str
    """`plain` or `within_classes`."""
    measures: tuple[str, ...]
    """Names; PWCCA in both directions."""


def planned(
    settings: SimilaritySettings, labels: Int[np.ndarray, "image"], *, widest: int, groups: int
) -> list[Planned]:
    """Return the centrings, each with its measures; what is chosen automatically is left out where images are few.

    Args:
        settings: of the study.
        labels: class of each image.
        widest: units of the widest layer.
        groups: of images that are left out in turn.

    Raises:
        StudyError: a measure or a centring is named for which there are too few images.

    >>> planned(SimilaritySettings(), np.arange(200) % 2, widest=50, groups=20)   # 200 images are 4 a unit
    [Planned(centring='plain', measures=('cka',)), Planned(centring='within_classes', measures=('cka',))]
    """
    plans = []
    for centring in ("plain", "within_classes"):
        if settings.centrings == "auto" and centring == "within_classes" and not _classes_suffice(labels, groups):
            continue
        if settings.centrings != "auto" and centring not in settings.centrings:
            continue
        if centring == "within_classes" and not _classes_suffice(labels, groups):
            raise StudyError(
                f"similarity.centrings: within_classes needs {LEAST_OF_CLASS} probe images of every class and group of "
                f'images left out, got {int(np.bincount(labels)[np.unique(labels)].min())} of a class; try "auto"'
            )
        n_classes = len(np.unique(labels)) if centring == "within_classes" else 1
        plans.append(Planned(centring, _measures(settings, len(labels), n_classes, widest=widest, groups=groups)))
    return plans


def _measures(
    settings: SimilaritySettings, n_images: int, n_classes: int, *, widest: int, groups: int
) -> tuple[str, ...]:
    free = n_images - n_classes + 1  # class means use up images
    left = free - math.ceil(n_images / groups)
    if settings.measures == "auto":
        return ("cka", "svcca") if left > widest and free >= IMAGES_A_UNIT * widest else ("cka",)
    for name in settings.measures:
        if name in OF_CORRELATIONS and left <= widest:
            raise StudyError(
                f"similarity.measures: {name} needs more probe images than units, got {left} images without a group"
                f"{' and class means' if n_classes > 1 else ''}, and {widest} units; raise data.split.fit and "
                'data.split.score, or state "auto" or ["cka"]'
            )
    both_ways = (part for name in settings.measures for part in (name, SWAPPED.get(name, name)))
    return tuple(dict.fromkeys(both_ways))


def _classes_suffice(labels: Int[np.ndarray, "image"], groups: int) -> bool:
    """Return whether every class keeps enough images without each group."""
    classes, counted = np.unique(labels, return_inverse=True)
    whole = np.bincount(counted, minlength=len(classes))
    left_out = (np.bincount(counted[group::groups], minlength=len(classes)) for group in range(groups))
    return all((whole - part).min() >= LEAST_OF_CLASS for part in left_out)
