"""Declarations of what is recorded of the probe images, in one forward pass an epoch."""

from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.artefacts.declaration import Artefact, Folder, Need
from featcx_core.artefacts.fingerprints import BRANCH_PLACES

_MAKE = "featcx_core.analyses.activations.make:record"

ACTIVATIONS = Artefact(
    name="activations",
    group="features",
    kinds=frozenset({"torch", "zarr"}),
    description="Pooled activations of the probe images. One array (image, unit) per epoch and layer.",
    grain="layer",
    make=_MAKE,
    holds=(Folder("activations/{epoch}/{layer}.zarr", "array (image, unit) of activations.dtype; fit, then score"),),
    version=1,
    needs=(Need(CHECKPOINT),),
    fields=("activations.pooling", "activations.dtype"),
)
POSITIONS = Artefact(
    name="positions",
    group="internal",
    kinds=frozenset({"torch", "zarr"}),
    description="Activations before the head by position, for heat maps. One array (image, position, unit).",
    grain="layer",
    layers="penultimate",
    when="reference",
    asked="internal",
    make=_MAKE,
    holds=(Folder("activations/{epoch}/penultimate_positions.zarr", "array (image, position, unit)"),),
    version=1,
    needs=(Need(CHECKPOINT),),
    fields=("activations.dtype",),
)
BRANCH_ACTIVATIONS = Artefact(
    name="branch_activations",
    group="internal",
    kinds=frozenset({"torch", "zarr"}),
    description="Pooled activations in the branches of residual blocks. One array (image, unit) per block and branch.",
    grain="layer",
    layers="blocks",
    asked="internal",
    make=_MAKE,
    holds=(Folder("branches/{epoch}/{layer}.zarr", "group with an array (image, unit) for each branch"),),
    version=1,
    needs=(Need(CHECKPOINT),),
    fields=("activations.pooling", "activations.dtype"),
    outside=(BRANCH_PLACES,),
)
DECLARED = (ACTIVATIONS, POSITIONS, BRANCH_ACTIVATIONS)
