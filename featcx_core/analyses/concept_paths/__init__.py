"""Declaration of the paths of single concepts through training."""

from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.analyses.dictionary import DICTIONARY
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.artefacts.declaration import Artefact, Check, Need, Rows
from featcx_core.store.tables import CONCEPT, EPOCH, Column, real, share, table

CONCEPT_PATHS_TABLE = table(
    "concept_paths",
    "One row per (concept of the reference epoch, epoch).",
    ("concept", "epoch"),
    CONCEPT,
    EPOCH,
    Column("matched_concept", "int64", "The epoch's concept that is matched to it; null = none.", 0.0, nullable=True),
    real("cosine", "Cosine of their atoms; 1 = the same direction; null without a match.", -1.0, 1.0, nullable=True),
    real("null_cosine", "What random atoms reach by the same matching, 95 % quantile.", -1.0, 1.0, nullable=True),
    share("complexity", "K of the matched concept at its epoch; null if dead or none.", nullable=True),
    real("importance", "Γ of the matched concept at its epoch; null without a match.", 0.0, nullable=True),
)
CONCEPT_PATHS = Artefact(
    name="concept_paths",
    group="dynamics",
    kinds=frozenset({"parquet"}),
    description="The reference epoch's concepts, matched at every epoch. One row per (concept, epoch).",
    grain="once",
    asked="default",
    make="featcx_core.analyses.concept_paths.make:path_rows",
    holds=(Rows(CONCEPT_PATHS_TABLE),),
    version=1,
    needs=(
        Need(DICTIONARY),
        Need(COMPLEXITY),
        Need(IMPORTANCE),
        Need(DICTIONARY, epochs="reference"),
        Need(COMPLEXITY, epochs="reference"),
        Need(IMPORTANCE, epochs="reference"),
    ),
    fields=("seed", "probe.reference_epoch", "training.epochs", "training.save"),
    is_possible=lambda study: not study.has_one_checkpoint,
    checks=(
        Check(
            "matches_are_unique",
            "No concept of an epoch is matched to two of the reference epoch's, which match themselves with cosine 1.",
            "featcx_core.analyses.concept_paths.checks:matches_are_unique",
        ),
    ),
)
DECLARED = (CONCEPT_PATHS,)
