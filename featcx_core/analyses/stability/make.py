"""Stability of an epoch's concepts: dictionaries of other seeds, their concepts' K and its correlations."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.codes.make import read_probe
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.analyses.dictionary_activations.make import class_positions
from featcx_core.artefacts.given import Given
from featcx_core.artefacts.partition import Partition
from featcx_core.features.by_group import GroupedSums
from featcx_core.features.class_sums import ClassSums
from featcx_core.features.dictionary import Dictionary, fit_class_dictionaries
from featcx_core.features.moments import Moments
from featcx_core.features.nnls import Encoder
from featcx_core.features.probe_reader import HALVES, IMAGES_AT_ONCE, ProbeReader
from featcx_core.features.quality import count_active, hoyer, is_alive
from featcx_core.features.samples import grouped
from featcx_core.measures.class_information import class_information
from featcx_core.measures.complexity import complexity
from featcx_core.measures.correlations import correlation
from featcx_core.measures.dictionary_stability import cross_fitted_r2, find_again, stability
from featcx_core.measures.importance import importance_streamed
from featcx_core.measures.intervals import draws_interval
from featcx_core.measures.redundancy import redundancy
from featcx_core.networks.models import sums_device
from featcx_core.progress import silent

_CONTROLS = (
    (),
    ("prevalence_fraction",),
    ("variance",),
    ("class_information",),
    ("prevalence_fraction", "variance"),
)
_METHODS: tuple[Literal["spearman", "pearson"], ...] = ("spearman", "pearson")


def stability_rows(given: Given) -> Iterator[tuple[Partition, dict[str, pd.DataFrame]]]:
    """Fit dictionaries from other seeds, score their concepts, and compare them with the epoch's own.

    Everything of an own concept is measured again in the same way, so that only the dictionary differs. Raises
    CheckpointError where positions are not kept and the checkpoint cannot be used.
    """
    (place,) = given.partitions
    own, settings = read_dictionary(given, epoch=given.epoch), given.study.stability
    others = _other_dictionaries(given, own)
    bar = (given.tools.progress or silent)([own.atoms, *others], desc=f"stability, epoch {given.epoch}")
    first, *scored = [_score(given, atoms) for atoms in bar]
    again = find_again(own.atoms, others, [frame["complexity"].to_numpy() for frame in scored])
    result = stability(first["complexity"].to_numpy(), again, least_cosine=settings.cosine)
    about = {"epoch": given.epoch, "n_seeds": settings.seeds}
    yield (
        place,
        {
            "stability": pd.DataFrame({**about, "concept": np.arange(len(own.atoms)), **result._asdict()}),
            "stability_correlations": pd.DataFrame(_correlations(first, scored)).assign(**about),
        },
    )


def _other_dictionaries(given: Given, own: Dictionary) -> list[Float[np.ndarray, "concept unit"]]:
    """Return the atoms of each other seed, fitted as the study's own; one reading of the samples serves all seeds."""
    n_classes, seed = len(own.relative_error), given.study.seed
    names = [-1] if given.study.dictionary.scope == "all" else list(range(n_classes))
    seeds = range(seed + 1, seed + 1 + given.study.stability.seeds)
    where, samples = sums_device(given.tools.device), class_positions(given, epoch=given.epoch, tools=given.tools)
    parts: dict[int, list[np.ndarray]] = {each: [] for each in seeds}
    n_fitted = 0
    for group in grouped(torch.from_numpy(rows).to(where) for rows in samples):
        classes = names[n_fitted : n_fitted + len(group)]
        n_fitted += len(group)
        for each, fitted in parts.items():
            n_atoms = len(own.atoms) // n_classes
            part = fit_class_dictionaries(group, classes=classes, n_atoms=n_atoms, method=own.method, seed=each)
            fitted.append(torch.as_tensor(part.atoms).cpu().numpy())
    return [np.concatenate(fitted) for fitted in parts.values()]


def _score(given: Given, atoms: Float[np.ndarray, "concept unit"]) -> pd.DataFrame:
    """Return complexity, importance and the other properties of every atom of a dictionary, null where it is dead."""
    stored = read_probe(given, epoch=given.epoch, kinds=("class_logit",))
    codes, n_fit = _encode(given, atoms), stored.n_fit
    probe = ProbeReader({"concept": codes}, {}, n_fit, ("concept",), given.study.seed)
    layers = given.anatomy.in_complexity
    sums = {layer: _sums(given, probe, layer) for layer in dict.fromkeys([*layers, given.anatomy.penultimate])}
    information = [cross_fitted_r2(*sums[layer], penalties=given.study.probe.penalties) for layer in layers]
    labels = given.data.labels[given.data.probe]
    of_class = ClassSums(n_classes=max(2, len(given.data.class_names)))
    of_class.add(codes, labels)
    is_told = 2 <= len(np.unique(labels)) < len(labels)
    statistics = probe.statistics()
    frame = pd.DataFrame(
        {
            "complexity": complexity(torch.stack(information)).cpu().numpy(),
            "importance": _importance(given, probe, stored, atoms),
            "hoyer": hoyer(atoms),
            "prevalence_fraction": statistics.prevalence_fraction,
            "variance": statistics.variance,
            "class_information": class_information(of_class) if is_told else math.nan,
            **_redundancy(given, *sums[given.anatomy.penultimate]),
        }
    )
    frame[~is_alive(count_active(codes[:n_fit]), count_active(codes[n_fit:]))] = math.nan
    return frame


