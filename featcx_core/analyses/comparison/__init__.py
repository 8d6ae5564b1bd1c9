"""Declaration of the comparison of studies."""

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.analyses.correlations import CORRELATIONS
from featcx_core.analyses.generalising import GENERALISING
from featcx_core.analyses.sedimentation import SEDIMENTATION
from featcx_core.analyses.similarity import SIMILARITY_TABLE
from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.declaration import Artefact, Folder, Need, Rows
from featcx_core.store.tables import EPOCH, Column, count, real, share, table, text

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
_ABOUT = (
    text("field", "Field of the study, dotted, in which they differ; group: all fields but the seeds together."),
    text("layer", "Layer, compared with the layer of the same name; in `separation` empty: the mean over layers."),
    text("measure", "Measure of similarity, as in the table `similarity`."),
    text("centring", "plain or within_classes."),
)
SIMILARITY_WITHIN_TABLE = table(
    "similarity_within",
    "One row per (field, value, layer, measure, centring) of studies that are compared.",
    ("field", "value", "layer", "measure", "centring"),
    *_ABOUT,
    text("value", "Value of the field that the studies share."),
    real("mean", "Mean calibrated similarity over pairs of these studies; null where one is missing.", nullable=True),
    real("low", "Lower end of its 95 % jackknife t-interval over studies; null below three.", nullable=True),
    real("high", "Upper end.", nullable=True),
    count("n_pairs", "Pairs of studies.", 1.0),
    count("n_studies", "Studies.", 2.0),
    study=_COMPARISON,
)
SEPARATION_TABLE = table(
    "separation",
    "One row per (field, layer, measure, centring) of studies that are compared.",
    ("field", "layer", "measure", "centring"),
    *_ABOUT,
    share("auprc", "Area under the precision-recall curve: 1 = groups by value are apart.", nullable=True),
    share("auprc_chance", "About that of a useless measure.", nullable=True),
    share("auprc_low", "Lower end of its 95 % interval over seeds; of the mean over layers alone.", nullable=True),
    share("auprc_high", "Upper end.", nullable=True),
    share("violation_rate", "Share of (pair within, pair across) where within is no more similar.", nullable=True),
    share("violation_rate_low", "Lower end of its 95 % interval over seeds, likewise.", nullable=True),
    share("violation_rate_high", "Upper end.", nullable=True),
    count("n_studies", "Studies.", 4.0),
    study=_COMPARISON,
)
SIGNS_TABLE = table(
    "generalising_by_group",
    "One row per (sign, group) of studies that are compared.",
    ("sign", "group_name"),
    text("sign", "Sign, as in the table `generalising`; similarity_of_seeds: of the group's networks, last layer."),
    text("group_name", "Group: studies that differ in their seeds alone, in words."),
    real("mean", "Mean over the group's studies."),
    real("low", "Lower end of its 95 % interval over studies; null for one.", nullable=True),
    real("high", "Upper end.", nullable=True),
    count("n", "Studies.", 1.0),
    real("difference", "Mean difference to the first group, over pairs of the same seeds; null for it.", nullable=True),
    real("difference_low", "Lower end of its 95 % interval over pairs.", nullable=True),
    real("difference_high", "Upper end.", nullable=True),
    count("n_pairs", "Pairs."),
    study=_COMPARISON,
)
COMPARISON = Artefact(
    name="comparison",
    group="comparison",
    kinds=frozenset({"parquet", "matplotlib", "html"}),
    description="Studies side by side, by the fields in which they differ. Table `compared`: one row per (study, "
    "epoch, measure); table `comparison`: one row per (field, value, against, epoch, measure); tables `similarity`, "
    "`similarity_within` and `separation`: how alike their networks are; `generalising_by_group`: whether they "
    "generalise or memorise.",
    grain="group",
    make="featcx_core.analyses.comparison.make:compare_studies",
    holds=(
        Rows(COMPARED_TABLE),
        Rows(SIMILARITY_TABLE),
        Rows(SIMILARITY_WITHIN_TABLE),
        Rows(SEPARATION_TABLE),
        Rows(SIGNS_TABLE),
        Rows(COMPARISON_TABLE),
        Folder("comparison", "a page with its figures"),
    ),
    version=3,
    needs=(
        Need(CHECKPOINT, uses="if_there"),
        Need(V_INFORMATION, uses="if_there"),
        Need(COMPLEXITY, uses="if_there"),
        Need(SEDIMENTATION, uses="if_there"),
        Need(CORRELATIONS, uses="if_there"),
        Need(ACTIVATIONS, epochs="reference", uses="if_there"),
        Need(GENERALISING, uses="if_there"),
    ),
)
DECLARED = (COMPARISON,)
