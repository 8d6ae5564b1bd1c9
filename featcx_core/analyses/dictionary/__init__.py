"""Declaration of the dictionary of concepts."""

from typing import TYPE_CHECKING

from featcx_core.analyses.dictionary_activations import DICTIONARY_ACTIVATIONS
from featcx_core.artefacts.declaration import Artefact, Folder, Need, Outside

if TYPE_CHECKING:
    from featcx_core.artefacts.partition import Partition
    from featcx_core.networks.anatomy import Anatomy
    from featcx_core.study.fields import Study


def _penalties_of_a_search(study: "Study", anatomy: "Anatomy", partition: "Partition", digests: dict[int, str]) -> str:
    """Return what decides codes, where the number of atoms is found by encoding; a stated one does without."""
    settings = study.dictionary
    return f"{settings.l1} {settings.l2}" if settings.atoms_per_class == "auto" else ""


DICTIONARY = Artefact(
    name="dictionary",
    group="features",
    kinds=frozenset({"torch", "zarr"}),
    description="Concepts: atoms of a matrix factorisation. One atom (unit) per concept of an epoch.",
    grain="epoch",
    make="featcx_core.analyses.dictionary.make:fit",
    holds=(Folder("dictionary/{epoch}.zarr", "group: atoms (concept, unit), class_of (concept,), how it was fitted"),),
    version=3,
    needs=(Need(DICTIONARY_ACTIVATIONS),),
    fields=("seed", "dictionary.method", "dictionary.scope", "dictionary.atoms_per_class"),
    outside=(Outside(_penalties_of_a_search),),
    refuse="featcx_core.features.method:refuse_unusable_dictionary",
)
DECLARED = (DICTIONARY,)
