"""Rows of single images: the predicted logit's parts, and the concepts that bring most of it."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float

from featcx_core.analyses.image_columns import named_images
from featcx_core.images.data import StudyImages

if TYPE_CHECKING:
    from featcx_core.analyses.concept_effects.make import Effects

N_CONCEPTS = 12
"""Concepts of an image, at most."""


def image_rows(
    data: StudyImages,
    codes: Float[np.ndarray, "image concept"],
    logits: Float[np.ndarray, "image output"],
    *,
    effects: "Effects",
    start: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of `image_logits` and of `image_concepts` for consecutive probe images from `start` on."""
    images, predicted = data.probe[start : start + len(codes)], logits.argmax(axis=1)
    contributions = codes.astype(np.float64) * effects.weights.T[predicted]
    logit, bias = logits[np.arange(len(logits)), predicted].astype(np.float64), effects.bias[predicted].astype(float)
    by_concepts, named = contributions.sum(axis=1), named_images(data, images.tolist())
    is_right = None if effects.class_of is None else effects.class_of[predicted] == named["label"]
    of_logits = pd.DataFrame(
        {
            **named,
            "predicted": predicted,
            "predicted_name": [effects.names[output] for output in predicted],
            "is_right": pd.array([None] * len(codes) if is_right is None else is_right, dtype="boolean"),
            "n_active": (codes > 0).sum(axis=1),
            "logit": logit,
            "by_concepts": by_concepts,
            "by_rest": logit - bias - by_concepts,
            "bias": bias,
        }
    )
    order = np.argsort(-np.abs(contributions), axis=1, kind="stable")[:, :N_CONCEPTS]
    rows, concepts = np.repeat(np.arange(len(codes)), order.shape[1]), order.ravel()
    is_active = codes[rows, concepts] != 0
    rows, concepts = rows[is_active], concepts[is_active]
    of_concepts = pd.DataFrame(
        {
            "image": images[rows],
            "concept": concepts,
            "code": codes[rows, concepts].astype(np.float64),
            "contribution": contributions[rows, concepts],
        }
    )
    return of_logits, of_concepts