def _encode(given: Given, atoms: Float[np.ndarray, "concept unit"]) -> Float[np.ndarray, "image concept"]:
    settings, where = given.study.dictionary, sums_device(given.tools.device)
    acts = given.arrays(ACTIVATIONS, epoch=given.epoch, layer=given.anatomy.penultimate)
    encode = Encoder(torch.from_numpy(atoms).to(where), l1=settings.l1, l2=settings.l2)
    codes = np.empty((acts.shape[0], len(atoms)), dtype=np.float32)
    for start in range(0, len(codes), IMAGES_AT_ONCE):
        x = torch.from_numpy(np.asarray(acts[start : start + IMAGES_AT_ONCE], dtype=np.float32)).to(where)
        codes[start : start + len(x)] = encode(x).codes.cpu().numpy()
    return codes


def _sums(given: Given, probe: ProbeReader, layer: str) -> tuple[GroupedSums[Moments], GroupedSums[Moments]]:
    """Return the sums of a layer and the codes over the fit half and over the score half."""
    beside = replace(probe, acts=given.arrays(ACTIVATIONS, epoch=given.epoch, layer=layer))
    where, halves = sums_device(given.tools.device), []
    for half in HALVES:
        sums = GroupedSums(Moments, groups=2)  # the fewest there are: nothing is left out
        for chunk in beside.chunks(half):
            sums.add(*beside.tensors(chunk, where))
        halves.append(sums)
    return halves[0], halves[1]


def _importance(
    given: Given, probe: ProbeReader, stored: ProbeReader, atoms: Float[np.ndarray, "concept unit"]
) -> Float[np.ndarray, "concept"]:
    head, _ = given.head(epoch=given.epoch)
    chunks = ((probe.codes_of(c), stored.codes_of(c).argmax(axis=1), c.groups(2)) for c in probe.chunks())
    return np.asarray(importance_streamed(chunks, atoms, head, groups=2).importance)


def _redundancy(given: Given, fit: GroupedSums[Moments], score: GroupedSums[Moments]) -> dict[str, np.ndarray]:
    settings, whole = given.study.redundancy, fit.whole.merge(score.whole).centred()
    return {
        f"redundancy {share}": redundancy(
            whole.xx, whole.xz, masked_fraction=share, n_masks=settings.masks, seed=given.study.seed
        )
        .redundancy.cpu()
        .numpy()
        for share in sorted({*settings.masked_fractions})
    }


def _correlations(own: pd.DataFrame, others: list[pd.DataFrame]) -> Iterator[dict[str, object]]:
    """Yield a row for K with each property, by method and controls: of the own dictionary, and over the others."""
    for column in own.columns.drop(["complexity", "prevalence_fraction", "variance", "class_information"]):
        y, _, level = column.partition(" ")
        for method in _METHODS:
            for controls in _CONTROLS:
                value, *of_others = (_correlation(frame, column, method, controls) for frame in (own, *others))
                known = np.array(of_others)
                low, high = draws_interval(value, known, within=(-1.0, 1.0))
                some = known[~np.isnan(known)]
                yield {
                    "x": "complexity",
                    "y": y,
                    "level": float(level) if level else math.nan,
                    "method": method,
                    "controls": ",".join(controls),
                    "value": value,
                    "mean_dictionaries": some.mean() if len(some) else math.nan,
                    "spread_dictionaries": some.std(ddof=1) if len(some) > 1 else math.nan,
                    "low_dictionaries": low,
                    "high_dictionaries": high,
                }


def _correlation(
    frame: pd.DataFrame, y: str, method: Literal["spearman", "pearson"], controls: tuple[str, ...]
) -> float:
    held = frame[list(controls)].to_numpy() if controls else None
    x, of_y = frame["complexity"].to_numpy(), frame[y].to_numpy()
    return correlation(x, of_y, method=method, controls=held, n_bootstrap=1, seed=0).value  # no interval over concepts
