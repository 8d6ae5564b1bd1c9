"""Pictures of the explorer: small probe images, and heat maps as a few bytes that the browser enlarges."""

import base64
from io import BytesIO
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

from featcx_core.images.visible import visible

LONGEST = 160  # pixels: the longest side on a page of eight images
LARGEST_MAP = 16  # positions a side: finer than the eye needs of something this blurred
LOSSLESS = 64  # pixels: smaller images are enlarged with sharp edges, where artefacts would show


def thumbnail(image: UInt8[np.ndarray, "channel height width"]) -> bytes:
    """Return an image as a small WebP file, in grey or in colour."""
    pixels = visible(image).astype(np.uint8)
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    picture.thumbnail((LONGEST, LONGEST))
    buffer = BytesIO()
    picture.save(buffer, "webp", lossless=max(picture.size) <= LOSSLESS, quality=80, method=2)
    return buffer.getvalue()


class SmallMaps(NamedTuple):
    """Heat maps with one byte per place."""

    shares: UInt8[np.ndarray, "map small_height small_width"]
    """Share of the map's own highest value, 0 to 255."""
    highest: Float[np.ndarray, " map"]
    """The map's highest value."""


def small_maps(maps: Float[np.ndarray, "map height width"]) -> SmallMaps:
    """Return heat maps >= 0 with one byte per place; large maps are averaged to a smaller size."""
    heat = torch.from_numpy(maps)
    size = (min(heat.shape[1], LARGEST_MAP), min(heat.shape[2], LARGEST_MAP))
    small = torch.nn.functional.adaptive_avg_pool2d(heat[:, None], size)[:, 0]
    highest = small.amax(dim=(1, 2), keepdim=True)
    shares = (255 * small / torch.where(highest > 0, highest, 1)).round().to(torch.uint8)
    return SmallMaps(shares.numpy(), highest[:, 0, 0].numpy())


def as_text(maps: SmallMaps) -> str:
    """Return one concept's maps in base64, scaled by the highest value of all, so that they compare.

    >>> as_text(SmallMaps(np.full((2, 1, 1), 200, dtype=np.uint8), np.array([1.0, 0.5])))
    'yGQ='
    """
    strength = maps.highest / max(float(maps.highest.max(initial=0)), 1e-30)
    scaled = (maps.shares * strength[:, None, None]).round().astype(np.uint8)
    return base64.b64encode(scaled.tobytes()).decode("ascii")
