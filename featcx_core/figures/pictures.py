"""Pictures made by optimisation to excite a concept, each beside the image on which the concept is strongest."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from featcx_core.figures.canvas import INK, canvas, footnote, nothing_to_show
from featcx_core.images.visible import visible

QUESTION = "Which pictures, made by optimisation, excite each concept, from simple to complex?"
COLUMNS = 4


def concept_pictures(
    pictures: Float[np.ndarray, "concept channel height width"],
    images: Float[np.ndarray, "concept channel height width"],
    *,
    labels: Sequence[str],
) -> Figure:
    """Draw pairs of a picture and an image with a label above, row by row; pixels are clipped to [0, 1].

    Raises: ValueError when there is not one image and one label a picture.
    """
    if len(pictures) != len(images) or len(labels) != len(pictures):
        raise ValueError(
            f"wanted an image and a label for each picture, got {len(pictures)}, {len(images)} and {len(labels)}; "
            "try the same concepts for all three"
        )
    if not len(pictures):
        return nothing_to_show(QUESTION, "no concept has a complexity")
    n_rows = -(-len(pictures) // COLUMNS)
    aspect = pictures.shape[2] / (2.1 * pictures.shape[3])
    figure = canvas(QUESTION, height=0.9 + n_rows * (2.1 * aspect + 0.55))
    panels = figure.subplots(n_rows, COLUMNS, squeeze=False).ravel()
    gap = np.ones((pictures.shape[2], max(1, pictures.shape[3] // 12), 3))
    for axes, label, *pair in zip(panels, labels, pictures, images, strict=False):
        left, right = (
            np.broadcast_to(visible(pixels).clip(0, 1).transpose(1, 2, 0), (*pixels.shape[1:], 3)) for pixels in pair
        )
        axes.imshow(np.concatenate([left, gap, right], axis=1), interpolation="nearest")
        axes.set_title(label, fontsize=8.5, loc="left", color=INK)
    for axes in panels:
        axes.set_axis_off()
    footnote(
        figure,
        "Left of each pair: a picture whose phases were optimised for the concept, with the mean magnitude spectrum of "
        "the training images (MACO). Right: the probe image with the strongest code. a: activation along the concept, "
        "of the picture / the highest of any probe image. The colour "
        "of few images hardly appears: mean colour and magnitudes are those of all.",
    )
    return figure
