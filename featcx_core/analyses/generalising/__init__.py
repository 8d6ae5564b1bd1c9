"""Declaration of the signs of generalising and memorising, side by side."""

from featcx_core.analyses.ablation import ABLATION
from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.analyses.memorisation import MEMORISATION
from featcx_core.analyses.selectivity import SELECTIVITY
from featcx_core.analyses.similarity import SIMILARITY_TO_END
from featcx_core.analyses.spectra import SPECTRA
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import count, real, table, text

GENERALISING_TABLE = table(
    "generalising",
    "One row per sign, at the reference epoch.",
    ("sign",),
    text("sign", "What is measured: accuracy_gap, ablation_area, selectivity, late_images, …"),
    real("value", "Its value."),
    real("low", "Lower end of its 95 % interval; null where it has none.", nullable=True),
    real("high", "Upper end.", nullable=True),
    text("over", "What the interval is over: images, units, concepts."),
    count("n", "Images, units, concepts or layers behind it.", 1.0),
)
GENERALISING = Artefact(
    name="generalising",
    group="dynamics",
    kinds=frozenset({"numpy", "parquet"}),
    description="Generalising or memorising: accuracy gap, ablation area, selectivity, noise spectra, images learned "
    "late and complexity in one table. One row per sign, at the reference epoch.",
    grain="once",
    asked="with",
    comes_with=(MEMORISATION,),
    make="featcx_core.analyses.generalising.make:sign_rows",
    holds=(Rows(GENERALISING_TABLE),),
    version=2,
    needs=(
        Need(MEMORISATION),
        Need(CHECKPOINT),
        Need(ABLATION, uses="if_there"),
        Need(SELECTIVITY, epochs="reference", uses="if_there"),
        Need(SPECTRA, uses="if_there"),
        Need(SIMILARITY_TO_END, uses="if_there"),
        Need(COMPLEXITY, epochs="reference", uses="if_there"),
    ),
    fields=("probe.reference_epoch",),
    is_possible=lambda study: study.model.outputs != "none",
    figures="featcx_core.figures.generalising:sign_figures",
    findings="featcx_core.findings.generalising:sign_claims",
)
DECLARED = (GENERALISING,)
