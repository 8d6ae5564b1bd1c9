"""Declaration of the losses of single training images at every checkpoint."""

from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import EPOCH, Column, count, real, table

IMAGE_LOSSES_TABLE = table(
    "image_losses",
    "One row per (epoch, training image).",
    ("epoch", "image"),
    EPOCH,
    count("image", "Index of the image in the data."),
    real("loss", "Cross-entropy of the label that it was trained with, in nats.", 0.0),
    Column("is_correct", "bool", "Whether that label has the largest logit."),
    real("margin", "Logit of that label less the largest of the others; negative = wrong."),
)
IMAGE_LOSSES = Artefact(
    name="image_losses",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="Loss, correctness and margin of single training images. One row per (epoch, training image).",
    grain="epoch",
    asked="default",
    make="featcx_core.analyses.image_losses.make:image_loss_rows",
    holds=(Rows(IMAGE_LOSSES_TABLE),),
    version=1,
    needs=(Need(CHECKPOINT),),
    fields=("memorisation",),
    is_possible=lambda study: study.model.outputs != "none" and not study.has_one_checkpoint,
)
DECLARED = (IMAGE_LOSSES,)
