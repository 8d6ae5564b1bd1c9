"""Spectra of noisy and of attacked copies of an epoch's images, in every layer, in one pass over the copies."""

from collections.abc import Iterator, Sequence
from itertools import chain, cycle
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int64

from featcx_core.artefacts.given import Given
from featcx_core.features.attacks import ddn, fgsm, pgd, same_norm
from featcx_core.features.forward import Network, Tap, by_position
from featcx_core.features.pixel_gradients import Pixels, in_pixels
from featcx_core.images.data import StudyImages
from featcx_core.images.noise import noisy_batches, white_noise
from featcx_core.measures.spectra import GroupSpectra
from featcx_core.networks.anatomy import Layer
from featcx_core.study.generalising import SpectraSettings

SPLITS = ("train", "test")
_DDN_STEPS = 50


class Copies(NamedTuple):
    """Copies of some images, attacked or noisy."""

    noise: str
    """Name of the attack, or of the noise of its norm."""
    pixels: Pixels
    """All copies of the first image, then of the second."""
    norm: np.ndarray
    """(image,): L2 norm of the change, mean over the copies."""


def noise_group_rows(given: Given) -> pd.DataFrame:
    """Return the spectrum of every group in every layer at an epoch.

    Raises CheckpointError for an unusable checkpoint, ValueError for an attack on a network without gradients.
    """
    network = given.network(epoch=given.epoch, device=given.tools.device)
    settings, parts = given.study.spectra, []
    for split in SPLITS:
        rows = first_of_each_class(network.data, split, n=settings.images_per_class)
        parts += [part.assign(split=split) for part in _noisy(given, network, rows)]
        parts += [part.assign(split=split) for part in _attacked(given, network, rows)]
    return pd.concat(parts, ignore_index=True).assign(epoch=given.epoch, n_copies=settings.copies)


def first_of_each_class(data: StudyImages, split: str, *, n: int) -> Int64[np.ndarray, "image"]:
    """Return the first n images of each class in a split, by their indices; fewer where it has fewer."""
    rows = data.split[split]
    labels = data.labels[rows]
    return np.concatenate([rows[labels == class_id][:n] for class_id in range(len(data.class_names))])


def layer_taps(layers: Sequence[Layer]) -> list[Tap]:
    """Return a tap of each layer's whole output, units and positions in one row an image."""

    def whole(row: Layer) -> Tap:
        reduce = by_position(row)
        return Tap(row.layer, lambda output: reduce(output).flatten(1))

    return [whole(row) for row in layers]


