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
    Column("first_epoch", "int64", "First epoch at half the reference's V-information.", 0.0, nullable=True),
)
DECODE_TIME = Artefact(
    name="decode_time",
    group="dynamics",
    kinds=frozenset({"parquet"}),
    description="Λ: 0 = available early in training, 1 = late. One row per concept of the reference epoch.",
    grain="once",
    asked="default",
    make="featcx_core.analyses.decode_time.make:decode_time_rows",
    holds=(Rows(DECODE_TIME_TABLE),),
    version=1,
    needs=(
        Need(V_INFORMATION, epochs="reference", layers="penultimate"),
        Need(REFERENCE_V_INFORMATION, epochs="until_reference", layers="penultimate", uses="if_there"),
    ),
    fields=("probe.reference_epoch", "training.epochs"),
)
DECLARED = (DECODE_TIME,)
