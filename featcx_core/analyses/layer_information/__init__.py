"""Declaration of mean V-information by layer."""

from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import EPOCH, KIND, LAYER, count, intervals, real, share, table

_OWN_KIND = "the codes of its kind; null below two of them"

LAYER_INFORMATION_TABLE = table(
    "layer_information",
    "One row per (epoch, kind, layer) of the epoch's own dictionary.",
    ("epoch", "kind", "layer"),
    EPOCH,
    KIND,
    LAYER,
    count("n_concepts", "Codes of the kind that are not dead.", 1.0),
    share("v_information", "Their mean V-information; 0 = not readable, 1 = fully."),
    *intervals("", 0.0, 1.0, over=_OWN_KIND),
    real("gain", "The mean less that in the first layer that counts in K.", -1.0, 1.0),
    *intervals("gain_", -1.0, 1.0, over=_OWN_KIND),
)
LAYER_INFORMATION = Artefact(
    name="layer_information",
    group="dynamics",
    kinds=frozenset({"parquet"}),
    description="Mean V-information by layer, of concepts and controls. One row per (epoch, kind, layer).",
    grain="once",
    make="featcx_core.analyses.layer_information.make:layer_information_rows",
    holds=(Rows(LAYER_INFORMATION_TABLE),),
    version=1,
    needs=(Need(V_INFORMATION),),
    fields=("seed", "analyses.bootstrap"),
)
DECLARED = (LAYER_INFORMATION,)
