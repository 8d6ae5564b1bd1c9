"""Declaration of complexity K."""

from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import CONCEPT, EPOCH, KIND, count, over_images, real, share, table

COMPLEXITY_TABLE = table(
    "complexity",
    "One row per (epoch, kind, concept) of the epoch's own dictionary.",
    ("epoch", "kind", "concept"),
    EPOCH,
    KIND,
    CONCEPT,
    share("complexity", "K: 0 = simple (decodable everywhere), 1 = complex; null if dead.", nullable=True),
    real("standard_error", "Jackknife error of K before clipping, layers' covariance included.", 0.0, nullable=True),
    *over_images(0.0, 1.0),
    count("n_fit", "Images that a reader was fitted on, as in v_information: K falls where they are more.", 1.0),
    share("complexity_half", "K by readers of half as many images.", nullable=True),
    share("complexity_extrapolated", "2·K − K of half the images: as of all images there are.", nullable=True),
    real("complexity_as_printed", "1 - mean of Var(z)·R², for kind concept only.", None, 1.0, nullable=True),
)
COMPLEXITY = Artefact(
    name="complexity",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="Complexity of each concept: how late in the network it can be read (K: 0 = simple, 1 = complex). "
    "One row per (epoch, kind, concept).",
    grain="epoch",
    asked="default",
    make="featcx_core.analyses.complexity.make:complexity_rows",
    holds=(Rows(COMPLEXITY_TABLE),),
    version=3,
    needs=(Need(V_INFORMATION, layers="in_complexity"),),
    preview="featcx_core.analyses.complexity.make:spectrum",
)
DECLARED = (COMPLEXITY,)
