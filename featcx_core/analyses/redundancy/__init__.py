"""Declaration of redundancy."""

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.codes import CODES
from featcx_core.artefacts.declaration import Artefact, Check, Need, Rows
from featcx_core.store.tables import CONCEPT, CONCEPT_OR_DIRECTION, EPOCH, count, left_out, real, share, table

_CHECKS = "featcx_core.analyses.redundancy.checks"

REDUNDANCY_TABLE = table(
    "redundancy",
    "One row per (epoch, kind, concept, masked share of units).",
    ("epoch", "kind", "concept", "masked_fraction"),
    EPOCH,
    CONCEPT_OR_DIRECTION,
    CONCEPT,
    share("masked_fraction", "Share of the penultimate layer's units that a mask removes."),
    count("n_masks", "Random masks.", 1.0),
    real(
        "redundancy",
        "Mean CKA with the units left / CKA with all; 1 = any of them would do; null if dead.",
        0.0,
        nullable=True,
    ),
    real("standard_deviation", "Over masks; higher = in fewer units; null if dead.", 0.0, nullable=True),
    real(
        "redundancy_as_printed",
        "The mean with the paper's appendix E in place of CKA; null if dead.",
        0.0,
        nullable=True,
    ),
    left_out("jackknife", "Redundancy without each group of images; null if dead.", nullable=True),
    left_out("jackknife_as_printed", "As printed without each group; null if dead.", nullable=True),
)
REDUNDANCY = Artefact(
    name="redundancy",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="The share of a concept that is left when units are hidden. "
    "One row per (epoch, kind, concept, masked share).",
    grain="epoch",
    when="detailed",
    asked="default",
    make="featcx_core.analyses.redundancy.make:redundancy_rows",
    holds=(Rows(REDUNDANCY_TABLE),),
    version=5,
    needs=(Need(CODES), Need(ACTIVATIONS, layers="penultimate")),
    fields=("seed", "redundancy", "probe.groups"),
    checks=(
        Check(
            "fewer_masked_units_change_less",
            "The fewer units are masked, the nearer is redundancy to 1, its value with none (median over concepts).",
            f"{_CHECKS}:fewer_masked_units_change_less",
        ),
        Check(
            "redundancy_has_random_directions",
            "At every epoch and masked share there are random directions beside the concepts.",
            f"{_CHECKS}:directions_stand_beside",
        ),
    ),
)
DECLARED = (REDUNDANCY,)
