"""Declaration of sensitivity."""

from featcx_core.analyses.codes import CODES
from featcx_core.artefacts.declaration import Artefact, Check, Need, Rows
from featcx_core.store.tables import CONCEPT, CONCEPT_OR_DIRECTION, EPOCH, count, left_out, real, table

_CHECKS = "featcx_core.analyses.sensitivity.checks"

SENSITIVITY_TABLE = table(
    "sensitivity",
    "One row per (epoch, kind, concept, sigma).",
    ("epoch", "kind", "concept", "sigma"),
    EPOCH,
    CONCEPT_OR_DIRECTION,
    CONCEPT,
    real("sigma", "Standard deviation of the noise on pixels in [0, 1].", 0.0),
    count("n_images", "Probe images.", 1.0),
    count("n_draws", "Noisy copies of each.", 2.0),
    real(
        "sensitivity",
        "Variance of the code over draws / over images; 0 = robust, or silenced by noise; null if dead.",
        0.0,
        nullable=True,
    ),
    real("low", "2.5 % bootstrap percentile over images; null if dead.", 0.0, nullable=True),
    real("high", "97.5 % bootstrap percentile over images; null if dead.", 0.0, nullable=True),
    real("sensitivity_as_printed", "Variance of the code over draws, mean over images.", 0.0),
    left_out("jackknife", "Sensitivity without each group of images; null if dead.", nullable=True),
)
SENSITIVITY = Artefact(
    name="sensitivity",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="How much a concept moves when noise is added to the image. One row per (epoch, kind, concept, sigma).",
    grain="epoch",
    when="detailed",
    asked="default",
    make="featcx_core.analyses.sensitivity.make:sensitivity_rows",
    holds=(Rows(SENSITIVITY_TABLE),),
    version=4,
    needs=(Need(CODES),),
    fields=("seed", "sensitivity", "probe.groups", "analyses.bootstrap"),
    checks=(
        Check(
            "weak_noise_moves_little",
            "The weakest noise moves the median concept of trained epochs less than another image does.",
            f"{_CHECKS}:weak_noise_moves_little",
        ),
        Check(
            "sensitivity_has_random_directions",
            "At every epoch and noise level there are random directions beside the concepts.",
            f"{_CHECKS}:directions_stand_beside",
        ),
    ),
)
DECLARED = (SENSITIVITY,)
