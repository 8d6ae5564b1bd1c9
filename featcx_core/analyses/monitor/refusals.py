"""Reasons why a study's inputs cannot be monitored as it wants, told before anything is made."""

from featcx_core.images.data import StudyImages
from featcx_core.networks.anatomy import Anatomy
from featcx_core.study.fields import Study, StudyError


def refuse_unusable_monitor(study: Study, anatomy: Anatomy, data: StudyImages) -> None:
    """Raise StudyError for fewer images than a reference of all classes needs, or a single output to attack."""
    n_classes = len(data.class_names)
    for half in ("fit", "score"):
        n_images = min(study.monitor.images, len(data.split[half]))
        if n_images <= n_classes:
            raise StudyError(
                f"monitor: wanted more images of data.split.{half} than the {n_classes} classes, got {n_images}; raise "
                f"monitor.images or data.split.{half}"
            )
    if anatomy.n_classes < 2:
        raise StudyError(f"monitor: wanted at least 2 outputs to attack, got {anatomy.n_classes}; leave it out")
