"""Images of any number of channels made visible on a screen."""

import numpy as np
from jaxtyping import Num


def visible(images: Num[np.ndarray, "*many channel height width"]) -> Num[np.ndarray, "*many shown height width"]:
    """Return images in grey or in colour: of four or more channels the first three, of two channels their mean.

    >>> [visible(np.zeros((channels, 8, 8))).shape[0] for channels in (1, 2, 3, 5)]
    [1, 1, 3, 3]
    """
    return images[..., :3, :, :] if images.shape[-3] >= 3 else images.mean(axis=-3, keepdims=True)


def is_coloured(images: Num[np.ndarray, "*many channel height width"]) -> bool:
    """Return whether the `visible` channels differ anywhere; NaN has no colour.

    >>> is_coloured(np.zeros((3, 8, 8))), is_coloured(np.arange(3.0)[:, None, None])
    (False, True)
    """
    shown = visible(images)
    return bool((np.nan_to_num(shown.max(axis=-3)) != np.nan_to_num(shown.min(axis=-3))).any())
