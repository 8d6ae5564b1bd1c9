"""Time, disk and memory of a whole study, about, from a sample of it and counted operations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from featcx_core.anatomy import Anatomy, Layer
from featcx_core.features.forward import Network
from featcx_core.inspection import sample
from featcx_core.sources.images import dictionary_images
from featcx_core.sources.models import sums_device
from featcx_core.sources.training import NORMALISATION_IMAGES
from featcx_core.steps.features import N_RANDOM_DIRECTIONS
from featcx_core.study import Study

_ROW_SECONDS = 5e-5  # of a table, its jackknife values with it
_ROW_BYTES = 40  # beside them; they are numbers of four bytes that hardly compress
_CODE_SECONDS = 1e-7  # to read a code, or to write one, chunk by chunk
_FIGURES_SECONDS = 12.0  # all figures, the sheet of concepts and the report
_BATCH = 512  # images, the largest of the forward passes
_GROUP_BYTES = 2**30  # positions of small classes are factorised together up to it


class Step(NamedTuple):
    """A step of the study."""

    name: str
    """As the command line names it."""
    epoch_seconds: float
    """Of one epoch; of all together where it is made once."""
    times: int
    """How many epochs; 1 where it is made once."""

    @property
    def seconds(self) -> float:
        """In all."""
        return self.epoch_seconds * self.times


class Cost(NamedTuple):
    """What a study takes, about."""

    image_seconds: float
    """A forward pass with everything recorded, an image."""
    steps: tuple[Step, ...]
    """Time, step by step."""
    disk: dict[str, float]
    """Bytes, by folder of the study."""
    memory: dict[str, float]
    """Bytes at the peak of each step, without what the libraries and the images take."""

    @property
    def seconds(self) -> float:
        """In all."""
        return sum(step.seconds for step in self.steps)


class Size(NamedTuple):
    """Counts that everything is proportional to."""

    n_epochs: int
    n_trained: int
    n_probe: int
    n_half: int
    n_dictionary: int
    n_train: int
    n_test: int
    n_concepts: int
    own_columns: int
    """Codes of all kinds of an epoch's own dictionary."""
    columns: int
    """With those of the reference epoch."""
    penultimate: Layer
    units: tuple[int, ...]
    """Of each layer."""

    @property
    def positions_bytes(self) -> int:
        """An epoch's dictionary activations, in float32."""
        row = self.penultimate
        return self.n_dictionary * row.height * row.width * row.units * 4


def size_of(study: Study, anatomy: Anatomy, network: Network, epochs: Sequence[int]) -> Size:
    """The study's counts."""
    data, row = network.data, next(row for row in anatomy.layers if row.role == "penultimate")
    n_dictionary = sum(map(len, dictionary_images(data, study)))
    of_class = study.dictionary.scope == "class"
    n_concepts = study.dictionary.atoms_per_class * (len(data.class_names) if of_class else 1)
    own = 2 * n_concepts + N_RANDOM_DIRECTIONS + anatomy.n_classes + row.units
    reference = 2 * n_concepts if "decode_time" in study.analyses.run and len(epochs) > 1 else 0
    return Size(
        n_epochs=len(epochs),
        n_trained=0 if study.checkpoints.folder else study.training.epochs,
        n_probe=len(data.probe),
        n_half=max(len(data.split["fit"]), len(data.split["score"])),
        n_dictionary=n_dictionary,
        n_train=len(data.split["train"]),
        n_test=len(data.split["test"]),
        n_concepts=n_concepts,
        own_columns=own,
        columns=own + reference,
        penultimate=row,
        units=tuple(row.units for row in anatomy.layers),
    )


