"""Declaration of what single concepts do: to logits, to predictions, and to single images."""

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.image_columns import CLASS_NAME, FILE, IMAGE, IMAGE_COLUMNS, LABEL
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.artefacts.fingerprints import CLASS_NAMES
from featcx_core.store.tables import CONCEPT, EPOCH, Column, count, real, share, table, text

_NO_CLASS = "null where no output is a class"
_OUTPUT = count("output", "Output of the network.")
_OUTPUT_NAME = text("output_name", "Its name: that of its class, where it stands for one.")
_CODE = real("code", "Code of the concept on the image.", 0.0)

EFFECTS_TABLE = table(
    "concept_effects",
    "One row per (epoch, concept): the probe images' predictions without it, exact at the layer before the head.",
    ("epoch", "concept"),
    EPOCH,
    CONCEPT,
    text("shows", "Its name by the classes of its eight strongest images, such as: mostly 4 (6 of 8), also 2."),
    count("n_images", "Probe images.", 1.0),
    count("n_active", "Images on which it is active."),
    share("accuracy", f"Share of the images classified rightly by the network; {_NO_CLASS}.", nullable=True),
    share(
        "accuracy_without",
        f"The share when the concept's part is taken out before the head; {_NO_CLASS}.",
        nullable=True,
    ),
    count("n_flipped", "Images whose predicted output changes without it."),
    share("flipped_fraction", "Share of the images whose predicted output changes without it."),
    share("flipped_low", "Lower end of its 95 % interval over images."),
    share("flipped_high", "Upper end."),
    real("n_lost", f"Images that turn wrong without it; {_NO_CLASS}.", 0.0, nullable=True),
    real("n_gained", f"Images that turn right without it; {_NO_CLASS}.", 0.0, nullable=True),
)
LOGITS_TABLE = table(
    "concept_logits",
    "One row per (epoch, concept, output): the five outputs that it raises most and the five that it lowers most.",
    ("epoch", "concept", "output"),
    EPOCH,
    CONCEPT,
    _OUTPUT,
    _OUTPUT_NAME,
    real("logit_per_code", "What a code of 1 adds to the output's logit: the atom times the head's weights."),
    real("logit_when_active", "What it adds on average where it is active; null if it never is.", nullable=True),
)
EXAMPLES_TABLE = table(
    "concept_examples",
    "One row per (epoch, concept, part, rank): probe images of the middle and of the lower end of its codes.",
    ("epoch", "concept", "part", "rank"),
    EPOCH,
    CONCEPT,
    text("part", "middle: around the median of the codes below the eight strongest; least: the lowest above zero."),
    count("rank", "Rank of the image among all by the concept's code, 0 = the strongest."),
    *IMAGE_COLUMNS,
    _CODE,
    share("code_fraction", "The code as a share of the concept's highest."),
)
HISTOGRAM_TABLE = table(
    "concept_histogram",
    "One row per (epoch, concept, bin): bin 0 holds the code 0, ten of equal width lead to the highest code.",
    ("epoch", "concept", "bin"),
    EPOCH,
    CONCEPT,
    count("bin", "Number of the bin."),
    real("low", "Code above which it begins.", 0.0),
    real("high", "Code at which it ends.", 0.0),
    count("n_images", "Probe images in it."),
    Column("image", "int64", "Index in the data of an image near its middle; null for an empty bin.", 0.0,
           nullable=True),
    text("file", "Path of that image's file; empty where there is none."),
)  # fmt: skip
FLIPS_TABLE = table(
    "concept_flips",
    "One row per (epoch, concept, image): of the images whose prediction changes without it, the eight strongest.",
    ("epoch", "concept", "image"),
    EPOCH,
    CONCEPT,
    *IMAGE_COLUMNS,
    _CODE,
    count("before", "Predicted output."),
    text("before_name", "Its name."),
    count("after", "Predicted output without the concept."),
    text("after_name", "Its name."),
)
IMAGE_CONCEPTS_TABLE = table(
    "image_concepts",
    "One row per (epoch, image, concept): the twelve concepts that add most, or take most, of the predicted logit.",
    ("epoch", "image", "concept"),
    EPOCH,
    IMAGE,
    CONCEPT,
    _CODE,
    real("contribution", "What it adds to the logit of the predicted output, z_i (D W)_i; below 0: takes from it."),
)
IMAGE_LOGITS_TABLE = table(
    "image_logits",
    "One row per (epoch, image): the predicted output's logit of a probe image and its parts, which add up to it.",
    ("epoch", "image"),
    EPOCH,
    IMAGE,
    FILE,
    LABEL,
    CLASS_NAME,
    count("predicted", "Output with the largest logit."),
    text("predicted_name", "Its name."),
    Column("is_right", "bool", f"Whether that is the image's class; {_NO_CLASS}.", nullable=True),
    count("n_active", "Concepts that are active on it."),
    real("logit", "Logit of the predicted output."),
    real("by_concepts", "Part of it that all concepts bring, z D W."),
    real("by_rest", "Part that the concepts leave, (x - z D) W."),
    real("bias", "The head's bias."),
)
CONCEPT_EFFECTS = Artefact(
    name="concept_effects",
    group="measures",
    kinds=frozenset({"numpy", "parquet"}),
    description="What single concepts do: the logits that they raise and lower, predictions that change without them, "
    "and each image's concepts. One row per (epoch, concept); tables `concept_logits`, `concept_examples`, "
    "`concept_histogram`, `concept_flips`: rows of a concept; `image_concepts`, `image_logits`: rows of an image.",
    grain="epoch",
    when="reference",
    make="featcx_core.analyses.concept_effects.make:effect_rows",
    holds=tuple(
        map(
            Rows,
            (
                EFFECTS_TABLE,
                LOGITS_TABLE,
                EXAMPLES_TABLE,
                HISTOGRAM_TABLE,
                FLIPS_TABLE,
                IMAGE_CONCEPTS_TABLE,
                IMAGE_LOGITS_TABLE,
            ),
        )
    ),
    version=1,
    needs=(Need(CODES),),
    fields=("model.outputs",),
    outside=(CLASS_NAMES,),
)
DECLARED = (CONCEPT_EFFECTS,)
