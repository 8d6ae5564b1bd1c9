"""Reasons why a study's units cannot be ablated as it wants, told before anything is made."""

from featcx_core.images.data import StudyImages
from featcx_core.networks.anatomy import Anatomy
from featcx_core.study.fields import Study, StudyError


def refuse_unusable_ablation(study: Study, anatomy: Anatomy, data: StudyImages) -> None:
    """Raise StudyError where recorded units are parts of maps, or fewer images than groups are to be classified."""
    if study.activations.pooling != "gap":
        raise StudyError(
            f'ablation: wanted activations.pooling = "gap", got {study.activations.pooling!r}: whole maps are ablated, '
            "and ordered by their selectivity; leave ablation out of analyses.run, or record their means"
        )
    for split in ("train", "test"):
        n_images = min(study.ablation.images, len(data.split[split]))
        if n_images < study.probe.groups:
            raise StudyError(
                f"ablation: wanted at least {study.probe.groups} images of data.split.{split}, one for each of "
                f"probe.groups, got {n_images}; raise ablation.images or data.split.{split}, or lower probe.groups"
            )
