"""Facts about each concept and each image that the explorer shows, gathered from the tables."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from featcx_core.analyses.explorer.reading import Ablation, grouped, tuples
from featcx_core.measures.neighbours import Neighbours
from featcx_core.report.explorer.looks import Bin, Effect, ImageLook, Looks, Made, Shown, Step
from featcx_core.report.explorer.pictures import SmallMaps, as_text

_EMPTY = pd.DataFrame()
N_PATH_IMAGES = 6
"""Images of a concept's match at an epoch."""


class Gathered(NamedTuple):
    """Everything that concepts' pages are made of."""

    effects: dict[str, pd.DataFrame]
    """Tables of single concepts and images."""
    strongest: dict[int, pd.DataFrame]
    """Strongest images of each epoch's own concepts."""
    paths: pd.DataFrame
    """Matches of the concepts over the epochs."""
    made: Mapping[int, Made]
    """Pictures made to excite concepts."""
    maps: tuple[np.ndarray, np.ndarray]
    """Heat maps of the strongest images, (concept, rank, height, width), and the highest value of each."""
    near: Neighbours
    """Nearest concepts."""
    ablation: Ablation
    """Numbers behind predictions without concepts."""
    labels: np.ndarray
    """Class of each image of the data."""
    epoch: int
    """The concepts' epoch."""


def looks_of(gathered: Gathered, *, n_concepts: int) -> list[Looks]:
    """Return what is shown of each concept, in the order of their numbers."""
    parts = {name: grouped(rows) for name, rows in gathered.effects.items() if "concept" in name.split("_")}
    strongest, paths = grouped(gathered.strongest[gathered.epoch]), _paths(gathered)
    shares, highest = gathered.maps
    looks = []
    for concept in range(n_concepts):
        shown, near = _shown(strongest.get(concept, _EMPTY)), gathered.near
        examples, is_near = parts["concept_examples"].get(concept, _EMPTY), near.concepts[concept] >= 0
        places, codes = gathered.ablation.active.of(concept)
        maps = SmallMaps(shares[concept, : len(shown)], highest[concept, : len(shown)])
        looks.append(
            Looks(
                images=shown,
                heat_maps=as_text(maps),
                neighbours=list(
                    zip(near.concepts[concept, is_near].tolist(), near.cosines[concept, is_near].tolist(), strict=True)
                ),
                made=[gathered.made[concept]] if concept in gathered.made else [],
                middle=_part(examples, "middle"),
                least=_part(examples, "least"),
                bins=_bins(parts["concept_histogram"].get(concept, _EMPTY), gathered.labels),
                logits=tuples(
                    parts["concept_logits"].get(concept, _EMPTY), "output", "logit_per_code", "logit_when_active"
                ),
                effect=_effect(parts["concept_effects"][concept]),
                flips=tuples(parts["concept_flips"].get(concept, _EMPTY), "image", "label", "before", "after"),
                path=paths.get(concept, []),
                weights=gathered.ablation.effects.weights[concept],
                places=places,
                codes=codes.astype(np.float32),
            )
        )
    return looks


def image_looks(effects: dict[str, pd.DataFrame], shown: Sequence[int]) -> list[ImageLook]:
    """Return what is shown of each image, in their order."""
    names = [name for name in ImageLook._fields if name != "concepts"]
    of_images = effects["image_logits"].set_index("image").loc[list(shown)]
    concepts = grouped(effects["image_concepts"], "image")
    return [
        ImageLook._make((*values, tuples(concepts.get(image, _EMPTY), "concept", "code", "contribution")))
        for image, values in zip(shown, tuples(of_images, *names), strict=True)
    ]


def _shown(rows: pd.DataFrame) -> list[Shown]:
    return [Shown(*row) for row in tuples(rows, "image", "label", "code_fraction", "file")]


def _part(examples: pd.DataFrame, part: str) -> list[Shown]:
    rows = examples[examples["part"] == part] if len(examples) else examples
    return [Shown(*row) for row in tuples(rows, "image", "label", "code_fraction")]


def _bins(rows: pd.DataFrame, labels: np.ndarray) -> list[Bin]:
    bins = []
    for high, n_images, image in tuples(rows, "high", "n_images", "image"):
        row = None if image is None else int(image)
        bins.append(Bin(high, n_images, row, None if row is None else int(labels[row])))
    return bins


def _effect(rows: pd.DataFrame) -> Effect:
    columns = ("accuracy", "accuracy_without", "n_flipped", "flipped_low", "flipped_high", "n_lost", "n_gained")
    return Effect(*tuples(rows, *columns)[0])


def _paths(gathered: Gathered) -> dict[int, list[Step]]:
    """Return each concept's matches over the epochs, with the matches' images where there are any."""
    images = {epoch: grouped(rows[rows["rank"] < N_PATH_IMAGES]) for epoch, rows in gathered.strongest.items()}
    columns = ("epoch", "matched_concept", "cosine", "null_cosine", "complexity", "importance")
    found: dict[int, list[Step]] = {}
    for concept, rows in grouped(gathered.paths.sort_values("epoch")).items():
        for epoch, match, *numbers in tuples(rows, *columns):
            matched = None if match is None else int(match)
            shown = images.get(epoch, {}).get(matched, _EMPTY)
            step = (epoch, matched, *numbers, tuples(shown, "image", "label"))
            found.setdefault(concept, []).append(Step._make(step))
    return found
