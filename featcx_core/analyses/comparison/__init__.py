"""Declaration of the comparison of studies."""

from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.analyses.correlations import CORRELATIONS
from featcx_core.analyses.sedimentation import SEDIMENTATION
from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.declaration import Artefact, Folder, Need, Rows
from featcx_core.store.tables import EPOCH, Column, count, real, table, text

_COMPARISON = text("study", "Name of the comparison, or of the sweep.")
_MEASURE = text("measure", "What was measured, named as in the tables; `_partial`: controls held fixed.")

COMPARED_TABLE = table(
    "compared",
    "One row per (study that is compared, epoch, measure).",
    ("member", "epoch", "measure"),
    text("member", "Name of the study that is compared."),
    text("settings", "The fields in which the studies differ and its values, as JSON."),
    EPOCH,
    Column("is_reference", "bool", "Whether it is the study's reference epoch."),
    _MEASURE,
    real("value", "What the study measured."),
    real("low", "2.5 % point over the study's concepts; null for accuracies.", nullable=True),
    real("high", "97.5 % point over the study's concepts; null for accuracies.", nullable=True),
    Column("n", "int64", "Concepts behind it; null for accuracies.", 0.0, nullable=True),
    study=_COMPARISON,
)
COMPARISON_TABLE = table(
    "comparison",
    "One row per (field, value, against, epoch, measure) of studies that are compared.",
    ("field", "value", "against", "epoch", "measure"),
    text("field", "Field of the study, dotted, in which they differ."),
    text("together_with", "Fields that part the studies alike, comma-separated; not to be told apart."),
    text("value", "Value of the field."),
    text("against", "Empty: a mean over studies. Else the value that is subtracted, all else equal."),
    Column("epoch", "int64", "Checkpoint; null = the end, each study's own reference epoch.", 0.0, nullable=True),
    _MEASURE,
    real("mean", "Mean over the studies of that value, or of the differences over pairs of studies."),
    real("low", "Lower end of its 95 % t-interval over studies or pairs; null for one.", nullable=True),
    real("high", "Upper end; with few studies it may leave the measure's range.", nullable=True),
    count("n", "Studies, or pairs.", 1.0),
    study=_COMPARISON,
)
COMPARISON = Artefact(
    name="comparison",
    group="comparison",
    kinds=frozenset({"parquet", "matplotlib", "html"}),
    description="Studies side by side, by the fields in which they differ. Table `compared`: one row per (study, "
    "epoch, measure); table `comparison`: one row per (field, value, against, epoch, measure).",
    grain="group",
    make="featcx_core.analyses.comparison.make:compare_studies",
    holds=(
        Rows(COMPARED_TABLE),
        Rows(COMPARISON_TABLE),
        Folder("comparison", "a page with its figures"),
    ),
    version=2,
    needs=(
        Need(CHECKPOINT, uses="if_there"),
        Need(V_INFORMATION, uses="if_there"),
        Need(COMPLEXITY, uses="if_there"),
        Need(SEDIMENTATION, uses="if_there"),
        Need(CORRELATIONS, uses="if_there"),
    ),
)
DECLARED = (COMPARISON,)
