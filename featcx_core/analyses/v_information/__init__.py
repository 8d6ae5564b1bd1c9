"""Declarations of V-information, of an epoch's own concepts and of the reference epoch's."""

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.codes import CODES
from featcx_core.artefacts.declaration import Artefact, Check, Need, Rows
from featcx_core.store.tables import CONCEPT, EPOCH, KIND, LAYER, count, left_out, over_images, real, share, table

_MAKE = "featcx_core.analyses.v_information.make:inform"
_CHECKS = "featcx_core.analyses.v_information.checks"
_FIELDS = ("probe.penalties", "probe.groups")

V_INFORMATION_TABLE = table(
    "v_information",
    "One row per (epoch, layer, dictionary epoch, kind, concept).",
    ("epoch", "layer", "dictionary_epoch", "kind", "concept"),
    EPOCH,
    LAYER,
    count("dictionary_epoch", "Epoch whose dictionary the concept belongs to."),
    KIND,
    CONCEPT,
    share("v_information", "Linearly decodable share of a code's variance, cross-fitted; null if dead.", nullable=True),
    real("standard_error", "Jackknife error before clipping; null if dead.", 0.0, nullable=True),
    *over_images(0.0, 1.0),
    real("r2", "R² on the score half of the reader of the fit half, not clipped.", None, 1.0, nullable=True),
    real("r2_swapped", "R² on the fit half of the reader of the score half.", None, 1.0, nullable=True),
    real("penalty", "Ridge penalty on the fit half (centred activations, standardised code).", 0.0, nullable=True),
    real("penalty_swapped", "Ridge penalty on the score half.", 0.0, nullable=True),
    count("n_fit", "Images that a reader was fitted on; of unequal halves the harmonic mean.", 1.0),
    share("v_information_half", "The same by readers of half as many images.", nullable=True),
    share("v_information_extrapolated", "2·I_V − I_V of half the images: as of all images there are.", nullable=True),
    real("v_information_as_printed", "Var(z)·R², in-sample least squares; kind concept only.", 0.0, nullable=True),
    left_out("jackknife", "Unclipped value without each group of images, in both halves.", nullable=True),
)
V_INFORMATION = Artefact(
    name="v_information",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="What a linear reader recovers of each concept at a layer, as a share of its variance. "
    "One row per (epoch, layer, kind, concept) of "
    "the epoch's own dictionary, controls included.",
    grain="layer",
    make=_MAKE,
    holds=(Rows(V_INFORMATION_TABLE),),
    version=3,
    needs=(Need(ACTIVATIONS), Need(CODES)),
    fields=_FIELDS,
    checks=(
        Check(
            "shuffled_codes_say_nothing",
            "V-information of codes that were permuted over images is close to 0 (|mean| <= 0.02 at every epoch).",
            f"{_CHECKS}:shuffled_say_nothing",
        ),
        Check(
            "penultimate_says_more_than_stem",
            "At the reference epoch the penultimate layer tells more of the alive concepts than the stem.",
            f"{_CHECKS}:penultimate_says_more",
        ),
    ),
)
REFERENCE_V_INFORMATION = Artefact(
    name="reference_v_information",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="What a linear reader recovers of the reference epoch's concepts at other epochs. "
    "One row per (epoch, layer, kind, concept); "
    "the reference epoch itself is not repeated.",
    grain="layer",
    when="others",
    make=_MAKE,
    holds=(Rows(V_INFORMATION_TABLE, prefix="reference-"),),
    version=3,
    needs=(Need(ACTIVATIONS), Need(CODES, epochs="reference")),
    fields=_FIELDS,
)
DECLARED = (V_INFORMATION, REFERENCE_V_INFORMATION)
