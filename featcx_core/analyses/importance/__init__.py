"""Declaration of importance Γ."""

from featcx_core.analyses.codes import CODES
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import CONCEPT, EPOCH, left_out, real, share, table

IMPORTANCE_TABLE = table(
    "importance",
    "One row per (epoch, concept) of the epoch's own dictionary.",
    ("epoch", "concept"),
    EPOCH,
    CONCEPT,
    real("importance", "Γ: mean |contribution to the predicted class's logit|.", 0.0),
    real("signed_importance", "Mean contribution with its sign; negative = inhibitor."),
    share("prevalence_fraction", "Share of probe images on which the concept is active."),
    left_out("jackknife", "Γ without each group of probe images."),
)
IMPORTANCE = Artefact(
    name="importance",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="Γ: how much the decision relies on a concept. One row per (epoch, concept).",
    grain="epoch",
    asked="default",
    make="featcx_core.analyses.importance.make:importance_rows",
    holds=(Rows(IMPORTANCE_TABLE),),
    version=2,
    needs=(Need(CODES),),
    fields=("probe.groups",),
)
DECLARED = (IMPORTANCE,)
