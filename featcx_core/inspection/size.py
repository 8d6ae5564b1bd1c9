"""What a study counts: the numbers that its time, disk and memory are proportional to."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from featcx_core.analyses.features import N_RANDOM_DIRECTIONS
from featcx_core.artefacts.state import DETAILED, ONCE, wanted_of
from featcx_core.images.data import StudyImages, dictionary_images
from featcx_core.networks.anatomy import Anatomy
from featcx_core.study.fields import Study


class Size(NamedTuple):
    """The study's counts."""

    n_epochs: int
    """Checkpoints, epoch 0 with them."""
    n_detailed: int
    """Those at which the detailed analyses are made."""
    n_details: int
    """Detailed analyses of all these epochs."""
    n_once: int
    """Artefacts of all epochs together."""
    n_trained: int
    """Epochs that featcx trains."""
    n_noisy: int
    """Noisy images behind an epoch's sensitivity."""
    n_probe: int
    """Images on which activations are recorded."""
    n_half: int
    """Those of the larger half."""
    n_train: int
    """Training images."""
    n_test: int
    """Images for accuracy and loss alone."""
    of_dictionary: tuple[int, ...]
    """Images behind each dictionary: of each class, or of all."""
    n_concepts: int
    """Of an epoch."""
    own_columns: int
    """Codes of all kinds of an epoch's own dictionary."""
    reference_columns: int
    """Those of the reference epoch's; 0 where none are followed."""
    units: tuple[int, ...]
    """Of each layer."""
    n_units: int
    """Of the penultimate layer."""
    n_positions: int
    """Of its map."""
    n_outputs: int
    """Of the network."""
    n_weights: int
    """Numbers in a checkpoint."""
    itemsize: int
    """Bytes of a stored activation."""

    @property
    def n_dictionary(self) -> int:
        """Images behind all dictionaries."""
        return sum(self.of_dictionary)

    @property
    def columns(self) -> int:
        """Codes that stand beside each other in V-information."""
        return self.own_columns + self.reference_columns

    @property
    def positions_bytes(self) -> int:
        """An epoch's dictionary activations before compression."""
        return self.n_dictionary * self.n_positions * self.n_units * self.itemsize

    @property
    def n_partitions(self) -> int:
        """Artefacts that the workflow keeps account of: an epoch's six, its layers' two or three, and the rest."""
        followed = (self.n_epochs - 1) * len(self.units) if self.reference_columns else 0
        return self.n_epochs * (6 + 2 * len(self.units)) + followed + self.n_details + self.n_once


def size_of(study: Study, anatomy: Anatomy, data: StudyImages, *, epochs: Sequence[int]) -> Size:
    """The counts of a study on these images and checkpoints."""
    row = next(row for row in anatomy.layers if row.role == "penultimate")
    images = [len(rows) for rows in dictionary_images(data, study)]
    of_dictionary = tuple(images) if study.dictionary.scope == "class" else (sum(images),)
    n_concepts = study.dictionary.atoms_per_class * len(of_dictionary)
    chosen = study.with_reference(max(epochs, default=0)) if study.waits_for_reference else study
    n_detailed, noise, run = len(chosen.detailed_epochs(epochs)), study.sensitivity, set(study.analyses.run)
    is_followed = "decode_time" in study.analyses.run and len(epochs) > 1
    return Size(
        n_epochs=len(epochs),
        n_detailed=n_detailed,
        n_details=n_detailed * len(run & set(DETAILED) - {"visualisation"}) + ("visualisation" in run),
        n_once=sum(asset in ONCE for asset in wanted_of(study)),
        n_trained=0 if study.checkpoints.folder else study.training.epochs,
        n_noisy=min(noise.images, len(data.probe)) * noise.draws * len(noise.sigmas),
        n_probe=len(data.probe),
        n_half=max(len(data.split["fit"]), len(data.split["score"])),
        n_train=len(data.split["train"]),
        n_test=len(data.split["test"]),
        of_dictionary=of_dictionary,
        n_concepts=n_concepts,
        own_columns=2 * n_concepts + N_RANDOM_DIRECTIONS + anatomy.n_classes + row.units,
        reference_columns=2 * n_concepts if is_followed else 0,
        units=tuple(row.units for row in anatomy.layers),
        n_units=row.units,
        n_positions=row.n_samples,
        n_outputs=anatomy.n_classes,
        n_weights=sum(prod(shape) for shape in anatomy.parameters.values()),
        itemsize=np.dtype(study.activations.dtype).itemsize,
    )
