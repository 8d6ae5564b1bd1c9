"""Time, disk and memory of a whole study, about, from a sample of it and its counts."""

from typing import NamedTuple

import numpy as np

from featcx_core.analyses.features import N_RANDOM_DIRECTIONS
from featcx_core.checkpoints.training import NORMALISATION_IMAGES
from featcx_core.features.forward import Network
from featcx_core.features.method import dictionary_method
from featcx_core.inspection import sample
from featcx_core.inspection.passes import Passes, forward_passes, training_seconds
from featcx_core.inspection.size import Size
from featcx_core.networks.anatomy import Anatomy
from featcx_core.networks.models import sums_device
from featcx_core.study.fields import Study

_ROW_SECONDS = 5e-5  # of a table, its jackknife values with it
_ROW_BYTES = 40  # beside them; they are numbers of four bytes that hardly compress
_CODE_SECONDS = 1e-7  # to read a code, or to write one, chunk by chunk
_EPOCH_SECONDS = 0.3  # small tables, quality of the dictionary, complexity and importance
_FIGURES_SECONDS = 12.0  # all figures, the sheet of concepts and the report
_REPORT_BYTES = 4.4e6  # 1.4 of them the explorer's library of charts
_PICTURE_BYTES = 4096.0  # of a probe image in the explorer, at most; a block of the disk
_CONCEPT_BYTES = 1500.0  # of its scores and curves there
_ACTIVE_DIRECTIONS = 0.3  # share of the codes of random directions that are not zero
_BATCH = 512  # images, the largest of the forward passes
_GROUP_BYTES = 2**30  # positions of small classes are factorised together up to it


class Step(NamedTuple):
    """A step of the study."""

    name: str
    """As the command line names it."""
    epoch_seconds: float
    """Of one epoch; of all together where it is made once."""
    times: int
    """Epochs; 1 where it is made once."""

    @property
    def seconds(self) -> float:
        """In all."""
        return self.epoch_seconds * self.times


class Cost(NamedTuple):
    """What a study takes, about."""

    image_seconds: float
    """A forward pass with everything recorded, an image."""
    each: tuple[Step, ...]
    """Time of the steps that each epoch has."""
    once: tuple[Step, ...]
    """Of those made once."""
    disk: dict[str, float]
    """Bytes, by folder of the study."""
    memory: dict[str, float]
    """Bytes at the peak of each step, beside what the libraries and the images take."""

    @property
    def seconds(self) -> float:
        """In all."""
        return sum(step.seconds for step in (*self.each, *self.once))


def measure(network: Network, study: Study, anatomy: Anatomy, *, epoch: int, size: Size, load_seconds: float) -> Cost:
    """Run the sample on an epoch's network and multiply. Raises ValueError where it cannot be analysed."""
    passes = forward_passes(network, study, anatomy, epoch=epoch)
    image = passes.image_seconds
    positions = sample.stored(passes.positions, dtype=study.activations.dtype)
    if size.positions_bytes > study.dictionary.keep_positions_gb * 1e9:
        positions = sample.Stored(0.0, 0.0)  # streamed into the fit
    layers = sample.stored(np.concatenate(list(passes.pooled.values()), axis=1), dtype=study.activations.dtype)
    concepts, active = _concepts(study, anatomy, size, passes, network)
    looked_at = load_seconds + (size.n_train + size.n_test) * image
    each = [
        Step("activations", load_seconds + size.n_probe * (image + _row_bytes(size) * layers.byte_seconds), 0),
        Step(
            "positions of the dictionary images",
            load_seconds + size.n_dictionary * image + size.positions_bytes * positions.byte_seconds,
            0,
        ),
        Step("dictionary", concepts[0] + size.positions_bytes * positions.byte_seconds / 2, 0),  # reads them again
        Step("codes", concepts[1] + size.n_probe * size.own_columns * _CODE_SECONDS + _EPOCH_SECONDS, 0),
        Step("V-information", _information(study, size, network), 0),
    ]
    if not size.n_trained and study.model.outputs != "none":
        each.insert(0, Step("accuracy and loss", looked_at, 0))
    steps = [step._replace(times=size.n_epochs) for step in each]
    if size.n_trained:
        settling = min(size.n_train, NORMALISATION_IMAGES) * image
        training = size.n_train * training_seconds(network, study) + looked_at + settling
        steps.insert(0, Step("training", training, size.n_trained))
    if "sensitivity" in study.analyses.run:
        noisy = size.n_noisy * (image + concepts[1] / size.n_probe)
        steps.append(Step("sensitivity", load_seconds + noisy, size.n_detailed))
    if "redundancy" in study.analyses.run:
        where = sums_device(network.device.type)
        one = sample.redundancy_seconds(study, n_units=size.n_units, n_concepts=size.n_concepts, device=where)
        steps.append(Step("redundancy", one, size.n_detailed))
    run = set(study.analyses.run)
    levels = {"redundancy": study.redundancy.masked_fractions, "sensitivity": study.sensitivity.sigmas}
    n_levels = sum(len(values) for name, values in levels.items() if name in run)
    # Γ and the atom's sparsity at every epoch; a property and its printed form at every level
    properties = 2 * size.n_epochs + 2 * n_levels * size.n_detailed
    one = sample.correlation_seconds(study, n_concepts=size.n_concepts)
    # four correlations a property, over images too, take six times as long as this one; a curve's point about once
    across = (6 * properties + size.n_epochs) * one + _FIGURES_SECONDS
    once = (Step("curves over all epochs, figures and report", across, 1),)
    disk = _disk(study, size, layers=layers.share, positions=positions.share, active=active)
    return Cost(image, tuple(steps), once, disk, _memory(study, size, passes))


