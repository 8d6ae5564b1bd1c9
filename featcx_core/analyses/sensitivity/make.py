"""Sensitivity of an epoch's concepts to noise in the pixels."""

from collections.abc import Iterator
from itertools import cycle

import numpy as np
import pandas as pd
import torch

from featcx_core.analyses.codes.make import coded, encoders
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.analyses.jackknife import jackknife_cells
from featcx_core.artefacts.given import Given
from featcx_core.features.forward import Network, Tap, pooled
from featcx_core.images.data import StudyImages, dictionary_images
from featcx_core.images.noise import noisy_batches
from featcx_core.measures.sensitivity import Responses
from featcx_core.study.fields import Study

_SMALL = 64 * 64
"""Pixels of an image whose noisy copies cost little."""
_MOST, _LEAST = 200, 20
"""Images, where the study says "auto"."""


def sensitivity_rows(given: Given) -> pd.DataFrame:
    """Return how much noise in the pixels of some probe images, the first ones, moves every concept.

    Random directions are encoded by themselves, as their stored codes are, from the same forward passes.
    Raises CheckpointError for an unusable checkpoint.
    """
    study, settings = given.study, given.study.sensitivity
    codes, network = coded(given, epoch=given.epoch), given.network(epoch=given.epoch, device=given.tools.device)
    by_kind = encoders(study, read_dictionary(given, epoch=given.epoch), device=given.tools.device)
    sigmas = sorted(set(settings.sigmas))
    images = network.data.probe[: n_images(study, network.data)]
    responses = {
        sigma: Responses(
            n_draws=settings.draws,
            group=noisy_groups(network.data, len(images), groups=study.probe.groups),
            groups=study.probe.groups,
            n_bootstrap=study.analyses.bootstrap,
            seed=study.seed,
        )
        for sigma in sigmas
    }
    for sigma, acts in zip(cycle(sigmas), _noisy_acts(given, network, images, sigmas)):
        seen = torch.from_numpy(acts)
        responses[sigma].add(torch.cat([by_kind[kind](seen).codes for kind in codes["kind"].unique()], dim=1))
    parts = [_rows(codes, response).assign(sigma=sigma) for sigma, response in responses.items()]
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(epoch=given.epoch, n_images=len(images), n_draws=settings.draws)


def n_images(study: Study, data: StudyImages) -> int:
    """Return how many probe images are made noisy, at most: as stated, or what an epoch's other passes allow."""
    settings = study.sensitivity
    if settings.images != "auto":
        return settings.images
    _, height, width = data.image_shape
    if height * width <= _SMALL:
        return _MOST
    recorded = len(data.probe) + sum(map(len, dictionary_images(data, study)))
    return min(_MOST, max(_LEAST, recorded // (settings.draws * len(set(settings.sigmas)))))


def noisy_groups(data: StudyImages, n: int, *, groups: int) -> np.ndarray:
    """Return the jackknife's group of each of the first n probe images: either half is counted from its first image."""
    places = [np.arange(len(data.split[half])) for half in ("fit", "score")]
    return np.concatenate(places)[:n] % groups


def _rows(codes: pd.DataFrame, responses: Responses) -> pd.DataFrame:
    result = responses.result(torch.tensor(codes["variance"].to_numpy()))
    names = ("sensitivity", "low", "high")
    rows = {name: np.where(codes["alive"], getattr(result, name), np.nan) for name in names}
    rows["sensitivity_as_printed"] = np.asarray(result.as_printed)  # of a dead concept, too
    dead = ~codes["alive"].to_numpy(dtype=bool)
    rows["jackknife"] = jackknife_cells(np.asarray(result.jackknife), unknown=dead)
    return codes[["kind", "concept"]].assign(**rows)


def _noisy_acts(given: Given, network: Network, images: np.ndarray, sigmas: list[float]) -> Iterator[np.ndarray]:
    """Yield penultimate activations of noisy images, a batch a level, again and again."""
    n_draws, at_once = given.study.sensitivity.draws, network.data.at_once(given.tools.batch_size)
    row = next(row for row in given.anatomy.layers if row.role == "penultimate")
    batches = noisy_batches(
        network.data,
        images,
        n_draws=n_draws,
        sigmas=sigmas,
        seed=given.study.seed,
        batch_size=at_once,
        device=network.device,
    )
    n_batches = -(-len(images) * n_draws // at_once) * len(sigmas)
    taps, progress = [Tap(row.layer, pooled(row, given.study.activations.pooling))], given.tools.progress
    for (acts,) in network.over(batches, taps, n_batches=n_batches, desc="noisy images", progress=progress):
        yield acts
