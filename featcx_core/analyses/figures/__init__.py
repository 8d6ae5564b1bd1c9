"""Declaration of the figures of the report."""

from featcx_core.analyses.activations import POSITIONS
from featcx_core.analyses.dictionary import DICTIONARY
from featcx_core.analyses.visualisation import VISUALISATION
from featcx_core.artefacts.declaration import Artefact, Folder, Need
from featcx_core.artefacts.fingerprints import DRAWINGS

FAILED = "failed"
"""Name of the figure that says why an analysis has none."""

FIGURES = Artefact(
    name="figures",
    group="report",
    kinds=frozenset({"matplotlib"}),
    description="Every figure of the report: PNG files for slides, SVG files for the page.",
    grain="once",
    grows=False,
    make="featcx_core.analyses.figures.make:draw",
    holds=(Folder("report/figures", "a PNG and an SVG file a figure"),),
    version=18,
    needs=(
        Need(POSITIONS, epochs="reference", uses="if_there"),
        Need(DICTIONARY, epochs="reference", uses="if_there"),
        Need(VISUALISATION, uses="if_there"),
    ),
    reads_tables=True,
    fields=("name", "analyses", "probe.reference_epoch", "training.epochs", "training.save"),
    outside=(DRAWINGS,),
    preview="featcx_core.analyses.figures.make:pictures",
)
DECLARED = (FIGURES,)