def _concepts(
    study: Study, anatomy: Anatomy, size: Size, passes: Passes, network: Network
) -> tuple[tuple[float, float], float]:
    """Seconds of an epoch's dictionary and of its codes; the share of codes that are not zero."""
    where = sums_device(network.device.type)
    method, counts = dictionary_method(study, anatomy), size.of_dictionary
    dictionary, atoms = sample.dictionary_seconds(passes.positions, study, counts=counts, method=method, device=where)
    acts = passes.pooled[anatomy.penultimate]
    n_concepts, n_images = size.n_concepts, size.n_probe
    codes, active = sample.codes_seconds(acts, atoms, study, n_concepts=n_concepts, n_images=n_images, device=where)
    return (dictionary, codes), active


def _information(study: Study, size: Size, network: Network) -> float:
    """Seconds of an epoch's V-information over all layers, reading of codes and writing of rows included."""
    where, columns, n_half = sums_device(network.device.type), size.columns, size.n_half
    by_units = {
        units: sample.information_seconds(study, units=units, columns=columns, n_half=n_half, device=where)
        for units in set(size.units)
    }
    rows = columns * (_ROW_SECONDS + size.n_probe * _CODE_SECONDS)
    return sum(by_units[units] + rows for units in size.units)


def _row_bytes(size: Size) -> int:
    """Stored activations of an image."""
    return sum(size.units) * size.itemsize


def _disk(study: Study, size: Size, *, layers: float, positions: float, active: float) -> dict[str, float]:
    """Bytes by folder; `layers` and `positions` are the shares that compression leaves."""
    n, probe_positions = size.n_epochs, size.n_probe * size.n_positions * size.n_units * size.itemsize
    n_redundant = size.n_detailed * ("redundancy" in study.analyses.run)
    # A zero takes next to nothing; what stands beside zeros does not compress, and says where it stands.
    codes = size.n_concepts * min(1.0, 1.5 * active) + _ACTIVE_DIRECTIONS * N_RANDOM_DIRECTIONS + size.n_outputs
    return {
        "checkpoints": 4.0 * size.n_weights * (n + 2) if size.n_trained else 0.0,  # weights and momentum to go on from
        "activations": (n * size.n_probe * _row_bytes(size) + probe_positions) * layers,
        "dictionary_activations": n * size.positions_bytes * positions,
        "dictionary": 4.0 * n * size.n_concepts * size.n_units,
        "codes": 4.0 * n * size.n_probe * codes,
        "sums": 4.0 * n * size.n_units * (size.n_units + size.n_concepts + N_RANDOM_DIRECTIONS),
        "sums_without_groups": 4.0 * n_redundant * _values_by_group(study, size, codes=1),
        "tables": float(n * len(size.units) * size.columns * (_ROW_BYTES + 4 * study.probe.groups)),
        "report": _REPORT_BYTES + size.n_probe * _PICTURE_BYTES + size.n_concepts * _CONCEPT_BYTES,
    }


def _values_by_group(study: Study, size: Size, *, codes: int, n_units: int = 0) -> float:
    """Sums over each group of images: of units with units, and `codes` times with concepts and random directions."""
    units = n_units or size.n_units
    return float(study.probe.groups * units * (units + codes * (size.n_concepts + N_RANDOM_DIRECTIONS)))


def _memory(study: Study, size: Size, passes: Passes) -> dict[str, float]:
    weights, widest = 4.0 * size.n_weights, max(size.units)
    batch = min(_BATCH, max(size.n_train, size.n_probe))
    class_bytes = max(size.of_dictionary) * size.n_positions * size.n_units * 4
    columns, concepts = size.columns, size.n_concepts
    found = {
        "forward passes": weights + 2.0 * batch * passes.largest_bytes,  # what a module reads and what it gives
        "dictionary": 3.0 * min(size.positions_bytes, max(_GROUP_BYTES, class_bytes)),
        "codes": 8.0 * (3 * concepts**2 + 4 * min(_BATCH, size.n_probe) * concepts),
        "V-information": 8.0 * (4 * widest * columns + 2 * widest**2 + 3 * min(_BATCH, size.n_half) * columns),
    }
    if size.n_detailed and "redundancy" in study.analyses.run:
        found["V-information"] += 8.0 * _values_by_group(study, size, codes=1)
    if "branches" in study.analyses.run:  # and third powers
        found["branches"] = 8.0 * _values_by_group(study, size, codes=2, n_units=widest)
    if size.n_trained:  # weights, gradients, momentum; what the modules gave
        found["training"] = 3 * weights + 1.3 * min(study.training.batch_size, size.n_train) * passes.all_bytes
    return found
