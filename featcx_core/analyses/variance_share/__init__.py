"""Declaration of the share of a layer's variance that lies along a concept."""

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.codes import CODES
from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.declaration import Artefact, Check, Need, Rows
from featcx_core.store.tables import CONCEPT, CONCEPT_OR_DIRECTION, EPOCH, LAYER, share, table

_CHECKS = "featcx_core.analyses.variance_share.checks"

VARIANCE_SHARE_TABLE = table(
    "variance_share",
    "One row per (epoch, layer, kind, concept) of the epoch's own dictionary.",
    ("epoch", "layer", "kind", "concept"),
    EPOCH,
    LAYER,
    CONCEPT_OR_DIRECTION,
    CONCEPT,
    share(
        "variance_share",
        "Variance of the layer along the concept's reader over the layer's variance; null if dead.",
        nullable=True,
    ),
    share("v_information", "I_V of the same layer, as in `v_information`; null if dead.", nullable=True),
)
VARIANCE_SHARE = Artefact(
    name="variance_share",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="How much of a layer's variance lies along the direction that a concept is read from. One row per "
    "(epoch, layer, kind, concept).",
    grain="epoch",
    when="detailed",
    asked="default",
    make="featcx_core.analyses.variance_share.make:variance_share_rows",
    holds=(Rows(VARIANCE_SHARE_TABLE),),
    version=1,
    needs=(Need(CODES), Need(ACTIVATIONS, layers="in_complexity"), Need(V_INFORMATION, layers="in_complexity")),
    fields=("probe.penalties",),
    checks=(
        Check(
            "variance_share_has_random_directions",
            "At every epoch and layer there are random directions beside the concepts.",
            f"{_CHECKS}:directions_stand_beside",
        ),
    ),
    figures="featcx_core.figures.variance_share:variance_share_figures",
)
DECLARED = (VARIANCE_SHARE,)
