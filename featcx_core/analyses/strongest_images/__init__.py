"""Declaration of the images on which each concept is strongest."""

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.image_columns import IMAGE_COLUMNS
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.artefacts.fingerprints import CLASS_NAMES
from featcx_core.store.tables import CONCEPT, EPOCH, count, real, share, table

STRONGEST_IMAGES_TABLE = table(
    "strongest_images",
    "One row per (epoch, concept, rank): the eight probe images on which the concept is strongest.",
    ("epoch", "concept", "rank"),
    EPOCH,
    CONCEPT,
    count("rank", "0 = the strongest; images on which it is not active are left out."),
    *IMAGE_COLUMNS,
    real("code", "Code of the concept on the image.", 0.0),
    share("code_fraction", "The code as a share of the concept's highest."),
)
STRONGEST_IMAGES = Artefact(
    name="strongest_images",
    group="features",
    kinds=frozenset({"numpy", "parquet"}),
    description="The probe images on which each concept is strongest, with their files. One row per (epoch, concept, "
    "rank).",
    grain="epoch",
    make="featcx_core.analyses.strongest_images.make:strongest_rows",
    holds=(Rows(STRONGEST_IMAGES_TABLE),),
    version=1,
    needs=(Need(CODES),),
    outside=(CLASS_NAMES,),
)
DECLARED = (STRONGEST_IMAGES,)
