"""Declaration of the dictionary of concepts."""

from featcx_core.analyses.dictionary_activations import DICTIONARY_ACTIVATIONS
from featcx_core.artefacts.declaration import Artefact, Folder, Need

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
    fields=(
        *("seed", "dictionary.method", "dictionary.scope", "dictionary.atoms_per_class"),
        *("dictionary.l1", "dictionary.l2"),
    ),
    refuse="featcx_core.features.method:refuse_unusable_dictionary",
)
DECLARED = (DICTIONARY,)
