"""The sections of what is done with images and network: training, checkpoints, recording, concepts, probes, analyses.

The section `[analyses]` itself, which names the analyses to make, is in `featcx_core.study.fields`.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from featcx_core.study.part import Part

BeginningShare = Annotated[float, Field(gt=0, lt=1)]
"""A share of the first epoch at which a checkpoint is written."""
Fraction = Annotated[float, Field(ge=0, lt=1)]
"""A share that is less than all."""

SimilarityMeasure = Literal["cka", "svcca", "svcca_squared", "pwcca", "mean_cca", "procrustes", "mutual_knn"]
"""Measures of similarity that a study may name."""


class Optimizer(Part):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = "sgd"
    """Name of the optimizer."""
    lr: Annotated[float, Field(gt=0)] = 0.2
    """Learning rate; with a schedule its peak."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum."""
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    """L2 penalty, on weights of two and more dimensions only (not on biases and normalisation)."""
    nesterov: bool = True
    """Nesterov's momentum."""


class Training(Part):
    """Training of the network; a checkpoint is written before the first epoch, at shares of it, and after each."""

    epochs: Annotated[int, Field(ge=1, le=999_000)] = 8
    """Passes over the training images."""
    save: Annotated[tuple[BeginningShare, ...], Field(max_length=999)] = (0.125, 0.25, 0.5, 0.75)
    """Shares of the first epoch at which checkpoints are written, too, since much is learned there. Checkpoints are
    numbered in their order: before training 0, then these, then the end of each epoch. They are taken at whole steps,
    at the first at the earliest; where an epoch has few, some may hold the same weights."""
    optimizer: Optimizer = Optimizer()
    """The optimizer and its settings."""
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    """Learning rate over the steps."""
    batch_size: Annotated[int, Field(ge=2)] = 128
    """Images a step; it changes the result, unlike the batch sizes of the analysis."""
    every: Annotated[int, Field(ge=1)] = 1
    """Epochs from one checkpoint to the next, after those of the first epoch; the end always has one. More than 1 for
    trainings of many short epochs, since everything is measured at every checkpoint."""
    shift: Annotated[int, Field(ge=0)] = 0
    """Augmentation: pixels by which each image is shifted up or down and to the side, at most, anew in every epoch;
    black comes in from the edge."""

    @model_validator(mode="after")
    def _rises(self) -> "Training":
        if any(later <= earlier for earlier, later in pairwise(self.save)):
            raise ValueError(f"training.save: wanted shares of the first epoch that rise, got {list(self.save)}")
        return self

    def digested(self) -> dict[str, Any]:
        """Return the values that decide the training; the last fields only if stated, as in older studies."""
        late = {"every", "shift"}
        stated = self.model_dump(mode="json", exclude_defaults=True, include=late)
        return self.model_dump(mode="json", exclude=late) | stated

    @property
    def whole(self) -> list[int]:
        """Epochs at whose end a checkpoint is written.

        >>> Training(epochs=8, every=3).whole
        [3, 6, 8]
        """
        return sorted({*range(self.every, self.epochs + 1, self.every), self.epochs})

    @property
    def renumbering(self) -> dict[str, bool]:
        """Whether a field makes the numbers of checkpoints others than those of epochs, by its name."""
        return {"save": bool(self.save), "every": self.every > 1}

    @property
    def last(self) -> int:
        """Number of the last checkpoint."""
        return len(self.save) + len(self.whole)


