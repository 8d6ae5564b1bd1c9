"""Declaration of support curves."""

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.artefacts.declaration import Artefact, Check, Need, Rows
from featcx_core.store.tables import EPOCH, count, real, share, table, text

_NO_CLASSES = "null where no output is a class"
_LEFT = "relative_accuracy; without classes, of predictions_kept_fraction"

SUPPORT_TABLE = table(
    "support",
    "One row per (epoch, order of removal, share of concepts kept).",
    ("epoch", "order", "kept_fraction"),
    EPOCH,
    text(
        "order",
        "Removed first (a reserved word of SQL: quote it): complexity_descending (the most complex), "
        "complexity_ascending, importance_descending, random.",
    ),
    share("kept_fraction", "Share of the concepts that are kept."),
    count("n_kept", "Concepts kept."),
    real("relative_accuracy", f"Accuracy / that with all concepts; {_NO_CLASSES}.", 0.0, nullable=True),
    share(
        "accuracy", f"Share of probe images classified rightly from the kept concepts; {_NO_CLASSES}.", nullable=True
    ),
    share("predictions_kept_fraction", "Share of the network's own top-1 predictions that are kept."),
    real("low", f"Lower end of the 95 % t-interval over images of {_LEFT}.", nullable=True),
    real("high", f"Upper end of the 95 % t-interval over images of {_LEFT}.", nullable=True),
    real("beyond_random", "That less that of the random order; negative = costs more.", nullable=True),
    real("beyond_random_low", "Lower end of the 95 % t-interval over images.", nullable=True),
    real("beyond_random_high", "Upper end of the 95 % t-interval over images.", nullable=True),
    real("orders_low", f"Least that an order of that name (20 at random) leaves of {_LEFT}.", nullable=True),
    real("orders_high", f"Most that one leaves of {_LEFT}.", nullable=True),
)
SUPPORT = Artefact(
    name="support",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="Accuracy as concepts are removed. One row per (epoch, order of removal, share kept).",
    grain="epoch",
    when="detailed",
    asked="default",
    make="featcx_core.analyses.support.make:support_rows",
    holds=(Rows(SUPPORT_TABLE),),
    version=4,
    needs=(Need(CODES), Need(COMPLEXITY), Need(IMPORTANCE)),
    fields=("seed", "support"),
    checks=(
        Check(
            "support_starts_from_the_dictionary",
            "With all concepts kept, every order keeps the predictions that the dictionary keeps, and all of its "
            "accuracy. Two images may differ: sums in another order turn a prediction whose two highest logits are "
            "nearly equal.",
            "featcx_core.analyses.support.checks:support_starts_from_the_dictionary",
        ),
    ),
)
DECLARED = (SUPPORT,)
