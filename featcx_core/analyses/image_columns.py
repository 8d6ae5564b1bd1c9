"""Columns that name an image in a table, and their values."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from featcx_core.store.tables import count, text

if TYPE_CHECKING:
    from featcx_core.images.data import StudyImages

IMAGE = count("image", "Index of the image in the data.")
FILE = text("file", "Path of its file below the data's folder; empty where images are no files.")
LABEL = count("label", "Its class.")
CLASS_NAME = text("class_name", "Name of its class.")
IMAGE_COLUMNS = (IMAGE, FILE, LABEL, CLASS_NAME)
"""Columns of an image: its index, its file and its class."""


def named_images(data: "StudyImages", images: Sequence[int]) -> dict[str, Any]:
    """Return the values of `IMAGE_COLUMNS` for images by their index in the data."""
    labels = data.labels[list(images)].astype("int64")
    return {
        "image": pd.array(images, dtype="int64"),
        "file": [data.file_of(int(image)) for image in images],
        "label": labels,
        "class_name": [data.class_names[label] for label in labels],
    }
