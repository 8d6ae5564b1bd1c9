"""Declaration of V-information by other readers than the linear one."""

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.codes import CODES
from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.declaration import Artefact, Check, Need, Rows
from featcx_core.store.tables import CONCEPT, EPOCH, LAYER, count, real, share, table, text

READERS_TABLE = table(
    "readers",
    "One row per (epoch, layer, reader, concept) of the epoch's own dictionary.",
    ("epoch", "layer", "reader", "concept"),
    EPOCH,
    LAYER,
    text("reader", "rbf: on random features of a radial kernel; projected: on a projection to equal width."),
    CONCEPT,
    count("n_features", "Features, or directions of the projection, that it reads.", 1.0),
    share("v_information", "Cross-fitted share of the code's variance that it finds; null if dead.", nullable=True),
    real("standard_error", "Jackknife error before clipping; null if dead.", 0.0, nullable=True),
)
READERS = Artefact(
    name="readers",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="V-information of a non-linear reader, and of layers at equal width. One row per (epoch, layer, "
    "reader, concept).",
    grain="epoch",
    when="detailed",
    asked="named",
    make="featcx_core.analyses.readers.make:reader_rows",
    holds=(Rows(READERS_TABLE),),
    version=1,
    needs=(Need(CODES), Need(ACTIVATIONS, layers="in_complexity"), Need(V_INFORMATION, layers="in_complexity")),
    fields=("seed", "readers", "probe.penalties", "probe.groups"),
    checks=(
        Check(
            "a_wider_reader_reads_more",
            "In the mean over layers and concepts of trained epochs the radial reader finds no less than the linear "
            "one, up to 0.02.",
            "featcx_core.analyses.readers.checks:radial_reads_more",
        ),
    ),
)
DECLARED = (READERS,)
