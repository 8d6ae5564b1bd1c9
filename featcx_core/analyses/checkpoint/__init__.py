"""Declaration of the checkpoints: validated, digested, measured."""

from featcx_core.analyses.training import TRAINING
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.artefacts.fingerprints import LABELS, TENSORS
from featcx_core.store.tables import EPOCH, real, share, table, text

_NO_CLASSES = "null where no output is a class"

EPOCHS_TABLE = table(
    "epochs",
    "One row per checkpoint.",
    ("epoch",),
    EPOCH,
    real("train_loss", f"Mean cross-entropy on the training images, in nats; {_NO_CLASSES}.", 0.0, nullable=True),
    share("train_accuracy", f"Share of training images classified rightly; {_NO_CLASSES}.", nullable=True),
    real("test_loss", f"Mean cross-entropy on the test images, in nats; {_NO_CLASSES}.", 0.0, nullable=True),
    share("test_accuracy", f"Share of test images classified rightly; {_NO_CLASSES}.", nullable=True),
    real("learning_rate", "Learning rate of the epoch's last step; null where unknown.", 0.0, nullable=True),
    real("passes", "Passes over the training images; null for another program's checkpoints.", 0.0, nullable=True),
    text("digest", "Digest of the checkpoint's tensors."),
)
CHECKPOINT = Artefact(
    name="checkpoint",
    group="sources",
    kinds=frozenset({"torch", "parquet"}),
    description="Weights after an epoch, validated and measured. Table `epochs`: one row per checkpoint.",
    grain="epoch",
    make="featcx_core.analyses.checkpoint.make:epoch_row",
    holds=(Rows(EPOCHS_TABLE),),
    version=2,
    needs=(Need(TRAINING, uses="order"),),
    fields=("seed", "data", "model"),
    outside=(TENSORS, LABELS),
)
DECLARED = (CHECKPOINT,)
