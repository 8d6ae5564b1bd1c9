"""Declaration of the stability of concepts over dictionaries."""

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.codes import CODES
from featcx_core.analyses.dictionary_activations import DICTIONARY_ACTIVATIONS
from featcx_core.artefacts.declaration import Artefact, Check, Need, Rows
from featcx_core.store.tables import CONCEPT, EPOCH, count, real, share, table, text

_SEEDS = count("n_seeds", "Further dictionaries, each fitted from another seed.", 2.0)

STABILITY_TABLE = table(
    "stability",
    "One row per concept of an epoch's dictionary.",
    ("epoch", "concept"),
    EPOCH,
    CONCEPT,
    _SEEDS,
    share(
        "found_fraction",
        "Share of the other seeds in which its atom is found again (`stability.cosine`); null for a zero atom.",
        nullable=True,
    ),
    real("mean_cosine", "Mean cosine with its partners, 1 = the same; null for a zero atom.", -1.0, 1.0, nullable=True),
    real(
        "complexity_spread",
        "Standard deviation of K over the concept and the atoms that were found; null where dead, or none was found.",
        0.0,
        nullable=True,
    ),
)
STABILITY_CORRELATIONS_TABLE = table(
    "stability_correlations",
    "One row per (epoch, x, y, level, method, controls): a correlation over the concepts of other dictionaries.",
    ("epoch", "x", "y", "level", "method", "controls"),
    EPOCH,
    text("x", "First property of a concept."),
    text("y", "Second property."),
    real("level", "Of y: masked_fraction of a redundancy; null for others.", nullable=True),
    text("method", "spearman or pearson."),
    text("controls", "Properties held fixed (partial correlation), comma-separated; empty = raw."),
    real("value", "Correlation over the concepts of the study's dictionary.", -1.0, 1.0, nullable=True),
    _SEEDS,
    real("mean_dictionaries", "Mean correlation over the other dictionaries.", -1.0, 1.0, nullable=True),
    real("spread_dictionaries", "Standard deviation over them.", 0.0, nullable=True),
    real("low_dictionaries", "Low end of the 95 % t-interval over dictionaries.", -1.0, 1.0, nullable=True),
    real("high_dictionaries", "High end of the 95 % t-interval over dictionaries.", -1.0, 1.0, nullable=True),
)
STABILITY = Artefact(
    name="stability",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="How far concepts hang on the seed of the factorisation: which of them other seeds find again, and how "
    "K and its correlations move. One row per concept; table `stability_correlations`: one row per correlation.",
    grain="epoch",
    when="detailed",
    asked="default",
    make="featcx_core.analyses.stability.make:stability_rows",
    holds=(Rows(STABILITY_TABLE), Rows(STABILITY_CORRELATIONS_TABLE)),
    version=1,
    needs=(Need(CODES), Need(DICTIONARY_ACTIVATIONS), Need(ACTIVATIONS, layers="in_complexity")),
    fields=("seed", "stability", "redundancy", "dictionary.scope", "dictionary.l1", "dictionary.l2", "probe.penalties"),
    checks=(
        Check(
            "concepts_are_found_again",
            "Other seeds find more of the concepts of trained epochs than random atoms would match (mean cosine).",
            "featcx_core.analyses.stability.checks:found_more_than_random",
        ),
    ),
    figures="featcx_core.figures.stability:stability_figures",
)
DECLARED = (STABILITY,)
