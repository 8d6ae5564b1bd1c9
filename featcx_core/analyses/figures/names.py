"""Names of concepts, by the classes of their strongest images."""

import numpy as np
from jaxtyping import Int

from featcx_core.findings.shown import shows
from featcx_core.images.data import StudyImages


def shown_names(data: StudyImages, images: Int[np.ndarray, "concept rank"]) -> list[str]:
    """Return a name for each concept; with one class for all images, a name that says nothing of it.

    images: rows of the probe images, strongest first, -1 for none.
    """
    if len(data.class_names) < 2:
        return ["no classes"] * len(images)
    labels = data.labels[data.probe]
    return [shows([data.class_names[label] for label in labels[rows[rows >= 0]]]) for rows in images]
