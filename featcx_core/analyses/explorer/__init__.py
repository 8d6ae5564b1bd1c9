"""Declaration of the concept explorer."""

from featcx_core.analyses.activations import POSITIONS
from featcx_core.analyses.codes import CODES
from featcx_core.analyses.concept_effects import CONCEPT_EFFECTS
from featcx_core.analyses.dictionary import DICTIONARY
from featcx_core.analyses.strongest_images import STRONGEST_IMAGES
from featcx_core.analyses.visualisation import VISUALISATION
from featcx_core.artefacts.declaration import Artefact, Folder, Need

EXPLORER = Artefact(
    name="explorer",
    group="report",
    kinds=frozenset({"html"}),
    description="Every concept, to look at, in a browser.",
    grain="once",
    grows=False,
    make="featcx_core.analyses.explorer.make:write_explorer",
    holds=(Folder("report/explorer", "a page with its data"),),
    version=5,
    needs=(
        Need(CODES, epochs="reference"),
        Need(STRONGEST_IMAGES, epochs="reference"),
        Need(STRONGEST_IMAGES, uses="if_there"),
        Need(CONCEPT_EFFECTS, epochs="reference"),
        Need(DICTIONARY, epochs="reference", uses="if_there"),
        Need(POSITIONS, epochs="reference", uses="if_there"),
        Need(VISUALISATION, uses="if_there"),
    ),
    reads_tables=True,
    fields=("name", "analyses", "probe.reference_epoch", "training.epochs", "training.save"),
)
DECLARED = (EXPLORER,)