def measure(network: Network, study: Study, anatomy: Anatomy, *, size: Size, load_seconds: float) -> Cost:
    """Run the sample and multiply. Raises ValueError where the activations cannot be analysed."""
    passed, where = sample.forward(network, study, anatomy), sums_device(network.device.type)
    image = passed.image_seconds
    acts = passed.pooled[-1] if anatomy.layers[-1].role == "penultimate" else passed.positions.mean(axis=1)
    counts = [len(rows) for rows in dictionary_images(network.data, study)]
    if study.dictionary.scope == "all":
        counts = [sum(counts)]
    dictionary, atoms = sample.dictionary_seconds(passed.positions, counts, study, where)
    coding, codes = sample.codes_seconds(
        acts, atoms, study, n_concepts=size.n_concepts, n_images=size.n_probe, device=where
    )
    layers = {u: sample.information_seconds(study, units=u, columns=size.columns, n_half=size.n_half, device=where)
              for u in set(size.units)}  # fmt: skip
    dtype = study.activations.dtype
    small, large = (sample.stored(values, dtype=dtype) for values in (_wide(passed.pooled), passed.positions))
    is_kept = _is_kept(study, size)
    bytes_of = np.dtype(dtype).itemsize
    written = size.n_probe * sum(size.units) * bytes_of * small.byte_seconds
    kept = size.positions_bytes / 4 * bytes_of * large.byte_seconds * is_kept
    tables = len(size.units) * size.columns * (_ROW_SECONDS + size.n_probe * _CODE_SECONDS)
    n = size.n_epochs
    steps = [
        Step("activations", load_seconds + size.n_probe * image + written, n),
        Step("positions of the dictionary images", load_seconds + size.n_dictionary * image + kept, n),
        Step("dictionary", dictionary, n),
        Step("codes", coding + size.n_probe * size.own_columns * _CODE_SECONDS, n),
        Step("V-information", sum(layers[units] for units in size.units) + tables, n),
        Step("across epochs, figures and report", _across(study, size), 1),
    ]
    if size.n_trained:
        looked_at = size.n_train + size.n_test + min(size.n_train, NORMALISATION_IMAGES)
        training = size.n_train * sample.training_seconds(network, study) + looked_at * image
        steps.insert(0, Step("training", training, size.n_trained))
    elif study.model.outputs != "none":
        steps.insert(0, Step("accuracy and loss", load_seconds + (size.n_train + size.n_test) * image, n))
    disk = _disk(study, anatomy, size, small.share, large.share * is_kept, np.mean(codes > 0))
    return Cost(image, tuple(steps), disk, _memory(study, anatomy, size, passed))


def _is_kept(study: Study, size: Size) -> bool:
    share = np.dtype(study.activations.dtype).itemsize / 4
    return size.positions_bytes * share <= study.dictionary.keep_positions_gb * 1e9


def _across(study: Study, size: Size) -> float:
    """Correlations raw and partial, by rank and not, at every epoch; the figures."""
    return 2.5 * size.n_epochs * sample.correlation_seconds(study, n_concepts=size.n_concepts) + _FIGURES_SECONDS


def _disk(
    study: Study, anatomy: Anatomy, size: Size, small: float, large: float, active: float
) -> dict[str, float]:
    n, itemsize = size.n_epochs, np.dtype(study.activations.dtype).itemsize
    weights = 4.0 * sum(int(np.prod(shape)) for shape in anatomy.parameters.values())
    positions = size.n_probe * size.penultimate.height * size.penultimate.width * size.penultimate.units * itemsize
    codes = 4.0 * size.n_probe * (size.n_concepts * min(1.0, 1.5 * active) + N_RANDOM_DIRECTIONS + anatomy.n_classes)
    rows = n * len(size.units) * size.columns * (_ROW_BYTES + 4 * study.probe.groups)
    return {
        "checkpoints": weights * (n + 3) if size.n_trained else 0.0,  # what training resumes from: weights and momentum
        "activations": n * size.n_probe * sum(size.units) * itemsize * small + positions * small,
        "dictionary_activations": n * size.positions_bytes / 4 * itemsize * large,
        "dictionary": 4.0 * n * size.n_concepts * size.penultimate.units,
        "codes": n * codes,
        "tables": float(rows),
    }


def _memory(study: Study, anatomy: Anatomy, size: Size, passed: sample.Forward) -> dict[str, float]:
    weights = 4.0 * sum(int(np.prod(shape)) for shape in anatomy.parameters.values())
    widest, concepts = max(size.units), size.n_concepts
    found = {
        "forward passes": weights + 3.0 * _BATCH * passed.map_bytes,
        "dictionary": 3.0 * min(size.positions_bytes, max(_GROUP_BYTES, _largest_class(study, size))),
        "codes": 8.0 * (3 * concepts**2 + 4 * _BATCH * concepts),
        "V-information": 8.0 * (4 * widest * size.columns + 2 * widest**2 + 3 * _BATCH * size.columns),
    }
    if size.n_trained:
        found["training"] = 4 * weights + 2.0 * study.training.batch_size * passed.all_bytes
    return found


def _largest_class(study: Study, size: Size) -> float:
    if study.dictionary.scope == "all":
        return float(size.positions_bytes)
    return size.positions_bytes * study.dictionary.images_per_class / max(1, size.n_dictionary)


def _wide(pooled: list[Float32[np.ndarray, "image unit"]]) -> Float32[np.ndarray, "image unit"]:
    return np.concatenate(pooled, axis=1)
