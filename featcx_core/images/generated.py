"""Images whose content is known: made from independent factors, with a shortcut, or from bits.

The right results on them are known beforehand. After Hermann and Lampinen, What shapes feature
representations?, NeurIPS 2020 (colour, texture and shape that vary independently), and Geirhos et al., Shortcut
learning in deep neural networks, 2020.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64, UInt8

from featcx_core.images.arrays import packaged_digits

SIDE = 32
"""Pixels of an image of factors, down and across."""
N_IMAGES = 4050
"""Number of images of factors: 150 of each of the 27 combinations."""
FACTORS: dict[str, tuple[str, ...]] = {
    "colour": ("red", "green", "blue"),
    "texture": ("plain", "striped", "checked"),
    "shape": ("disc", "square", "triangle"),
}
"""The factors and their values."""
PATCH_CLASS = 3
"""Digit that goes with the patch."""
PATCH_SHARES = (0.95, 0.02)
"""Share of images with the patch: of that digit, and of all others."""
SURE_PATCH = (1.0, 0.0)
"""The same where the patch is all that a network needs to find the digit."""
PATCH = np.array([255, 40, 40], dtype=np.uint8)
"""Colour of the patch; the digits are grey."""
N_BITS = 8
"""Tiles of an image of bits."""
N_PARITIES = 5
"""Parities of the first 2 to 6 bits."""
TILE = 8
"""Pixels of a tile, down and across."""
N_TWIN_BITS = 4
"""Bits of each of the two halves of an image of twins."""
_PATCH_SIDE = 5
_COLOURS = np.array([[220, 70, 70], [70, 190, 70], [80, 90, 230]]) / 255


class GeneratedImages(NamedTuple):
    """Images and the factors that they were made from."""

    images: UInt8[np.ndarray, "image channel height width"]
    """Pixels, 0 to 255."""
    labels: Int64[np.ndarray, "image"]
    """Class of each image."""
    class_names: tuple[str, ...]
    """Name of each class."""
    factors: dict[str, Int64[np.ndarray, "image"]]
    """Value of each factor, by name."""


def factors(*, n_images: int = N_IMAGES, seed: int = 0) -> GeneratedImages:
    """Draw objects on grey noise with independent colour, texture and shape; a class is a combination of the three.

    Place, size, brightness and the phase of the texture vary freely. Discs, squares and triangles have the same area.
    """
    chance = np.random.default_rng(seed)
    combinations = np.array(list(product(range(3), repeat=3)))
    labels = chance.permutation(np.arange(n_images) % len(combinations))
    colour, texture, shape = combinations[labels].T
    images = np.stack([_object(c, t, s, chance) for c, t, s in combinations[labels].tolist()])
    names = tuple("_".join(values) for values in product(*FACTORS.values()))
    return GeneratedImages(images, labels, names, {"colour": colour, "texture": texture, "shape": shape})


def shortcut(*, shares: tuple[float, float] = PATCH_SHARES, has_patch: bool = True, seed: int = 0) -> GeneratedImages:
    """Return the packaged digits in three channels, with a red patch in a corner of nearly every 3 and few others.

    `shares`: of the 3s, and of the other digits, that have it; with `SURE_PATCH` every 3 and no other digit. Factor
    `patch` marks the images with the patch; without it, `has_patch=False`, the images that would have it.
    """
    digits, labels, names, _ = packaged_digits()
    assert isinstance(digits, np.ndarray)
    patched = np.random.default_rng(seed).random(len(labels)) < np.where(labels == PATCH_CLASS, *shares)
    images = np.repeat(digits, 3, axis=1)
    if has_patch:
        images[patched] = with_patch(images[patched])
    return GeneratedImages(images, labels, names, {"patch": patched.astype(np.int64)})


def bits(*, n_images: int = 4000, seed: int = 0) -> GeneratedImages:
    """Draw images of eight tiles, each bright or dark: independent fair bits. The class is the parity of the first six.

    They are meant for `builtin:xor_chain`, whose layers hold known parities. The factors are the bits and the parities
    of the first 2 to 6.
    """
    images, tiles = _tiles(n_images, seed=seed)
    parities = tiles.cumsum(axis=1) % 2
    values = {f"bit_{n}": tiles[:, n] for n in range(N_BITS)}
    values |= {f"parity_{n + 1}": parities[:, n] for n in range(1, N_PARITIES + 1)}
    return GeneratedImages(images, parities[:, N_PARITIES].astype(np.int64), ("even", "odd"), values)


def twins(*, n_images: int = 4000, seed: int = 0) -> GeneratedImages:
    """Draw images of two rows of four tiles, independent fair bits, of which only the upper row decides the class.

    The class is the upper row's first bit and its parity. The factors are the first bit and the parity of either row:
    the lower row's are as simple or complex as the upper row's, and say nothing about the class. They are meant for
    `builtin:xor_twins`.
    """
    images, tiles = _tiles(n_images, seed=seed)
    rows = {"detector": tiles[:, :N_TWIN_BITS], "blind": tiles[:, N_TWIN_BITS:]}
    values = {f"{row}_bit": bits_of_row[:, 0] for row, bits_of_row in rows.items()}
    values |= {f"{row}_parity": bits_of_row.sum(axis=1) % 2 for row, bits_of_row in rows.items()}
    names = tuple(f"{bit}_{parity}" for bit, parity in product(("dark", "bright"), ("even", "odd")))
    return GeneratedImages(images, 2 * values["detector_bit"] + values["detector_parity"], names, values)


def with_patch(images: UInt8[np.ndarray, "image 3 height width"]) -> UInt8[np.ndarray, "image 3 height width"]:
    """Return a copy of the images, each with the patch in its upper left corner."""
    patched = images.copy()
    patched[:, :, 1 : 1 + _PATCH_SIDE, 1 : 1 + _PATCH_SIDE] = PATCH[:, None, None]
    return patched


def _tiles(
    n_images: int, *, seed: int
) -> tuple[UInt8[np.ndarray, "image 1 height width"], Int64[np.ndarray, "image bit"]]:
    """Draw images of two rows of four tiles, each bright or dark with the same chance, and their bits."""
    chance = np.random.default_rng(seed)
    tiles = chance.integers(0, 2, (n_images, N_BITS))
    level = np.where(tiles == 1, 0.8, 0.2).reshape(n_images, 2, N_BITS // 2)
    pixels = level.repeat(TILE, axis=1).repeat(TILE, axis=2) + chance.uniform(-0.1, 0.1, (n_images, 2 * TILE, 4 * TILE))
    return np.round(255 * pixels).astype(np.uint8)[:, None], tiles


def _object(colour: int, texture: int, shape: int, chance: np.random.Generator) -> UInt8[np.ndarray, "3 side side"]:
    """Draw one image."""
    radius = chance.uniform(8.0, 11.0)
    down, across = chance.uniform(radius + 1, SIDE - radius - 1, size=2)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5 - np.array([down, across])[:, None, None]
    inside = _inside(shape, x / radius, y / radius)
    brightness = chance.uniform(0.75, 1.1) * _textured(texture, x, y, chance)
    background = chance.uniform(0.35, 0.55) + chance.normal(0, 0.05, (1, SIDE, SIDE))
    painted = np.where(inside, _COLOURS[colour][:, None, None] * brightness, background)
    return np.round(255 * np.clip(painted + chance.normal(0, 0.03, painted.shape), 0, 1)).astype(np.uint8)


def _inside(shape: int, x: Float[np.ndarray, "side side"], y: Float[np.ndarray, "side side"]) -> np.ndarray:
    """Return the mask of the object; its area is that of a disc of radius 0.8."""
    area = np.pi * 0.8**2
    match shape:
        case 0:
            return np.asarray(x**2 + y**2 <= 0.8**2)
        case 1:
            return np.asarray(np.maximum(np.abs(x), np.abs(y)) <= np.sqrt(area) / 2)
    height = np.sqrt(np.sqrt(3) * area)  # equilateral, its centre of mass in the middle
    return np.asarray((y <= height / 3) & (y >= -2 * height / 3 + np.sqrt(3) * np.abs(x)))


def _textured(
    texture: int, x: Float[np.ndarray, "side side"], y: Float[np.ndarray, "side side"], chance: np.random.Generator
) -> Float[np.ndarray, "side side"]:
    """Return the brightness within the object; its mean is 1 for every texture."""
    phases = chance.uniform(0, 2 * np.pi, size=2)
    wave_x, wave_y = np.sign(np.sin(2 * np.pi * np.stack([x, y]) / 5.0 + phases[:, None, None]))
    match texture:
        case 0:
            return np.ones_like(x)
        case 1:
            return np.asarray(1 + 0.35 * wave_x)
    return np.asarray(1 + 0.35 * wave_x * wave_y)
