"""Effects of single concepts of an epoch: on logits, on predictions, and on single images."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int64

from featcx_core.analyses.codes.make import read_probe
from featcx_core.analyses.concept_effects.images import image_rows
from featcx_core.analyses.concept_effects.ranges import example_rows, histogram_rows
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.analyses.image_columns import named_images
from featcx_core.artefacts.given import Given, StudyReader
from featcx_core.artefacts.partition import Partition
from featcx_core.features.code_range import ActiveCodes, active_codes
from featcx_core.findings.shown import shows
from featcx_core.images.outputs import class_outputs, output_names
from featcx_core.measures.flips import Flips, flips
from featcx_core.measures.intervals import share_interval

N_OUTPUTS = 5
"""Outputs that a concept raises most, and that it lowers most."""
N_FLIPS = 8
"""Images that flip without a concept, at most."""
_N_NAMING = 8


class Effects(NamedTuple):
    """Effects of a dictionary's codes on the logits, and the meaning of the outputs."""

    weights: Float[np.ndarray, "concept output"]
    """What a code of 1 adds to each logit, v = D W."""
    bias: Float[np.ndarray, "output"]
    """The head's bias."""
    names: tuple[str, ...]
    """Name of each output."""
    class_of: Int64[np.ndarray, "output"] | None
    """Class that each output stands for, -1 for none; None where no output is a class."""


def read_effects(reader: StudyReader, *, epoch: int) -> Effects:
    """Return what the concepts of an epoch do to the outputs. Raises CheckpointError for an unusable checkpoint."""
    weight, bias = reader.head(epoch=epoch)
    atoms, data, model = read_dictionary(reader, epoch=epoch).atoms, reader.data, reader.study.model
    outputs, class_of = class_outputs(model, data.class_names), np.full(len(bias), -1)
    for class_id, held in enumerate(outputs):
        class_of[list(held)] = class_id
    weights = (atoms.astype(np.float64) @ weight.astype(np.float64)).astype(np.float32)
    names = output_names(model, data.class_names, n_outputs=len(bias))
    return Effects(weights, bias, names, class_of if outputs else None)


def effect_rows(given: Given) -> Iterator[tuple[Partition, dict[str, pd.DataFrame]]]:
    """Yield the effects of an epoch's concepts on all probe images."""
    effects, epoch = read_effects(given, epoch=given.epoch), given.epoch
    probe = read_probe(given, epoch=epoch, kinds=("concept", "class_logit"))
    n_concepts, flipped, of_images = len(effects.weights), [], []
    for chunk in probe.chunks():
        codes, logits = np.split(probe.codes_of(chunk), [n_concepts], axis=1)
        found = flips(codes, logits, effects.weights)
        flipped.append(found._replace(images=found.images + chunk.start))
        of_images.append(image_rows(given.data, codes, logits, effects=effects, start=chunk.start))
    changes = Flips(*(np.concatenate(parts) for parts in zip(*flipped, strict=True)))
    active = active_codes(probe.codes_of(chunk)[:, :n_concepts] for chunk in probe.chunks())
    logits_of_images, concepts_of_images = (
        pd.concat(parts, ignore_index=True) for parts in zip(*of_images, strict=True)
    )
    tables = {
        "concept_effects": _effects(given, effects, active, changes, logits_of_images),
        "concept_logits": _logits(effects, active),
        "concept_examples": example_rows(given.data, active),
        "concept_histogram": histogram_rows(given.data, active, n_images=probe.n_images),
        "concept_flips": _flips(given, effects, changes),
        "image_concepts": concepts_of_images,
        "image_logits": logits_of_images,
    }
    yield given.partitions[0], {name: rows.assign(epoch=epoch) for name, rows in tables.items()}


def _effects(
    given: Given, effects: Effects, active: ActiveCodes, changes: Flips, of_images: pd.DataFrame
) -> pd.DataFrame:
    """Return one row a concept: its name by what it shows, and predictions without it."""
    n_concepts, n_images = len(effects.weights), len(of_images)
    classes, labels = given.data.class_names, of_images["label"].to_numpy()
    of_strongest = ([classes[labels[row]] for row in active.of(i)[0][:_N_NAMING]] for i in range(n_concepts))
    n_flipped = np.bincount(changes.concepts, minlength=n_concepts)
    ends = {n: share_interval(n, n_images) for n in np.unique(n_flipped).tolist()}
    low, high = zip(*(ends[n] for n in n_flipped.tolist()), strict=True)
    columns: dict[str, Any] = {"accuracy": np.nan, "accuracy_without": np.nan, "n_lost": np.nan, "n_gained": np.nan}
    if effects.class_of is not None:
        wanted = labels[changes.images]
        is_lost, is_gained = (effects.class_of[part] == wanted for part in (changes.before, changes.after))
        lost, gained = (np.bincount(changes.concepts[is_one], minlength=n_concepts) for is_one in (is_lost, is_gained))
        n_right = int(of_images["is_right"].sum())
        columns = {"accuracy": n_right / n_images, "accuracy_without": (n_right - lost + gained) / n_images,
                   "n_lost": lost.astype(float), "n_gained": gained.astype(float)}  # fmt: skip
    return pd.DataFrame(
        {
            "concept": np.arange(n_concepts),
            "shows": [shows(names) for names in of_strongest],
            "n_images": n_images,
            "n_active": np.diff(active.starts),
            "n_flipped": n_flipped,
            "flipped_fraction": n_flipped / n_images,
            "flipped_low": low,
            "flipped_high": high,
            **columns,
        }
    )


def _logits(effects: Effects, active: ActiveCodes) -> pd.DataFrame:
    """Return the outputs that each concept raises and lowers most; outputs that it leaves alone are left out."""
    n_concepts, n_outputs = effects.weights.shape
    n = min(N_OUTPUTS, n_outputs)
    raised, lowered = (np.argsort(sign * effects.weights, axis=1, kind="stable")[:, :n] for sign in (-1, 1))
    outputs, signs = np.concatenate([raised, lowered], axis=1).ravel(), np.tile(np.repeat([1, -1], n), n_concepts)
    concepts = np.repeat(np.arange(n_concepts), 2 * n)
    values = effects.weights[concepts, outputs].astype(np.float64)
    n_active, sums = np.diff(active.starts), np.add.reduceat(np.append(active.codes, 0.0), active.starts[:-1])
    mean = np.divide(sums, n_active, out=np.full(n_concepts, np.nan), where=n_active > 0)
    rows = pd.DataFrame(
        {
            "concept": concepts,
            "output": outputs,
            "output_name": [effects.names[output] for output in outputs],
            "logit_per_code": values,
            "logit_when_active": values * mean[concepts],
        }
    )
    is_change: np.ndarray = values * signs > 0
    return rows.loc[is_change].reset_index(drop=True)


def _flips(given: Given, effects: Effects, changes: Flips) -> pd.DataFrame:
    """Return, of the images that flip without a concept, those on which it is strongest."""
    order = np.lexsort((changes.images, -changes.codes, changes.concepts))
    rank = np.arange(len(order)) - np.searchsorted(changes.concepts[order], changes.concepts[order])
    kept = order[rank < N_FLIPS]
    before, after = changes.before[kept], changes.after[kept]
    return pd.DataFrame(
        {
            "concept": changes.concepts[kept],
            **named_images(given.data, given.data.probe[changes.images[kept]].tolist()),
            "code": changes.codes[kept],
            "before": before,
            "before_name": [effects.names[output] for output in before],
            "after": after,
            "after_name": [effects.names[output] for output in after],
        }
    )
