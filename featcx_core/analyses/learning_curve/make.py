"""Learning curve of the reference epoch's dictionary: predictions kept by images and atoms, measured and foretold."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32, Int64

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.analyses.dictionary_activations.make import class_positions, images_by_dictionary
from featcx_core.artefacts.given import Given
from featcx_core.features.dictionary import Dictionary, fit_class_dictionaries
from featcx_core.features.dictionary_size import predictions_kept
from featcx_core.features.samples import grouped
from featcx_core.measures.intervals import share_interval
from featcx_core.measures.learning_curve import forecast
from featcx_core.networks.models import sums_device
from featcx_core.progress import silent

_SHARES = (0.25, 0.5, 1.0)
"""Of the images of each class, and of the atoms."""
_SCORED = 1000
"""Probe images that are encoded, at most."""


def curve_rows(given: Given) -> pd.DataFrame:
    """Return the share of predictions kept by dictionaries of fewer images and atoms, and what more would keep."""
    acts = given.arrays(ACTIVATIONS, epoch=given.epoch, layer=given.anatomy.penultimate)
    scored = np.asarray(acts[:: -(-acts.shape[0] // _SCORED)], dtype=np.float32)
    rows = pd.DataFrame(_measured(given, scored)).drop_duplicates(["n_images", "n_atoms"], ignore_index=True)
    foretold = pd.DataFrame(_foretold(rows))
    frame = pd.concat([part for part in (rows, foretold) if len(part)], ignore_index=True)
    return frame.assign(epoch=given.epoch, n_scored=len(scored))


def _measured(given: Given, scored: Float32[np.ndarray, "image unit"]) -> Iterator[dict[str, Any]]:
    """Yield a row for each share of the images and of the atoms; the last is the study's own dictionary."""
    dictionary, head = read_dictionary(given, epoch=given.epoch), given.head(epoch=given.epoch)
    counts, settings, where = images_by_dictionary(given), given.study.dictionary, sums_device(given.tools.device)
    for (share, n_atoms), atoms in _fitted(given, dictionary, counts).items():
        kept = predictions_kept(scored, atoms, *head, l1=settings.l1, l2=settings.l2, device=where)
        low, high = share_interval(round(kept * len(scored)), len(scored))
        values = {"predictions_kept_fraction": kept, "low": low, "high": high}
        n_images = sum(len(_chosen(count, share)) for count in counts)
        yield {"n_images": n_images, "n_atoms": n_atoms, "is_measured": True, **values}


def _fitted(
    given: Given, dictionary: Dictionary, counts: list[int]
) -> dict[tuple[float, int], Float32[np.ndarray, "concept unit"]]:
    """Return the atoms by share of the images and number of atoms a class; one reading of the samples serves all."""
    where, most = sums_device(given.tools.device), len(dictionary.atoms) // len(counts)
    names = [-1] if given.study.dictionary.scope == "all" else list(range(len(counts)))
    parts: dict[tuple[float, int], list[np.ndarray]] = {}
    for share in _SHARES:
        fewest = min(len(_chosen(count, share)) for count in counts) * _positions(given)
        for part in _SHARES:
            parts.setdefault((share, max(1, min(round(part * most), fewest))), [])
    n_fitted = 0
    for group in grouped(class_positions(given, epoch=given.epoch, tools=given.tools)):
        classes = names[n_fitted : n_fitted + len(group)]
        n_fitted += len(group)
        for (share, n_atoms), fitted in (given.tools.progress or silent)(list(parts.items()), desc="learning curve"):
            if share == 1 and n_atoms == most:
                continue  # the study's own
            some = [torch.from_numpy(_some(given, rows, share)).to(where) for rows in group]
            settings: Any = {"n_atoms": n_atoms, "method": dictionary.method, "seed": given.study.seed}
            atoms = fit_class_dictionaries(some, classes=classes, **settings).atoms
            fitted.append(torch.as_tensor(atoms).cpu().numpy())
    return {key: np.concatenate(fitted) if fitted else dictionary.atoms for key, fitted in parts.items()}


def _some(given: Given, rows: Float32[np.ndarray, "_ unit"], share: float) -> Float32[np.ndarray, "_ unit"]:
    """Return the samples of a share of a class's images, evenly chosen: of all classes where they are joined."""
    images = rows.reshape(-1, _positions(given), rows.shape[1])
    return np.ascontiguousarray(images[_chosen(len(images), share)].reshape(-1, rows.shape[1]))


def _chosen(n_images: int, share: float) -> Int64[np.ndarray, "image"]:
    """Return the images of a share of them, evenly spread; at least one."""
    chosen: np.ndarray = np.linspace(0, n_images - 1, max(1, round(share * n_images))).round().astype(np.int64)
    return chosen


def _positions(given: Given) -> int:
    return next(row.n_samples for row in given.anatomy.layers if row.role == "penultimate")


def _foretold(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield what twice and four times the images would keep with each number of atoms, and twice the atoms with all."""
    most_images, most_atoms = int(rows["n_images"].max()), int(rows["n_atoms"].max())
    for n_atoms, same in rows.groupby("n_atoms"):
        foretold = forecast(*_points(same, "n_images"))
        if not math.isnan(foretold.twice):
            for times, kept in ((2, foretold.twice), (4, foretold.four_times)):
                yield _row(times * int(same["n_images"].max()), int(str(n_atoms)), kept)
    foretold = forecast(*_points(rows[rows["n_images"] == most_images], "n_atoms"))
    if not math.isnan(foretold.twice):
        yield _row(most_images, 2 * most_atoms, foretold.twice)


def _points(rows: pd.DataFrame, size: str) -> tuple[np.ndarray, np.ndarray]:
    ordered = rows.sort_values(size)
    return ordered[size].to_numpy(dtype=float), ordered["predictions_kept_fraction"].to_numpy(dtype=float)


def _row(n_images: int, n_atoms: int, kept: float) -> dict[str, Any]:
    about = {"n_images": n_images, "n_atoms": n_atoms, "is_measured": False}
    return {**about, "predictions_kept_fraction": kept, "low": math.nan, "high": math.nan}
