"""Declaration of the monitor: inputs told from clean ones by their inner spectra."""

from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.artefacts.declaration import Artefact, Check, Need, Rows
from featcx_core.artefacts.fingerprints import NETWORK
from featcx_core.store.tables import EPOCH, Column, count, real, share, table, text

ALL_LAYERS = "all"
"""Stands for all layers side by side, where a layer stands."""
_KEYS = (
    EPOCH,
    text("layer", "Module name; all: spectra of all layers side by side. Of `confidence` the layer before the head."),
    text("detector", "spectrum; mahalanobis (distance of activations to class means); confidence (1 − softmax)."),
    text("input", "gaussian: noise of the norm of pgd; fgsm, pgd, ddn: attacks; adaptive: pgd that knows the monitor."),
)
_NAMES = tuple(column.name for column in _KEYS)
_NONE = "null where fewer than two inputs fool the network"

MONITOR_TABLE = table(
    "monitor",
    "One row per (epoch, layer, detector, input).",
    _NAMES,
    *_KEYS,
    share("roc_auc", f"Area under the ROC, 0.5 = by chance, of inputs against clean images; {_NONE}.", nullable=True),
    share("low", f"Lower end of its 95 % interval over images; {_NONE}.", nullable=True),
    share("high", f"Upper end; {_NONE}.", nullable=True),
    real("threshold_at_5pct", "Score above which at most 5 % of further clean images lie; null for too few.",
         nullable=True),
    share("caught_at_5pct", f"Share of the inputs above it; {_NONE}, or without a threshold.", nullable=True),
    count("n_inputs", "Inputs; of attacks those that fool the network."),
    count("n_clean", "Clean images they are told from.", 2.0),
    share("fooled_fraction", "Share of all images of which the attack, or noise, changes the predicted class."),
    real("norm", "L2 norm of the change of the pixels, mean over all images.", 0.0),
)  # fmt: skip
SCORES_TABLE = table(
    "monitor_scores",
    "One row per (epoch, layer, detector, input, image).",
    (*_NAMES, "image"),
    EPOCH,
    *_KEYS[1:3],
    text("input", "clean, or as in `monitor`."),
    count("image", "Index of the image in the data."),
    real("score", "Larger = rather no clean image.", 0.0),
    Column("is_fooled", "bool", "Whether the predicted class is another than the clean image's."),
)
MONITOR = Artefact(
    name="monitor",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="How well the inner spectrum of an input tells attacked and noisy images from clean ones, beside the "
    "Mahalanobis distance of activations and softmax confidence. One row per (epoch, layer, detector, input); table "
    "`monitor_scores`: one row per (epoch, layer, detector, input, image).",
    grain="epoch",
    when="reference",
    asked="named",
    make="featcx_core.analyses.monitor.make:monitor_rows",
    holds=(Rows(MONITOR_TABLE), Rows(SCORES_TABLE)),
    version=1,
    needs=(Need(CHECKPOINT),),
    fields=("seed", "monitor"),
    outside=(NETWORK,),
    refuse="featcx_core.analyses.monitor.refusals:refuse_unusable_monitor",
    figures="featcx_core.figures.monitor:monitor_figures",
    findings="featcx_core.findings.monitor:monitor_claims",
    checks=(
        Check(
            "thresholds_hold_on_clean_images",
            "At most one in ten of the clean images lies above any threshold of 5 %.",
            "featcx_core.analyses.monitor.checks:thresholds_hold_on_clean_images",
        ),
    ),
)
DECLARED = (MONITOR,)
