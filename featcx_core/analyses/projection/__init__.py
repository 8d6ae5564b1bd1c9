"""Declaration of the projection of layers on few directions."""

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import EPOCH, LAYER, count, left_out, real, share, table, text

PROJECTION_TABLE = table(
    "projection",
    "One row per (epoch, layer, basis, number of directions kept).",
    ("epoch", "layer", "basis", "n_directions"),
    EPOCH,
    LAYER,
    text("basis", "svcca: top directions with the layer at an earlier epoch; random_units; most_active_units."),
    count("n_directions", "Directions or units that are kept; the others are set to their mean.", 1.0),
    share("accuracy", "Held-out accuracy, without retraining; of random units the mean over draws."),
    share("low", "Lower end of the 95 % jackknife t-interval over groups of test images."),
    share("high", "Upper end."),
    real("relative_accuracy", "accuracy / accuracy of the whole network; null if that is 0.", 0.0, nullable=True),
    count("n_images", "Test images.", 1.0),
    left_out("jackknife", "Accuracy without each group of test images."),
)
PROJECTION = Artefact(
    name="projection",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="Accuracy with a layer of the reference epoch projected on few directions. One row per (epoch, layer, "
    "basis, number of directions).",
    grain="once",
    asked="named",
    make="featcx_core.analyses.projection.make:projection_rows",
    holds=(Rows(PROJECTION_TABLE),),
    version=1,
    needs=(Need(ACTIVATIONS), Need(CHECKPOINT, epochs="reference")),
    fields=(
        "seed",
        "probe.groups",
        "probe.reference_epoch",
        "training.epochs",
        "similarity.images",
        "similarity.threshold",
        "similarity.directions_from",
        "similarity.kept",
        "similarity.unit_draws",
    ),
    figures="featcx_core.figures.projection:projection_curves",
    findings="featcx_core.findings.projection:projection_claims",
)
DECLARED = (PROJECTION,)
