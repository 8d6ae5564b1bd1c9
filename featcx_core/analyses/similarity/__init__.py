"""Declarations of the similarities of layers."""

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.artefacts.declaration import Artefact, Check, Need, Rows
from featcx_core.store.tables import count, left_out, real, table, text

_CHECKS = "featcx_core.analyses.similarity.checks"
_MAKE = "featcx_core.analyses.similarity.make"
_CONSTANT = "null where a layer is constant"

SIMILARITY_FIELDS = (
    "seed",
    "probe.groups",
    *(
        f"similarity.{name}"
        for name in ("measures", "centrings", "images", "threshold", "neighbours", "permutations", "draws")
    ),
)
"""Fields of the study that decide similarities."""
SIMILARITY_TABLE = table(
    "similarity",
    "One row per (epoch and layer of one side, study, epoch and layer of the other, measure, centring).",
    ("study_a", "epoch_a", "layer_a", "study_b", "epoch_b", "layer_b", "measure", "centring"),
    text("study_a", "Study of the first side, in a comparison; empty: the study itself."),
    count("epoch_a", "Checkpoint of the first side."),
    text("layer_a", "Layer of the first side."),
    text("study_b", "Study of the second side, in a comparison; empty: the study itself."),
    count("epoch_b", "Checkpoint of the second side."),
    text("layer_b", "Layer of the second side."),
    text("measure", "cka, svcca, pwcca (weighted by the first side; pwcca_swapped: by the second), procrustes, …"),
    text("centring", "plain, or within_classes: class means are subtracted from both sides."),
    real(
        "value",
        f"Similarity: 1 = the same; see the nulls for what chance gives; {_CONSTANT}.",
        -1.0,
        1.0,
        nullable=True,
    ),
    real("low", f"Lower end of its 95 % jackknife t-interval over images; {_CONSTANT}.", -1.0, 1.0, nullable=True),
    real("high", f"Upper end; {_CONSTANT}.", -1.0, 1.0, nullable=True),
    real("null_gaussian", "Mean similarity of independent Gaussian data of the same shape.", -1.0, 1.0, nullable=True),
    real(
        "null_permuted", "Mean similarity with one side's images permuted (in their classes).", -1.0, 1.0, nullable=True
    ),
    real("null_permuted_high", "95 % quantile over the permutations.", -1.0, 1.0, nullable=True),
    real(
        "calibrated", "(value − null_permuted) / (1 − null_permuted): 0 = chance, 1 = same.", None, 1.0, nullable=True
    ),
    count("n_images", "Probe images.", 4.0),
    left_out("jackknife", f"Value without each group of images; {_CONSTANT}.", nullable=True),
)
SIMILARITY = Artefact(
    name="similarity",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="Similarity of all layers of an epoch with each other: CKA, SVCCA and others, beside what chance "
    "gives. One row per (layer, other layer, measure, centring).",
    grain="epoch",
    when="detailed",
    asked="default",
    make=f"{_MAKE}:similarity_of_layers",
    holds=(Rows(SIMILARITY_TABLE),),
    version=1,
    needs=(Need(ACTIVATIONS),),
    fields=SIMILARITY_FIELDS,
    checks=(
        Check(
            "similarity_beats_permuted_images",
            "Every layer is more similar to itself than to itself with its images permuted.",
            f"{_CHECKS}:layers_equal_themselves",
        ),
    ),
    refuse=f"{_MAKE}:refuse_too_few_images",
    figures="featcx_core.figures.similarity:layer_maps",
)
SIMILARITY_TO_END = Artefact(
    name="similarity_to_end",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="Similarity of each layer with itself at the reference epoch. One row per (layer, measure, centring) "
    "of every other epoch, in the table `similarity`.",
    grain="epoch",
    when="others",
    asked="default",
    make=f"{_MAKE}:similarity_to_end",
    holds=(Rows(SIMILARITY_TABLE, prefix="to_end-"),),
    version=1,
    needs=(Need(ACTIVATIONS), Need(ACTIVATIONS, epochs="reference")),
    is_possible=lambda study: not study.has_one_checkpoint,
    fields=SIMILARITY_FIELDS,
    figures="featcx_core.figures.similarity:convergence_curves",
    findings="featcx_core.findings.similarity:convergence_claims",
)
DECLARED = (SIMILARITY, SIMILARITY_TO_END)
