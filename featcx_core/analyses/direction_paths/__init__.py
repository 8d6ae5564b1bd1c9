"""Declaration of signal and noise directions over training."""

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import EPOCH, LAYER, count, share, table

DIRECTION_PATHS_TABLE = table(
    "direction_paths",
    "One row per (epoch, layer, rank).",
    ("epoch", "layer", "rank"),
    EPOCH,
    LAYER,
    count("rank", "Place of the direction in its set, by its correlation at the epoch; 1 = highest.", 1.0),
    share("signal", "Correlation with the layer of the directions of its end that had settled at `chosen_at`."),
    share("noise", "That of as many directions of its end that had settled least."),
    share("chance", "Root mean square correlation of unrelated directions."),
    count("chosen_at", "Epoch at which both sets are told apart: high and low there by selection."),
    count("n_directions", "Directions in each set.", 1.0),
    count("n_images", "Probe images.", 2.0),
)
DIRECTION_PATHS = Artefact(
    name="direction_paths",
    group="dynamics",
    kinds=frozenset({"torch", "parquet"}),
    description="Signal and noise: directions of each layer's end that settle early, and those that change until the "
    "end, by their canonical correlations with the layer at every epoch. One row per (epoch, layer, rank).",
    grain="once",
    asked="default",
    make="featcx_core.analyses.direction_paths.make:direction_rows",
    holds=(Rows(DIRECTION_PATHS_TABLE),),
    version=1,
    needs=(Need(ACTIVATIONS),),
    is_possible=lambda study: not study.has_one_checkpoint,
    fields=(
        "probe.reference_epoch",
        "training.epochs",
        "similarity.images",
        "similarity.directions",
        "similarity.directions_from",
    ),
    figures="featcx_core.figures.direction_paths:signal_and_noise",
)
DECLARED = (DIRECTION_PATHS,)
