"""Declaration of means over clusters and super-classes."""

from featcx_core.analyses.clusters import CLUSTERS
from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import EPOCH, count, intervals, real, table, text

META_FEATURES_TABLE = table(
    "meta_features",
    "One row per (epoch, grouping, group, measure).",
    ("epoch", "grouping", "group_name", "measure"),
    EPOCH,
    text("grouping", "cluster, or super_class where the study names some."),
    text("group_name", "Cluster, or super-class (empty = in none); all for complexity_explained."),
    text("measure", "complexity, importance: the group's mean K, Γ. complexity_explained: ε², its share in K."),
    count("n_concepts", "Concepts with a complexity.", 1.0),
    real("value", "The measure; null where each concept is a group of its own, or K all the same.", nullable=True),
    *intervals("", over="the group's concepts; null where the value is, or for a mean of one"),
)
META_FEATURES = Artefact(
    name="meta_features",
    group="dynamics",
    kinds=frozenset({"parquet"}),
    description="Mean complexity and importance of clusters and super-classes. "
    "One row per (epoch, grouping, group, measure).",
    grain="once",
    asked="with",
    comes_with=(COMPLEXITY, CLUSTERS),
    make="featcx_core.analyses.meta_features.make:meta_feature_rows",
    holds=(Rows(META_FEATURES_TABLE),),
    version=1,
    needs=(
        Need(CLUSTERS),
        Need(COMPLEXITY),
        Need(V_INFORMATION, layers="in_complexity"),
        Need(IMPORTANCE, uses="if_there"),
    ),
    fields=("seed", "analyses.bootstrap"),
)
DECLARED = (META_FEATURES,)
