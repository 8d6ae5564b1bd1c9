"""Declaration of the activations that dictionaries are fitted on."""

from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.artefacts.declaration import Artefact, Folder, Need
from featcx_core.artefacts.fingerprints import FURTHER, PENULTIMATE

DICTIONARY_ACTIVATIONS = Artefact(
    name="dictionary_activations",
    group="features",
    kinds=frozenset({"torch", "zarr"}),
    description="What the head reads, by position, on training images. One array (image, position, unit) a class.",
    grain="epoch",
    make="featcx_core.analyses.dictionary_activations.make:record_classes",
    holds=(
        Folder(
            "dictionary_activations/{epoch}.zarr",
            "group with an array (image, position, unit) for each class, then one of the further images; empty where "
            "they are streamed into the fit",
        ),
    ),
    version=1,
    needs=(Need(CHECKPOINT),),
    fields=("dictionary.images_per_class", "activations.dtype"),
    outside=(PENULTIMATE, FURTHER),
)
DECLARED = (DICTIONARY_ACTIVATIONS,)