class Checkpoints(Part):
    """Checkpoints that another program writes; with a folder they replace `[training]`."""

    folder: str = ""
    """Folder of the checkpoints, or its URL (`s3://…`, `gs://…`, any that fsspec reads). Empty: featcx trains the
    network itself."""
    pattern: str = ""
    """Names of the files in it, with `{epoch}` for the number and `*` for anything else: `epoch_{epoch}.pt`,
    `run*/step-{epoch}/model.safetensors`. Without `{epoch}`: one file, taken for epoch 1."""
    weights: str = "auto"
    """The dictionary of tensors in a file, keys with dots between them: `state_dict`, `ema.state_dict`; or the
    beginning of the names in it: `student`, `state_dict.teacher`. `auto`: the one that fits the network; an average of
    weights (EMA) only if nothing else fits."""

    @model_validator(mode="after")
    def _has_both(self) -> "Checkpoints":
        if bool(self.folder) != bool(self.pattern):
            lacks, extra = ("pattern", "folder") if self.folder else ("folder", "pattern")
            raise ValueError(
                f'checkpoints.{extra} needs checkpoints.{lacks}, for instance pattern = "epoch_{{epoch}}.pt"'
            )
        if self.pattern.startswith("/") or ".." in self.pattern.split("/"):
            raise ValueError(f"checkpoints.pattern: wanted names within the folder, got {self.pattern!r}")
        if self.pattern.count("{epoch}") > 1:
            raise ValueError(f"checkpoints.pattern: wanted {{epoch}} once, got {self.pattern!r}")
        return self


class Activations(Part):
    """Activations that are recorded, and how."""

    layers: Literal["auto"] | tuple[str, ...] = "auto"
    """`auto`: stem, every block (else the stages) and the penultimate layer; or module names, wildcards allowed."""
    pooling: Annotated[str, Field(pattern=r"^(gap|grid:[1-9])$")] = "gap"
    """`gap`: mean over positions, or the class token where the head reads it; `grid:p`: p x p adaptive means. The
    penultimate layer stays what the head reads."""
    dtype: Literal["float32", "float16"] = "float32"
    """Storage precision; float16 for stores beyond about 1 GB an epoch."""


class DictionarySettings(Part):
    """The dictionary: how concepts are found."""

    method: Literal["auto", "nmf", "semi_nmf", "kmeans", "pca", "sae"] = "auto"
    """`nmf`: non-negative matrix factorisation, for non-negative activations; `semi_nmf`: non-negative codes of signed
    atoms; `auto`: `nmf` if the activations are non-negative, else `semi_nmf`. Three others check a conclusion: `kmeans`
    and `pca` of scikit-learn, `sae`: the sparse autoencoder of overcomplete (extra `dictionaries`)."""
    scope: Literal["class", "all"] = "class"
    """`class`: atoms for each class on its own images; `all`: one dictionary over all images, whose positions memory
    must hold at once."""
    atoms_per_class: Literal["auto"] | Annotated[int, Field(ge=1)] = 10
    """Concepts a class (with scope `all`: concepts). `auto`: 10, 20, 40, … until 99 % of the predictions on held-out
    dictionary images are kept, or there are no more samples or units."""
    images_per_class: Annotated[int, Field(ge=1)] = 500
    """Cap on the images of a class whose positions feed the dictionary."""
    keep_positions_gb: Annotated[float, Field(ge=0)] = 2.0
    """An epoch's positions beyond this are streamed into the fit and not stored."""
    l1: Annotated[float, Field(ge=0)] = 1e-3
    """Sparsity of the codes, relative to each image's norm."""
    l2: Annotated[float, Field(ge=0)] = 1e-6
    """Ridge penalty on the codes; makes them unique."""


class Penalties(Part):
    """Ridge penalties to try, log-spaced, times trace(X'X)/units."""

    count: Annotated[int, Field(ge=1)] = 20
    """Number of penalties."""
    low: Annotated[float, Field(gt=0)] = 1e-6
    """Smallest penalty."""
    high: Annotated[float, Field(gt=0)] = 1e3
    """Largest penalty."""


class Probe(Part):
    """The probe: how V-information is measured."""

    penalties: Penalties = Penalties()
    """The grid from which generalised cross-validation chooses, for each layer and concept."""
    groups: Annotated[int, Field(ge=2)] = 20
    """Groups of the probe images, of either half; leaving out one at a time gives errors and intervals over images."""
    reference_epoch: Literal["last_trained"] | Annotated[int, Field(ge=1)] = "last_trained"
    """The epoch whose concepts are followed through all epochs."""


class RedundancySettings(Part):
    """Redundancy: how much of a concept is left when units are hidden."""

    masked_fractions: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.1, 0.5, 0.9)
    """Shares of the penultimate layer's units that a mask removes."""
    masks: Annotated[int, Field(ge=2)] = 20
    """Random masks of each share; two or more show how far the choice of masks matters."""


