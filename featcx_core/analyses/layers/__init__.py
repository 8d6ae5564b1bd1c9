"""Declaration of the recorded layers."""

from featcx_core.artefacts.declaration import Artefact, Rows
from featcx_core.artefacts.fingerprints import NETWORK
from featcx_core.store.tables import LAYER, Column, count, table, text

LAYERS_TABLE = table(
    "layers",
    "One row per recorded layer.",
    ("layer",),
    LAYER,
    count("depth", "Place in forward order; 0 = first."),
    text("role", "stem, block, penultimate (what the head reads) or other."),
    Column("in_complexity", "bool", "Whether the layer counts in K."),
    text("kind", "Class of the module."),
    count("units", "Recorded numbers an image.", 1.0),
    count("height", "Positions down before pooling.", 1.0),
    count("width", "Positions across before pooling.", 1.0),
    text("layout", "Axes of the output: channels_first, channels_last, class_token, tokens or vector."),
    Column("rectified", "bool", "Whether it is recorded after a ReLU that is no module."),
    text("shortcut", "identity or projection for a block that adds; empty elsewhere."),
)
LAYERS = Artefact(
    name="layers",
    group="sources",
    kinds=frozenset({"parquet"}),
    description="Layers of the network that are recorded. One row per layer, in forward order.",
    grain="once",
    grows=False,
    make="featcx_core.analyses.layers.make:layer_rows",
    holds=(Rows(LAYERS_TABLE),),
    version=1,
    outside=(NETWORK,),
)
DECLARED = (LAYERS,)
