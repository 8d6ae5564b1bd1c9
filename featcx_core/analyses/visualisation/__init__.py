"""Declaration of pictures made to excite concepts."""

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.artefacts.declaration import Artefact, Folder, Need

VISUALISATION = Artefact(
    name="visualisation",
    group="measures",
    kinds=frozenset({"torch"}),
    description="Images made to excite a concept (MACO). One picture per chosen concept of the reference epoch.",
    grain="epoch",
    when="reference",
    asked="named",
    make="featcx_core.analyses.visualisation.make:make_pictures",
    holds=(Folder("visualisation/{epoch}", "arrays.zarr: images, concept, projection, start, best_image; PNG files"),),
    version=1,
    needs=(Need(CODES), Need(COMPLEXITY)),
    fields=("seed", "visualisation"),
)
DECLARED = (VISUALISATION,)
