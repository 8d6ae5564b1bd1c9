"""Declaration of class selectivity and mutual information of single units."""

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.artefacts.declaration import Artefact, Check, Need, Rows
from featcx_core.store.tables import EPOCH, LAYER, count, real, share, table

SELECTIVITY_TABLE = table(
    "selectivity",
    "One row per (epoch, layer, unit).",
    ("epoch", "layer", "unit"),
    EPOCH,
    LAYER,
    count("unit", "Recorded unit of the layer."),
    share(
        "selectivity",
        "(μ_max − μ_others) / (μ_max + μ_others) of class means; 1 = active for one class; null for a unit that is "
        "never active or has a negative class mean.",
        nullable=True,
    ),
    share("selectivity_by_chance", "The same with shuffled labels, mean; null likewise.", nullable=True),
    real("mutual_information_bits", "Information of the binned activation about the class.", 0.0),
    real("mutual_information_by_chance_bits", "Its expectation for a unit unrelated to the class.", 0.0),
    count("class_id", "Class of the largest mean activation."),
    count("n_images", "Probe images.", 1.0),
)
SELECTIVITY = Artefact(
    name="selectivity",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="Class selectivity of single units, and their mutual information with the class. "
    "One row per (epoch, layer, unit).",
    grain="epoch",
    asked="default",
    make="featcx_core.analyses.selectivity.make:selectivity_rows",
    holds=(Rows(SELECTIVITY_TABLE),),
    version=1,
    needs=(Need(ACTIVATIONS),),
    fields=("seed", "selectivity"),
    is_possible=lambda study: not study.data.unlabelled,
    figures="featcx_core.figures.selectivity:selectivity_figures",
    checks=(
        Check(
            "units_know_more_than_chance",
            "At trained epochs the units before the head say more about the class than by chance (median over units).",
            "featcx_core.analyses.selectivity.checks:units_know_more_than_chance",
        ),
    ),
)
DECLARED = (SELECTIVITY,)
