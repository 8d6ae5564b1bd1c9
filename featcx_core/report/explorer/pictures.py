"""Pictures of the explorer: each probe image once, small, and heat maps as a few bytes that the browser enlarges."""

import base64
from io import BytesIO
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

from featcx_core.figures.canvas import visible

LONGEST = 160  # pixels: what a page of eight shows of an image
LARGEST_MAP = 16  # positions a side: finer than the eye needs of something this blurred
LOSSLESS = 64  # pixels: smaller images are enlarged with sharp edges, where artefacts would show


def thumbnail(image: UInt8[np.ndarray, "channel height width"]) -> bytes:
    """An image as a small WebP file: grey or colours."""
    pixels = visible(image).astype(np.uint8)
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    picture.thumbnail((LONGEST, LONGEST))
    buffer = BytesIO()
    picture.save(buffer, "webp", lossless=max(picture.size) <= LOSSLESS, quality=80, method=2)
    return buffer.getvalue()


class SmallMaps(NamedTuple):
    """Heat maps in a byte a place."""

    shares: UInt8[np.ndarray, "map small_height small_width"]
    """Share of the map's own highest place, 0 to 255."""
    highest: Float[np.ndarray, " map"]
    """Its highest place."""


def small_maps(maps: Float[np.ndarray, "map height width"]) -> SmallMaps:
    """Heat maps >= 0 in a byte a place; large ones are made smaller by means."""
    heat = torch.from_numpy(maps)
    size = (min(heat.shape[1], LARGEST_MAP), min(heat.shape[2], LARGEST_MAP))
    small = torch.nn.functional.adaptive_avg_pool2d(heat[:, None], size)[:, 0]
    highest = small.amax(dim=(1, 2), keepdim=True)
    shares = (255 * small / torch.where(highest > 0, highest, 1)).round().to(torch.uint8)
    return SmallMaps(shares.numpy(), highest[:, 0, 0].numpy())


def as_text(maps: SmallMaps) -> str:
    """One concept's maps, scaled by the highest place of all so that they compare, in base64.

    >>> as_text(SmallMaps(np.full((2, 1, 1), 200, dtype=np.uint8), np.array([1.0, 0.5])))
    'yGQ='
    """
    strength = maps.highest / max(float(maps.highest.max(initial=0)), 1e-30)
    scaled = (maps.shares * strength[:, None, None]).round().astype(np.uint8)
    return base64.b64encode(scaled.tobytes()).decode("ascii")
