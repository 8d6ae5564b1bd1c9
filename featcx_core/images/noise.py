"""Noise in the pixels: the same for an image and a draw, on any device and in batches of any size."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from featcx_core.images.data import StudyImages, normalised
from featcx_core.images.decoding import read_ahead


def white_noise(
    images: Int[np.ndarray, "row"], draws: Int[np.ndarray, "row"], *, shape: tuple[int, ...], seed: int
) -> Float32[np.ndarray, "row ..."]:
    """Draw independent normal numbers of mean 0 and variance 1 for each pair of an image and a draw."""
    noise = np.empty((len(images), *shape), dtype=np.float32)
    for row, key in zip(noise, zip(images.tolist(), draws.tolist(), strict=True), strict=True):
        np.random.default_rng([seed, *key]).standard_normal(dtype=np.float32, out=row)
    return noise


def noisy_batches(
    data: StudyImages,
    indices: Int[np.ndarray, "image"],
    *,
    n_draws: int,
    sigmas: Sequence[float],
    seed: int,
    batch_size: int,
    device: torch.device,
) -> Iterator[Float[torch.Tensor, "batch channel height width"]]:
    """Yield images with noise N(0, σ²) added to their pixels in [0, 1], normalised: a batch for each σ in turn.

    Rows: all draws of the first image, then of the second. The sum is not clipped to [0, 1]: clipping would make the
    noise smaller on dark and bright pixels. All σ scale the same noise, so the batches differ in nothing else.
    """
    std = torch.from_numpy(data.std.copy()).to(device)[:, None, None]
    places = np.repeat(np.arange(len(indices)), n_draws)
    draws = np.tile(np.arange(n_draws), len(indices))
    parts = [slice(start, start + batch_size) for start in range(0, len(places), batch_size)]
    wanted = (np.unique(places[part]) for part in parts)
    for part, pixels in zip(parts, read_ahead(data.images, (indices[places] for places in wanted)), strict=True):
        clean = normalised(torch.from_numpy(pixels).to(device), data)[torch.from_numpy(places[part] - places[part][0])]
        noise = white_noise(indices[places[part]], draws[part], shape=data.image_shape, seed=seed)
        scaled = torch.from_numpy(noise).to(device).div_(std).contiguous(memory_format=torch.channels_last)
        for sigma in sigmas:
            yield torch.add(clean, scaled, alpha=sigma)
