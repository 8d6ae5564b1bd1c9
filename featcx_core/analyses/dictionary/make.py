"""The dictionary of an epoch: fitted on the positions of its dictionary images."""

import logging
import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
import zarr
from jaxtyping import Float32

from featcx_core.analyses.dictionary import DICTIONARY
from featcx_core.analyses.dictionary_activations.make import class_positions
from featcx_core.artefacts.given import Given, StudyReader
from featcx_core.artefacts.partition import Partition
from featcx_core.features.dictionary import Dictionary, fit_class_dictionaries
from featcx_core.features.dictionary_size import Grown, grow, held_out, predictions_kept
from featcx_core.features.method import dictionary_method
from featcx_core.networks.models import sums_device
from featcx_core.study.fields import StudyError

logger = logging.getLogger("featcx")
_ARRAYS = ("atoms", "class_of", "relative_error", "n_iterations", "dead")


def fit(given: Given) -> Iterator[tuple[Partition, None]]:
    """Fit an epoch's dictionary and write its arrays."""
    (place,), stated = given.partitions, given.study.dictionary.atoms_per_class
    grown = _grow(given) if stated == "auto" else Grown(stated, "stated", math.nan)
    samples = class_positions(given, epoch=given.epoch, tools=given.tools)
    dictionary = _fit(given, samples, n_atoms=grown.n_atoms)
    kept = None if math.isnan(grown.kept) else grown.kept  # JSON has no NaN
    about = {"method": dictionary.method, **grown._asdict(), "kept": kept}
    group = zarr.create_group(store=str(given.draft(place)), attributes=about)
    for name in _ARRAYS:
        group.create_array(name, data=torch.as_tensor(getattr(dictionary, name)).cpu().numpy())
    yield place, None


def read_size(reader: StudyReader, *, epoch: int) -> Grown:
    """Read how many atoms a class an epoch's committed dictionary has, and why."""
    attributes = reader.arrays(DICTIONARY, epoch=epoch).attrs
    kept = attributes["kept"]
    return Grown(int(attributes["n_atoms"]), str(attributes["stopped_by"]), math.nan if kept is None else float(kept))


def _fit(given: Given, samples: Iterable[Float32[np.ndarray, "_ unit"]], *, n_atoms: int) -> Dictionary:
    study, where = given.study, sums_device(given.tools.device)
    classes = range(len(given.data.class_names)) if study.dictionary.scope == "class" else [-1]
    return fit_class_dictionaries(
        (torch.from_numpy(rows).to(where) for rows in samples),
        n_atoms=n_atoms,
        classes=list(classes),
        method=dictionary_method(study, given.anatomy),
        seed=study.seed,
    )


def _grow(given: Given) -> Grown:
    """Return how many atoms a class keep the predictions on every fifth dictionary image, fitted on the others."""
    row = next(row for row in given.anatomy.layers if row.role == "penultimate")
    settings, head = given.study.dictionary, given.head(epoch=given.epoch)

    def parts() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield, class by class, the samples to fit and the pooled activations of the images that are held out."""
        for rows in class_positions(given, epoch=given.epoch, tools=given.tools):
            images = rows.reshape(-1, row.n_samples, row.units)
            is_held_out = held_out(len(images))
            yield images[~is_held_out].reshape(-1, row.units), images[is_held_out].mean(axis=1)

    sizes = [(len(samples), others) for samples, others in parts()]
    others, most = np.concatenate([others for _, others in sizes]), min(row.units, *(n for n, _ in sizes))
    if not len(others):
        raise StudyError(
            'dictionary.atoms_per_class = "auto" holds out every fifth dictionary image of a class, and no class has '
            "five; state a number, or raise data.split.train"
        )

    def keeps(n_atoms: int) -> float:
        atoms = _fit(given, (samples for samples, _ in parts()), n_atoms=n_atoms).atoms
        penalties = {"l1": settings.l1, "l2": settings.l2}
        kept = predictions_kept(others, atoms, *head, **penalties, device=sums_device(given.tools.device))
        logger.info("dictionary, epoch %d: %d atoms keep %.3f of %d", given.epoch, n_atoms, kept, len(others))
        return kept

    return grow(keeps, most=most)


def read_dictionary(reader: StudyReader, *, epoch: int) -> Dictionary:
    """Read an epoch's committed dictionary. Raises ValueError when there is none."""
    group = reader.arrays(DICTIONARY, epoch=epoch)
    return Dictionary(method=str(group.attrs["method"]), **{name: np.asarray(group[name]) for name in _ARRAYS})
