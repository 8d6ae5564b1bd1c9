"""Declaration of the spectra of single images' noisy copies."""

from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.artefacts.declaration import Artefact, Need, Rows
from featcx_core.artefacts.fingerprints import NETWORK
from featcx_core.store.tables import EPOCH, LAYER, count, real, share, table, text

NOISE = text("noise", "gaussian; an attack (fgsm, pgd, ddn); like_… : Gaussian noise of that attack's norm.")
SIGMA = real("sigma", "Standard deviation of `gaussian` on pixels in [0, 1]; 0 for the others.", 0.0)
SPLIT = text("split", "train: images that the network was trained on; test: held-out images.")
VALUES = (
    real("s1", "Largest singular value of the group's activations, in their units.", 0.0),
    real("s2", "Second largest.", 0.0),
    share("first", "Share s1² / Σ s² of the first component; null where all activations are 0.", nullable=True),
    share("second", "Share of the second component; null likewise.", nullable=True),
    share("rest", "Share of all others; null likewise.", nullable=True),
)
"""Columns of a spectrum."""

NOISE_GROUPS_TABLE = table(
    "noise_groups",
    "One row per (epoch, layer, noise, sigma, split, image).",
    ("epoch", "layer", "noise", "sigma", "split", "image"),
    EPOCH,
    LAYER,
    NOISE,
    SIGMA,
    SPLIT,
    count("image", "Index of the image in the data."),
    count("class_id", "Its class."),
    *VALUES,
    real("norm", "L2 norm of the change of the pixels, mean over the copies.", 0.0),
    count("n_copies", "Copies.", 2.0),
)
NOISE_GROUPS = Artefact(
    name="noise_groups",
    group="measures",
    kinds=frozenset({"torch", "parquet"}),
    description="Spectra of groups of noisy copies of single images in every layer, over units and positions. "
    "One row per (epoch, layer, noise, sigma, split, image).",
    grain="epoch",
    asked="default",
    make="featcx_core.analyses.noise_groups.make:noise_group_rows",
    holds=(Rows(NOISE_GROUPS_TABLE),),
    version=1,
    needs=(Need(CHECKPOINT),),
    fields=("seed", "spectra"),
    outside=(NETWORK,),
)
DECLARED = (NOISE_GROUPS,)
