"""Declaration of CKA and V-information in the branches of residual blocks."""

from featcx_core.analyses.activations import BRANCH_ACTIVATIONS
from featcx_core.analyses.codes import CODES
from featcx_core.artefacts.declaration import Artefact, Check, Need, Rows
from featcx_core.store.tables import CONCEPT, CONCEPT_OR_DIRECTION, EPOCH, left_out, real, share, table, text

_CHECKS = "featcx_core.analyses.branches.checks"

BRANCHES_TABLE = table(
    "branches",
    "One row per (epoch, block, branch, kind, concept) of the epoch's own dictionary.",
    ("epoch", "block", "branch", "kind", "concept"),
    EPOCH,
    text("block", "Module name of the residual block."),
    text("branch", "residual (what the shortcut brings) or main; attention, mlp, main_2 … of several."),
    text("shortcut", "identity, or projection: the shortcut is a learned map of what was given."),
    CONCEPT_OR_DIRECTION,
    CONCEPT,
    real(
        "cka", "Unbiased linear CKA of branch and code; about 0 = unrelated, 1 = the same; null if dead.", nullable=True
    ),
    share("cka_biased", "The biased, centred one; above 0 for unrelated ones; null if dead.", nullable=True),
    real(
        "cka_as_printed",
        "||K_A K_z||² / (||K_A²|| ||K_z²||) as in the paper's appendix E; null if dead.",
        0.0,
        nullable=True,
    ),
    real(
        "cka_shuffled",
        "Unbiased CKA with the code permuted over images: about 0; kind concept only; null if dead.",
        nullable=True,
    ),
    share("v_information", "Linearly decodable share of the code's variance; null if dead.", nullable=True),
    real("standard_error", "Its jackknife error before clipping; null if dead.", 0.0, nullable=True),
    left_out("cka_jackknife", "CKA without each group of probe images; null if dead.", nullable=True),
    left_out("jackknife", "Unclipped V-information without each group of score images; null if dead.", nullable=True),
)
BRANCHES = Artefact(
    name="branches",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="CKA and V-information of the residual and the main branch with every concept. One row per "
    "(epoch, block, branch, kind, concept).",
    grain="epoch",
    when="detailed",
    asked="default",
    make="featcx_core.analyses.branches.make:branch_rows",
    holds=(Rows(BRANCHES_TABLE),),
    version=5,
    needs=(Need(CODES), Need(BRANCH_ACTIVATIONS)),
    fields=("probe.penalties", "probe.groups"),
    checks=(
        Check(
            "permuted_codes_have_no_branch",
            "Unbiased CKA of any branch with codes that were permuted over images is close to 0 (|mean| <= 0.02).",
            f"{_CHECKS}:permuted_codes_have_no_branch",
        ),
        Check(
            "shortcuts_bring_what_came",
            "An identity shortcut brings the previous block's output, where both have the same shape and are recorded.",
            f"{_CHECKS}:shortcuts_bring_what_came",
        ),
        Check(
            "branches_has_random_directions",
            "At every epoch, in every branch, there are random directions beside the concepts.",
            f"{_CHECKS}:directions_stand_beside",
        ),
    ),
)
DECLARED = (BRANCHES,)
