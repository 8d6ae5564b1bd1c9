"""The dictionary of an epoch: fitted on the positions of its dictionary images."""

from collections.abc import Iterator

import numpy as np
import torch
import zarr

from featcx_core.analyses.dictionary import DICTIONARY
from featcx_core.analyses.dictionary_activations.make import class_positions
from featcx_core.artefacts.given import Given, StudyReader
from featcx_core.artefacts.partition import Partition
from featcx_core.features.dictionary import Dictionary, fit_class_dictionaries
from featcx_core.features.method import dictionary_method
from featcx_core.networks.models import sums_device

_ARRAYS = ("atoms", "class_of", "relative_error", "n_iterations", "dead")


def fit(given: Given) -> Iterator[tuple[Partition, None]]:
    """Fit an epoch's dictionary and write its arrays."""
    study, (place,) = given.study, given.partitions
    classes = range(len(given.data.class_names)) if study.dictionary.scope == "class" else [-1]
    where, samples = sums_device(given.tools.device), class_positions(given, epoch=given.epoch, tools=given.tools)
    dictionary = fit_class_dictionaries(
        (torch.from_numpy(rows).to(where) for rows in samples),
        n_atoms=study.dictionary.atoms_per_class,
        classes=list(classes),
        method=dictionary_method(study, given.anatomy),
        seed=study.seed,
    )
    group = zarr.create_group(store=str(given.draft(place)), attributes={"method": dictionary.method})
    for name in _ARRAYS:
        group.create_array(name, data=torch.as_tensor(getattr(dictionary, name)).cpu().numpy())
    yield place, None


def read_dictionary(reader: StudyReader, *, epoch: int) -> Dictionary:
    """Read an epoch's committed dictionary. Raises ValueError when there is none."""
    group = reader.arrays(DICTIONARY, epoch=epoch)
    return Dictionary(method=str(group.attrs["method"]), **{name: np.asarray(group[name]) for name in _ARRAYS})
