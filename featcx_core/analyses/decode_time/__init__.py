"""Declaration of the time to decode Λ."""

from featcx_core.analyses.v_information import REFERENCE_V_INFORMATION, V_INFORMATION
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import CONCEPT, Column, share, table

DECODE_TIME_TABLE = table(
    "decode_time",
    "One row per concept of the reference epoch.",
    ("concept",),
    Column("reference_epoch", "int64", "Epoch whose concepts are followed.", 1.0),
    CONCEPT,
    share("decode_time", "Λ: 0 = available early in training, 1 = late; null if dead.", nullable=True),
    share(
        "decode_time_normalised",
        "Λ relative to the end: I_V over its value at the reference epoch, at most 1; 0 = as well read from the first "
        "checkpoint on as in the end; null if dead or never read.",
        nullable=True,
    ),
    Column("first_epoch", "int64", "First checkpoint at half the reference's V-information.", 0.0, nullable=True),
    Column("first_epoch_low", "int64", "Low end of its 95 % interval over groups of probe images.", 0.0, nullable=True),
    Column("first_epoch_high", "int64", "High end.", 0.0, nullable=True),
)
DECODE_TIME = Artefact(
    name="decode_time",
    group="dynamics",
    kinds=frozenset({"parquet"}),
    description="When in training each concept could be read (Λ: 0 = early, 1 = late). "
    "One row per concept of the reference epoch.",
    grain="once",
    asked="default",
    make="featcx_core.analyses.decode_time.make:decode_time_rows",
    holds=(Rows(DECODE_TIME_TABLE),),
    version=2,
    needs=(
        Need(V_INFORMATION, epochs="reference", layers="penultimate"),
        Need(REFERENCE_V_INFORMATION, epochs="until_reference", layers="penultimate", uses="if_there"),
    ),
    fields=("seed", "probe.reference_epoch", "training.epochs", "training.save", "analyses.bootstrap"),
    is_possible=lambda study: not study.has_one_checkpoint,
)
DECLARED = (DECODE_TIME,)
