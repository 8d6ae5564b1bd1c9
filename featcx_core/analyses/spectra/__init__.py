"""Declaration of noise spectra over training."""

from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.analyses.noise_groups import NOISE, NOISE_GROUPS, SIGMA, SPLIT, VALUES
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.store.tables import EPOCH, LAYER, count, left_out, real, table

SPECTRA_TABLE = table(
    "spectra",
    "One row per (epoch, layer, noise, sigma, split, class).",
    ("epoch", "layer", "noise", "sigma", "split", "class_id"),
    EPOCH,
    LAYER,
    NOISE,
    SIGMA,
    SPLIT,
    count("class_id", "Class; −1: the mean over classes, each counting the same.", -1.0),
    *(column._replace(nullable=True) for column in VALUES),
    real("s1_change", "Relative change of s1 since the checkpoint before, a pass; null at the first.", nullable=True),
    real("passes", "Passes over the data of the checkpoint; null where unknown.", 0.0, nullable=True),
    real("norm", "L2 norm of the change of the pixels, mean.", 0.0),
    real("loss", "Mean loss on the split at that epoch, in nats; null where unknown.", 0.0, nullable=True),
    count("n_groups", "Groups, one an image, that have a spectrum."),
    left_out("jackknife_first", "first without each group of images; of the mean over classes only.", nullable=True),
    left_out("jackknife_second", "second likewise.", nullable=True),
    left_out("jackknife_rest", "rest likewise.", nullable=True),
)
SPECTRA = Artefact(
    name="spectra",
    group="dynamics",
    kinds=frozenset({"numpy", "parquet"}),
    description="Noise spectra over training: shares and singular values of groups of noisy copies, by class. "
    "One row per (epoch, layer, noise, sigma, split, class).",
    grain="once",
    asked="default",
    make="featcx_core.analyses.spectra.make:spectra_rows",
    holds=(Rows(SPECTRA_TABLE),),
    version=2,
    needs=(Need(NOISE_GROUPS), Need(CHECKPOINT)),
    fields=("probe.groups",),
    figures="featcx_core.figures.spectra:spectra_figures",
    findings="featcx_core.findings.spectra:spectra_claims",
)
DECLARED = (SPECTRA,)
