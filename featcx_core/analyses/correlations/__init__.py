"""Declaration of correlations between properties of concepts."""

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.analyses.decode_time import DECODE_TIME
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.analyses.redundancy import REDUNDANCY
from featcx_core.analyses.sensitivity import SENSITIVITY
from featcx_core.analyses.v_information import REFERENCE_V_INFORMATION, V_INFORMATION
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import EPOCH, KIND, count, intervals, real, table, text

_CORRELATED = "concepts or directions; null where the value is"

CORRELATIONS_TABLE = table(
    "correlations",
    "One row per (epoch, kind, x, y, level, method, controls).",
    ("epoch", "kind", "x", "y", "level", "method", "controls"),
    EPOCH,
    KIND,
    text("x", "First property of a concept."),
    text("y", "Second property."),
    real("level", "Of y: masked_fraction of a redundancy, sigma of a sensitivity; null for others.", nullable=True),
    text("method", "spearman or pearson."),
    text("controls", "Properties held fixed (partial correlation), comma-separated; empty = raw."),
    real("value", "Correlation over them; null for too few, or where one is constant.", -1.0, 1.0, nullable=True),
    *intervals("", -1.0, 1.0, over=_CORRELATED)[:2],
    count("n", "Concepts, or directions, behind it."),
    *intervals("", -1.0, 1.0, over=_CORRELATED)[2:],
)
CORRELATIONS = Artefact(
    name="correlations",
    group="dynamics",
    kinds=frozenset({"parquet"}),
    description="How complexity goes with importance, time and the properties of "
    "concepts, raw and with others held fixed. "
    "One row per (epoch, kind, x, y, level, method, controls).",
    grain="once",
    asked="with",
    comes_with=(COMPLEXITY,),
    make="featcx_core.analyses.correlations.make:correlation_rows",
    holds=(Rows(CORRELATIONS_TABLE),),
    version=6,
    needs=(
        Need(COMPLEXITY),
        Need(CODES),
        Need(V_INFORMATION, layers="in_complexity"),
        Need(IMPORTANCE, uses="if_there"),
        Need(REDUNDANCY, uses="if_there"),
        Need(SENSITIVITY, uses="if_there"),
        Need(DECODE_TIME, uses="if_there"),
        Need(V_INFORMATION, epochs="reference", layers="penultimate", uses="if_there"),
        Need(REFERENCE_V_INFORMATION, epochs="until_reference", layers="penultimate", uses="if_there"),
    ),
    fields=("seed", "probe.reference_epoch", "training.epochs", "training.save", "analyses.bootstrap"),
)
DECLARED = (CORRELATIONS,)