class SensitivitySettings(Part):
    """Sensitivity: how much a concept moves when noise is added to the image."""

    images: Literal["auto"] | Annotated[int, Field(ge=2)] = "auto"
    """Number of probe images; at most all. `auto`: 200; of images of more than 64 x 64 pixels, whose passes count, so
    many that the noisy images are no more than the images that an epoch records, but 20 or more."""
    draws: Annotated[int, Field(ge=2)] = 20
    """Noisy copies of each image."""
    sigmas: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (0.01, 0.1, 0.5)
    """Standard deviations of the noise, on pixels in [0, 1]."""


class Support(Part):
    """Support: how far the decision rests on some of the concepts."""

    steps: Annotated[int, Field(ge=1)] = 20
    """Points of the curve between all concepts and none."""


class StabilitySettings(Part):
    """Stability: how far concepts hang on the seed of the factorisation."""

    seeds: Annotated[int, Field(ge=2)] = 5
    """Further dictionaries, fitted from the seeds that follow the study's."""
    cosine: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Cosine of two atoms from which on they are the same concept."""


class ReadersSettings(Part):
    """Other readers than the linear one, where `analyses.run` names them."""

    features: Annotated[int, Field(ge=1)] = 256
    """Random features of the radial kernel."""
    width: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Directions on which each layer is projected; `auto`: the units of the narrowest layer in K."""


class Clusters(Part):
    """Meta-features: concepts that point the same way."""

    count: Literal["auto"] | Annotated[int, Field(ge=2)] = "auto"
    """Number of clusters; `auto`: 1.5 times the root of the number of concepts, 150 for 10,000."""
    embedding: Literal["umap", "tsne", "pca"] = "tsne"
    """Method that lays the atoms out on a plane: `tsne` and `pca` of scikit-learn, `umap` (extra `umap`)."""


class Visualisation(Part):
    """Images optimised to excite a concept."""

    concepts: Annotated[int, Field(ge=1)] = 20
    """Number of concepts, evenly along the complexity spectrum; at most all."""
    steps: Annotated[int, Field(ge=1)] = 256
    """Steps of the optimisation."""


class SimilaritySettings(Part):
    """Similarity of layers: of one epoch, of one layer over training, of networks that are compared."""

    measures: Literal["auto"] | Annotated[tuple[SimilarityMeasure, ...], Field(min_length=1)] = "auto"
    """`cka` (unbiased, linear), `svcca` and `svcca_squared`, `pwcca` (both directions), `mean_cca`, `procrustes`,
    `mutual_knn`. `auto`: `cka`, and `svcca` where there are 5 probe images for each unit of the widest layer."""
    centrings: Literal["auto"] | Annotated[tuple[Literal["plain", "within_classes"], ...], Field(min_length=1)] = "auto"
    """`plain`: the mean over all images is subtracted; `within_classes`: the mean of each class. `auto`: both; within
    classes only where each has enough probe images."""
    images: Annotated[int, Field(ge=4)] = 2000
    """Probe images, at most; evenly spread over them if there are more."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.99
    """Share of the sum of singular values (`svcca_squared`: of their squares) that SVCCA keeps."""
    neighbours: Annotated[int, Field(ge=1)] = 10
    """Nearest images that `mutual_knn` counts."""
    permutations: Annotated[int, Field(ge=1)] = 100
    """Permutations of the images behind a null and the calibrated score."""
    draws: Annotated[int, Field(ge=1)] = 5
    """Draws of independent Gaussian data behind the other null."""
    directions: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Signal directions that are followed, and as many noise directions; `auto`: a quarter of the layer's, at most
    10."""
    directions_from: Literal["middle"] | Annotated[int, Field(ge=0)] = "middle"
    """Epoch at which they are told apart; `middle`: the checkpoint nearest to half of the reference epoch."""
    kept: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (1, 2, 4, 8, 16, 32, 64)
    """Numbers of directions or units that `projection` keeps of a layer; those above its number of units are left
    out."""
    unit_draws: Annotated[int, Field(ge=1)] = 5
    """Random choices of units that `projection` keeps."""
