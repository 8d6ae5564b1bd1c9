"""Declaration of the dictionary's learning curve."""

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.dictionary import DICTIONARY
from featcx_core.analyses.dictionary_activations import DICTIONARY_ACTIVATIONS
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import EPOCH, Column, count, real, share, table

LEARNING_CURVE_TABLE = table(
    "learning_curve",
    "One row per (epoch, dictionary images, atoms): measured, or foretold.",
    ("epoch", "n_images", "n_atoms"),
    EPOCH,
    count("n_images", "Images that the dictionary is fitted on.", 1.0),
    count("n_atoms", "Atoms of each class, or of all images.", 1.0),
    Column("is_measured", "bool", "False: foretold from the rows with as many atoms, or as many images."),
    count("n_scored", "Probe images whose predictions are compared.", 1.0),
    share("predictions_kept_fraction", "Share of top-1 predictions kept, among all outputs."),
    real("low", "Low end of its 95 % interval over probe images; null if foretold.", 0.0, 1.0, nullable=True),
    real("high", "High end; null if foretold.", 0.0, 1.0, nullable=True),
)
LEARNING_CURVE = Artefact(
    name="learning_curve",
    group="features",
    kinds=frozenset({"torch", "parquet"}),
    description="How many images and atoms would keep what the network says, at the reference epoch. One row per "
    "(epoch, images, atoms).",
    grain="epoch",
    when="reference",
    asked="default",
    make="featcx_core.analyses.learning_curve.make:curve_rows",
    holds=(Rows(LEARNING_CURVE_TABLE),),
    version=1,
    needs=(Need(DICTIONARY), Need(DICTIONARY_ACTIVATIONS), Need(ACTIVATIONS, layers="penultimate")),
    fields=("seed", "dictionary.scope", "dictionary.l1", "dictionary.l2"),
)
DECLARED = (LEARNING_CURVE,)
