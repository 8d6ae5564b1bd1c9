"""Declaration of K over other choices of layers and readers."""

from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.analyses.readers import READERS
from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import EPOCH, Column, count, intervals, real, share, table, text


def _over_concepts(name: str, description: str) -> tuple[Column, ...]:
    return (real(name, description, -1.0, 1.0, nullable=True), *intervals(f"{name}_", -1.0, 1.0, over="concepts")[:2])


LAYER_CHOICES_TABLE = table(
    "layer_choices",
    "One row per (epoch, choice of layers or reader).",
    ("epoch", "choice"),
    EPOCH,
    text("choice", "all (K itself), without_first, without_last, one_a_stage; of `readers`: rbf, projected."),
    count("n_layers", "Layers that count.", 1.0),
    real("effective_layers", "How many different things they say: 1 … n_layers; null if unknown.", 1.0, nullable=True),
    count("n_concepts", "Concepts that have K."),
    share("mean_complexity", "Mean K of this choice; null without a living concept.", nullable=True),
    *_over_concepts("rank_correlation", "Spearman of K of this choice and K; 1 = the same order of concepts."),
    *_over_concepts("importance_correlation", "Spearman of K of this choice and Γ."),
)
LAYER_CHOICES = Artefact(
    name="layer_choices",
    group="dynamics",
    kinds=frozenset({"parquet"}),
    description="Complexity over other choices of layers, and by other readers where those are measured. "
    "One row per (epoch, "
    "choice), at the epochs of the detailed analyses.",
    grain="once",
    asked="with",
    comes_with=(COMPLEXITY,),
    make="featcx_core.analyses.layer_choices.make:choice_rows",
    holds=(Rows(LAYER_CHOICES_TABLE),),
    version=1,
    needs=(
        Need(COMPLEXITY),
        Need(V_INFORMATION, layers="in_complexity"),
        Need(IMPORTANCE, uses="if_there"),
        Need(READERS, uses="if_there"),
    ),
    fields=("seed", "probe.reference_epoch", "training.epochs", "analyses.bootstrap", "analyses.epochs"),
)
DECLARED = (LAYER_CHOICES,)
