"""Declaration of sedimentation curves."""

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import EPOCH, count, over_images, share, table, text

SEDIMENTATION_TABLE = table(
    "sedimentation",
    "One row per (epoch, group of concepts).",
    ("epoch", "group_name"),
    EPOCH,
    text("group_name", "all, or the most important share: top_1pct, top_5pct, top_10pct."),
    count("n_concepts", "Concepts in the group.", 1.0),
    share("mean_complexity", "Mean K of the group."),
    share("low", "Lower end of the 95 % t-interval over concepts."),
    share("high", "Upper end of the 95 % t-interval over concepts."),
    *over_images(0.0, 1.0),
)
SEDIMENTATION = Artefact(
    name="sedimentation",
    group="dynamics",
    kinds=frozenset({"parquet"}),
    description="Mean complexity by epoch, of all and of the most important concepts. One row per (epoch, group).",
    grain="once",
    asked="default",
    make="featcx_core.analyses.sedimentation.make:sedimentation_rows",
    holds=(Rows(SEDIMENTATION_TABLE),),
    version=3,
    needs=(Need(COMPLEXITY), Need(IMPORTANCE), Need(CODES), Need(V_INFORMATION, layers="in_complexity")),
    fields=("seed", "analyses.top_shares", "analyses.bootstrap"),
    is_possible=lambda study: not study.has_one_checkpoint,
)
DECLARED = (SEDIMENTATION,)
