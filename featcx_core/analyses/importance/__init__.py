"""Declaration of importance Γ."""

from featcx_core.analyses.codes import CODES
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import CONCEPT, EPOCH, left_out, real, share, table, text

IMPORTANCE_TABLE = table(
    "importance",
    "One row per (epoch, concept) of the epoch's own dictionary.",
    ("epoch", "concept"),
    EPOCH,
    CONCEPT,
    real("importance", "Γ: mean |contribution to the predicted class's logit|.", 0.0),
    real("signed_importance", "Mean contribution with its sign; negative = inhibitor."),
    share("prevalence_fraction", "Share of probe images on which the concept is active."),
    real("importance_when_active", "Γ over the images on which it is active; null if it never is.", 0.0, nullable=True),
    real("ablation_logit", "Mean fall of the predicted class's logit when the concept's part is removed."),
    real(
        "ablation_loss",
        "Mean rise of the cross-entropy when the concept's part is removed, in nats; below 0 = it does harm; null "
        "where no output is a class.",
        nullable=True,
    ),
    left_out("jackknife", "Γ without each group of probe images."),
    left_out("jackknife_when_active", "importance_when_active without each group; null if unknown.", nullable=True),
    left_out("jackknife_logit", "ablation_logit without each group."),
    left_out("jackknife_loss", "ablation_loss without each group; null where that is.", nullable=True),
)
OF_CONTROLS_TABLE = table(
    "importance_of_controls",
    "One row per (epoch, kind, concept) of the controls that have a direction.",
    ("epoch", "kind", "concept"),
    EPOCH,
    text("kind", "random_direction, unit or principal_component."),
    CONCEPT,
    real("importance", "Γ of the control, as if it were a concept; null if dead.", 0.0, nullable=True),
    left_out("jackknife", "Γ without each group of probe images; null if dead.", nullable=True),
)
IMPORTANCE = Artefact(
    name="importance",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="How much the decision relies on each concept (Γ), and what removing it changes. "
    "One row per (epoch, concept); table `importance_of_controls`: one row per (epoch, kind, concept).",
    grain="epoch",
    asked="default",
    make="featcx_core.analyses.importance.make:importance_rows",
    holds=(Rows(IMPORTANCE_TABLE), Rows(OF_CONTROLS_TABLE)),
    version=4,
    needs=(Need(CODES),),
    fields=("probe.groups",),
)
DECLARED = (IMPORTANCE,)
