"""Declaration of memorisation: how single training images were learned."""

from featcx_core.analyses.image_losses import IMAGE_LOSSES
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import Column, count, real, share, table, text

MEMORISATION_TABLE = table(
    "memorisation",
    "One row per training image.",
    ("image",),
    count("image", "Index of the image in the data."),
    real("cumulative_loss", "Sum of its loss over the trained checkpoints, in nats; larger = rather memorised.", 0.0),
    count("n_forgotten", "Times it was right at a checkpoint and wrong at the next; larger = rather memorised."),
    Column("is_ever_right", "bool", "Whether it was right at any trained checkpoint."),
    real("epoch_learned", "First checkpoint from which on it stays right; null where it is wrong at the last.", 0.0,
         nullable=True),
    real("final_loss", "Loss at the last checkpoint, in nats.", 0.0),
    real("margin", "Margin at the last checkpoint, in logits; smaller = rather memorised."),
    count("n_checkpoints", "Trained checkpoints.", 1.0),
    count("label", "Class that it was trained with."),
    text("class_name", "Name of that class."),
    count("label_before", "Class before the study corrupted labels; the same where it did not."),
)  # fmt: skip
DETECTION_TABLE = table(
    "memorisation_detection",
    "One row per score, where the study corrupts labels.",
    ("score",),
    text("score", "Column of `memorisation` by which images are ranked; of the margin, the smallest first."),
    share("roc_auc", "How well it tells images of another label than before from the others; 0.5 = by chance."),
    share("low", "Lower end of its 95 % interval over images."),
    share("high", "Upper end."),
    count("n_noisy", "Images of another label than before.", 1.0),
    count("n_images", "Images.", 2.0),
)
MEMORISATION = Artefact(
    name="memorisation",
    group="dynamics",
    kinds=frozenset({"numpy", "parquet"}),
    description="How single training images were learned: cumulative loss, forgetting, epoch learned, margin. One row "
    "per training image; table `memorisation_detection`: one row per score, where the study corrupts labels.",
    grain="once",
    asked="default",
    make="featcx_core.analyses.memorisation.make:memorisation_rows",
    holds=(Rows(MEMORISATION_TABLE), Rows(DETECTION_TABLE)),
    version=1,
    needs=(Need(IMAGE_LOSSES),),
    fields=("seed", "data"),
    is_possible=lambda study: study.model.outputs != "none" and not study.has_one_checkpoint,
    figures="featcx_core.figures.memorisation:memorisation_figures",
    findings="featcx_core.findings.memorisation:memorisation_claims",
)
DECLARED = (MEMORISATION,)
