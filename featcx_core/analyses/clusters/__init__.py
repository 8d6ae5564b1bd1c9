"""Declaration of meta-features: clusters of atoms, their dendrogram and a plane."""

from featcx_core.analyses.dictionary import DICTIONARY
from featcx_core.artefacts.declaration import Artefact, Check, Need, Rows
from featcx_core.artefacts.fingerprints import CLASS_NAMES, SUPER_CLASSES
from featcx_core.store.tables import CONCEPT, EPOCH, count, real, table, text

_CHECKS = "featcx_core.analyses.clusters.checks"

CLUSTERS_TABLE = table(
    "clusters",
    "One row per concept of an epoch's dictionary.",
    ("epoch", "concept"),
    EPOCH,
    CONCEPT,
    count("cluster", "Meta-feature: cluster of the atom, by K-means; -1 for a zero atom.", -1.0),
    real("x", "First coordinate of the atom on a plane; null for a zero atom.", nullable=True),
    real("y", "Second coordinate; null for a zero atom.", nullable=True),
    text("super_class", "Super-class of the concept's class; empty where the study names none."),
    *(
        count(f"level_{n}", f"Branch of the clusters' dendrogram, level {n} of 4, coarse to fine; -1 as above.", -1.0)
        for n in range(1, 5)
    ),
)
CLUSTERS = Artefact(
    name="clusters",
    group="measures",
    kinds=frozenset({"scikitlearn", "parquet"}),
    description="Meta-features: clusters of atoms, their dendrogram, and a plane. One row per concept.",
    grain="epoch",
    when="detailed",
    asked="default",
    make="featcx_core.analyses.clusters.make:cluster_rows",
    holds=(Rows(CLUSTERS_TABLE),),
    version=1,
    needs=(Need(DICTIONARY),),
    fields=("seed", "clusters", "data.superclasses"),
    outside=(SUPER_CLASSES, CLASS_NAMES),
    refuse="featcx_core.features.method:refuse_unusable_clusters",
    checks=(
        Check(
            "clusters_are_nested",
            "Every cluster lies in one branch of each level, and every branch in one branch of the level above.",
            f"{_CHECKS}:clusters_are_nested",
        ),
        Check(
            "super_classes_cover_all_classes",
            "Where the study names super-classes, every class is in one; a class in none keeps its rows, without one.",
            f"{_CHECKS}:super_classes_cover_all",
        ),
    ),
)
DECLARED = (CLUSTERS,)