def _noisy(given: Given, network: Network, rows: Int64[np.ndarray, "image"]) -> Iterator[pd.DataFrame]:
    """Yield the rows of Gaussian noise of every scale, layer by layer."""
    settings, layers, data = given.study.spectra, given.anatomy.layers, network.data
    sigmas, at_once = sorted(set(settings.sigmas)), data.at_once(given.tools.batch_size)
    streams = {(row.layer, sigma): _stream(settings) for row in layers for sigma in sigmas}
    noisy = noisy_batches(
        data,
        rows,
        n_draws=settings.copies,
        sigmas=sigmas,
        seed=given.study.seed,
        batch_size=at_once,
        device=network.device,
    )
    n_batches = -(-len(rows) * settings.copies // at_once) * len(sigmas)
    taken = network.over(noisy, layer_taps(layers), n_batches=n_batches, desc="noisy groups",
                         progress=given.tools.progress)  # fmt: skip
    for sigma, acts in zip(cycle(sigmas), taken):
        for row, part in zip(layers, acts, strict=True):
            streams[row.layer, sigma].add(part)
    norms = _noise_norms(data, rows, settings.copies, seed=given.study.seed)
    for (layer, sigma), stream in streams.items():
        yield _rows(data, rows, stream, layer=layer, noise="gaussian", sigma=sigma).assign(norm=sigma * norms)


def _attacked(given: Given, network: Network, rows: Int64[np.ndarray, "image"]) -> Iterator[pd.DataFrame]:
    """Yield the rows of every attack and of Gaussian noise of its norm, layer by layer."""
    settings, layers, data = given.study.spectra, given.anatomy.layers, network.data
    attacks = (attacked(given, network, rows, attack) for attack in dict.fromkeys(settings.attacks))
    for copies in chain.from_iterable(attacks):
        streams = {row.layer: _stream(settings) for row in layers}
        at_once = data.at_once(given.tools.batch_size)
        mean, std = (torch.from_numpy(part.copy()).to(network.device)[:, None, None] for part in (data.mean, data.std))
        batched = ((part - mean) / std for part in torch.split(copies.pixels, at_once))
        taken = network.over(
            batched, layer_taps(layers), n_batches=-(-len(copies.pixels) // at_once), desc=copies.noise
        )
        for acts in taken:
            for row, part in zip(layers, acts, strict=True):
                streams[row.layer].add(part)
        for layer, stream in streams.items():
            yield _rows(data, rows, stream, layer=layer, noise=copies.noise, sigma=0.0).assign(norm=copies.norm)


def attacked(given: Given, network: Network, rows: Int64[np.ndarray, "image"], attack: str) -> Iterator[Copies]:
    """Yield the copies that an attack makes of some images, and noisy copies of the same norm.

    `pgd` starts at random in its ball; `fgsm` and `ddn` start from the image with the weakest noise. The class attacked
    is the one predicted for the image itself.
    """
    settings, seed = given.study.spectra, given.study.seed
    logits = in_pixels(network.model, mean=network.data.mean, std=network.data.std)
    pixels = torch.from_numpy(network.data.images[rows] / np.float32(255)).to(network.device)
    with torch.no_grad():
        predicted = logits(pixels).argmax(1)
    n = settings.copies
    keys, draws = np.repeat(rows, n), np.tile(np.arange(n), len(rows))
    clean, labels = pixels.repeat_interleave(n, 0), predicted.repeat_interleave(n)
    if attack == "pgd":
        moved = pgd(logits, clean, labels, epsilon=settings.epsilon, rows=keys, draws=draws, seed=seed).images
    else:
        noise = torch.from_numpy(white_noise(keys, draws, shape=tuple(pixels.shape[1:]), seed=seed)).to(pixels)
        start = (clean + min(settings.sigmas) * noise).clamp(0, 1)
        found = fgsm(logits, start, labels, epsilon=settings.epsilon) if attack == "fgsm" else ddn(
            logits, start, labels, n_steps=_DDN_STEPS)  # fmt: skip
        moved = found.images
    norm = (moved - clean).flatten(1).norm(dim=1).reshape(len(rows), n).mean(1)
    yield Copies(attack, moved, norm.cpu().numpy().astype(np.float64))
    like = same_norm(pixels, norm, rows, n_copies=n, seed=seed).flatten(0, 1)
    yield Copies(f"like_{attack}", like, norm.cpu().numpy().astype(np.float64))


def _stream(settings: SpectraSettings) -> GroupSpectra:
    return GroupSpectra(n_copies=settings.copies, centred=settings.centred)


def _noise_norms(data: StudyImages, rows: Int64[np.ndarray, "image"], n: int, *, seed: int) -> np.ndarray:
    """Return the mean L2 norm over an image's copies of noise with σ = 1."""
    keys, draws = np.repeat(rows, n), np.tile(np.arange(n), len(rows))
    noise = white_noise(keys, draws, shape=data.image_shape, seed=seed).reshape(len(rows), n, -1)
    norms: np.ndarray = np.linalg.norm(noise.astype(np.float64), axis=2).mean(axis=1)
    return norms


def _rows(
    data: StudyImages, rows: Int64[np.ndarray, "image"], stream: GroupSpectra, *, layer: str, noise: str, sigma: float
) -> pd.DataFrame:
    about = {"layer": layer, "noise": noise, "sigma": sigma, "image": rows, "class_id": data.labels[rows]}
    return pd.DataFrame({**about, **stream.result()._asdict()})
