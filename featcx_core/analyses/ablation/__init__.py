"""Declaration of ablation curves: how much the network leans on single directions."""

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.dictionary import DICTIONARY
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.analyses.selectivity import SELECTIVITY
from featcx_core.artefacts.declaration import Artefact, Check, Need, Rows
from featcx_core.store.tables import EPOCH, LAYER, Column, count, left_out, real, share, table, text

_CHECKS = "featcx_core.analyses.ablation.checks"
_SPLIT = text("split", "train: images that the network was trained on; test: held-out images.")
_CURVE = (
    EPOCH,
    LAYER,
    text("kind", "unit; concept (direction of an atom, before the head only) or random_direction."),
    text(
        "order",
        "Ablated first (a reserved word of SQL: quote it): selectivity, mutual_information or importance: the largest; "
        "random: the mean over several orders.",
    ),
    text("clamp", "Value of what is ablated: zero, or its mean over training images."),
    _SPLIT,
)
_KEYS = tuple(column.name for column in _CURVE)


def _accuracies(prefix: str = "") -> tuple[Column, ...]:
    return (
        share(f"{prefix}low", "Lower end of the 95 % interval of the accuracy over images."),
        share(f"{prefix}high", "Upper end."),
        real("relative_accuracy", "Accuracy / that of the whole network; null where that is 0.", 0.0, nullable=True),
        real("relative_low", "Lower end of its interval over images.", 0.0, nullable=True),
        real("relative_high", "Upper end.", 0.0, nullable=True),
    )


ABLATION_TABLE = table(
    "ablation",
    "One row per (epoch, layer, kind, order, clamp, split, share ablated).",
    (*_KEYS, "ablated_fraction"),
    *_CURVE,
    share("ablated_fraction", "Share of the units or directions that are ablated."),
    count("n_ablated", "Units or directions that are ablated."),
    share("accuracy", "Share of images classified rightly, mean over the orders."),
    *_accuracies(),
    share("orders_low", "Least accuracy that one of the orders leaves."),
    share("orders_high", "Most accuracy that one leaves."),
)
AREA_TABLE = table(
    "ablation_area",
    "One row per (epoch, layer, kind, order, clamp, split).",
    _KEYS,
    *_CURVE,
    real("area", "Area under the relative accuracy; 1 = nothing is lost; null where the accuracy is 0.", 0.0,
         nullable=True),
    real("low", "Lower end of its 95 % interval over images.", 0.0, nullable=True),
    real("high", "Upper end.", 0.0, nullable=True),
    real("beyond_random", "Area less that of random orders; negative = costs more.", nullable=True),
    real("beyond_random_low", "Lower end of its interval over images.", nullable=True),
    real("beyond_random_high", "Upper end.", nullable=True),
    count("n_images", "Images.", 1.0),
    left_out("jackknife", "Area without each group of images."),
)  # fmt: skip
UNITS_TABLE = table(
    "ablated_units",
    "One row per (epoch, layer, unit).",
    ("epoch", "layer", "unit"),
    EPOCH,
    LAYER,
    count("unit", "Unit of the layer, a whole map in convolutional layers; it alone is clamped to zero."),
    real("loss_rise", "Rise of the mean loss on held-out images, in nats; negative = better without it."),
    real("loss_rise_train", "The same on training images; decides the order `importance`."),
    real("accuracy_lost", "Accuracy on held-out images less that without the unit.", -1.0, 1.0),
    share("selectivity", "Its class selectivity; null as in the table of that name.", nullable=True),
    real("mutual_information_bits", "Its information about the class.", 0.0),
    left_out("jackknife", "loss_rise without each group of images."),
)
NOISE_TABLE = table(
    "ablation_noise",
    "One row per (epoch, layer, split, scale).",
    ("epoch", "layer", "split", "scale"),
    EPOCH,
    LAYER,
    _SPLIT,
    real("scale", "Deviation of the noise on all units, in standard deviations of each unit.", 0.0),
    share("accuracy", "Share of images classified rightly."),
    *_accuracies(),
)
ABLATION = Artefact(
    name="ablation",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="Accuracy as units, concepts or random directions of a layer are ablated one after the other, and as "
    "noise is added to its units. One row per (epoch, layer, kind, order, clamp, split, share ablated); table "
    "`ablation_area`: one row a curve; `ablated_units`: one row a unit; `ablation_noise`: one row a scale.",
    grain="epoch",
    when="detailed",
    asked="named",
    make="featcx_core.analyses.ablation.make:ablation_rows",
    holds=(Rows(ABLATION_TABLE), Rows(AREA_TABLE), Rows(UNITS_TABLE), Rows(NOISE_TABLE)),
    version=1,
    needs=(Need(SELECTIVITY), Need(DICTIONARY), Need(CODES), Need(IMPORTANCE)),
    fields=("seed", "ablation", "probe.groups", "model.outputs"),
    is_possible=lambda study: study.model.outputs != "none",
    refuse="featcx_core.analyses.ablation.refusals:refuse_unusable_ablation",
    figures="featcx_core.figures.ablation:ablation_figures",
    findings="featcx_core.findings.ablation:ablation_claims",
    checks=(
        Check(
            "nothing_ablated_is_the_whole_network",
            "With nothing ablated every curve of a split starts from the same accuracy.",
            f"{_CHECKS}:nothing_ablated_is_the_whole_network",
        ),
    ),
)
DECLARED = (ABLATION,)
