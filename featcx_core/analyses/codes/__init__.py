"""Declaration of the codes of the probe images, with the controls that stand beside the concepts."""

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.dictionary import DICTIONARY
from featcx_core.artefacts.declaration import Artefact, Check, Folder, Need, Rows
from featcx_core.artefacts.fingerprints import CLASS_NAMES
from featcx_core.store.tables import CONCEPT, EPOCH, Column, count, left_out, real, share, table, text

DICTIONARIES_TABLE = table(
    "dictionaries",
    "One row per epoch's dictionary.",
    ("epoch",),
    EPOCH,
    text("method", "How the atoms were fitted."),
    count("n_concepts", "Atoms.", 1.0),
    count("atoms_per_class", "Atoms of each class, or of all images.", 1.0),
    text("atoms_chosen", "stated; or for auto: predictions kept, or samples used up."),
    share("held_out_kept_fraction", "Held-out predictions kept when auto stopped; null if stated.", nullable=True),
    real("relative_error", "||A - Z D|| / ||A|| of the probe images' penultimate activations.", 0.0),
    real("explained_variance", "1 - residual variance / variance of the same; 1 = all.", None, 1.0),
    share(
        "predictions_kept_fraction",
        "Share of top-1 predictions kept when Z D replaces the activations, among all outputs.",
    ),
    share("predictions_kept_low", "Low end of its 95 % interval over probe images."),
    share("predictions_kept_high", "High end."),
    share(
        "predictions_kept_classes_fraction",
        "The share kept among the outputs of the study's classes; null where they have none.",
        nullable=True,
    ),
    real("logit_by_concepts", "Mean part of the predicted class's logit that the concepts carry, z D W."),
    real("logit_by_rest", "Mean part of it that they leave, (x - z D) W."),
    real("logit_carried_fraction", "The first part / both; null where both add up to nothing.", nullable=True),
    real("l0", "Mean number of active concepts an image.", 0.0),
    share(
        "code_hoyer",
        "Mean Hoyer sparsity of the codes; 1 = one concept an image; null without any code.",
        nullable=True,
    ),
    count("dead", "Concepts active on too few images to be measured."),
    real("kkt_residual", "Largest optimality residual of the codes, relative to the image's norm.", 0.0),
    real(
        "fit_relative_error",
        "The same of the factorisation on the dictionary images: root mean square over classes.",
        0.0,
    ),
)
CONCEPTS_TABLE = table(
    "concepts",
    "One row per concept of an epoch's dictionary.",
    ("epoch", "concept"),
    EPOCH,
    CONCEPT,
    count("class_id", "Class whose images it was fitted on; -1 = all.", -1.0),
    text("class_name", "Name of the class whose images it was fitted on."),
    share("prevalence_fraction", "Share of probe images on which the concept is active."),
    real("variance", "Population variance of the code over the probe images.", 0.0),
    real(
        "class_information",
        "Share of the code's variance over the probe images that the label explains (ε²): 1 = a class detector, 0 = "
        "class-blind, on average; null if the code never varies.",
        None,
        1.0,
        nullable=True,
    ),
    share("hoyer", "Hoyer sparsity of the atom; 1 = a single unit; null for a zero atom.", nullable=True),
    Column("alive", "bool", "Active on at least 10 fit and 10 score images; others have null scores."),
    left_out("prevalence_jackknife", "Prevalence without each group of probe images."),
    left_out("variance_jackknife", "Variance without each group of probe images."),
    left_out("class_information_jackknife", "Class information without each group of probe images."),
)
CODES = Artefact(
    name="codes",
    group="features",
    kinds=frozenset({"torch", "zarr", "parquet"}),
    description="How strongly each concept is present. One array (image, concept) per epoch; table `concepts`: "
    "one row per concept; table `dictionaries`: one row per epoch's dictionary.",
    grain="epoch",
    make="featcx_core.analyses.codes.make:encode_probe_images",
    holds=(
        Folder(
            "codes/{epoch}.zarr",
            "group: an array (image, code) and one of alive codes (code,) for each kind; components (component, unit)",
        ),
        Rows(CONCEPTS_TABLE),
        Rows(DICTIONARIES_TABLE),
    ),
    version=7,
    needs=(Need(DICTIONARY), Need(ACTIVATIONS, layers="penultimate")),
    fields=("seed", "dictionary.l1", "dictionary.l2", "probe.groups", "model.outputs"),
    outside=(CLASS_NAMES,),
    checks=(
        Check(
            "reconstruction_keeps_predictions",
            "The codes and atoms, in place of the activations, keep 99 % of the predictions after a whole epoch.",
            "featcx_core.analyses.codes.checks:predictions_kept",
        ),
    ),
)
DECLARED = (CODES,)
