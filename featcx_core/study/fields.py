"""Study: the one typed description of what is measured; `study_files` reads it from a TOML file.

Everything that determines a number is a field here. Device, batch size of the analysis and workers are not:
they change no result beyond float tolerance.
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class StudyError(ValueError):
    """A study file that cannot be used; the message is one line for the person who wrote it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def digested(self) -> dict[str, Any]:
        """The values that a fingerprint depends on."""
        return self.model_dump(mode="json")


Share = Annotated[float, Field(gt=0, le=1)]
"""A share of a whole."""
EndShare = Annotated[float, Field(gt=0, le=0.5)]
"""A share at either end: two of them are no more than a whole."""

Size = Annotated[int, Field(ge=1, strict=True)] | Annotated[float, Field(gt=0, le=1, strict=True)]
"""A count (an integer) or a share of the images (1.0: all)."""


class Split(_Part):
    """How the images are divided: seeded, stratified by label, disjoint."""

    train: Size = 3500
    """Trains the network and feeds the dictionary."""
    fit: Size = 500
    """Probe images on which the probes are fitted."""
    score: Size = 500
    """Probe images on which the probes are scored."""
    test: Size = 500
    """Only for accuracy and loss."""


Pixels = Literal["auto"] | Annotated[int, Field(ge=1, strict=True)]
"""A number of pixels, or what follows from the network or the images."""


class Transform(_Part):
    """How images become the network's input.

    `auto`, for a field or for all (`transform = "auto"`), is what the network's weights state where the study names
    some; where they state nothing, what the field says.
    """

    weights: str = ""
    """Weights of torchvision, `ResNet50_Weights.IMAGENET1K_V2`, whose transform is taken; they are not loaded. Empty:
    torchvision's in `model.weights`, or a tag in the name of timm's model."""
    resize: Pixels = "auto"
    """The shorter side before the crop; `auto`: the crop's."""
    crop: Pixels = "auto"
    """Side of the square that is cut from the centre; `auto`: none, and the images must be of one size."""
    fit: Literal["auto", "crop", "squash"] = "auto"
    """`crop`: the sides are resized alike; `squash`: both to `resize`; `auto`: as the weights state, else `crop`."""
    channels: Literal["auto", 1, 3] = "auto"
    """1: grey, 3: colour; `auto`: as many as `mean` has values, else colour where any image has."""
    interpolation: Literal["auto", "nearest", "bilinear", "bicubic", "lanczos"] = "auto"
    """How resized; `auto`: bilinear. Always over the whole area of a pixel (antialiased)."""
    mean: Literal["auto"] | tuple[float, ...] = "auto"
    """Of each channel, of pixels in [0, 1], to be subtracted; `auto`: the training images'."""
    std: Literal["auto"] | tuple[Annotated[float, Field(gt=0)], ...] = "auto"
    """Of each channel, to be divided by; `auto`: the training images'."""

    @model_validator(mode="before")
    @classmethod
    def _all_auto(cls, value: Any) -> Any:
        return {} if value == "auto" else value

    @model_validator(mode="after")
    def _fits(self) -> "Transform":
        if self.resize != "auto" and self.crop != "auto" and self.resize < self.crop:
            raise ValueError(f"data.transform: crop = {self.crop} is larger than resize = {self.resize}")
        if self.mean != "auto" and self.std != "auto" and len(self.mean) != len(self.std):
            raise ValueError(f"data.transform: mean has {len(self.mean)} values, std {len(self.std)}; one a channel")
        return self

    def digested(self) -> dict[str, Any]:
        """What is stated; nothing where all is `auto`, as in studies older than this part."""
        return self.model_dump(mode="json", exclude_defaults=True)


class Data(_Part):
    """The images."""

    source: str = "packaged:mnist5k"
    """`packaged:mnist5k`; `npz:FILE` with arrays `images` (image, [channel,] height, width) and `labels`; `npy:FOLDER`
    with the same as `images.npy` and `labels.npy`; `folder:PATH` with files `CLASS/*.jpg`, or `train/CLASS/*.jpg` and
    `val/CLASS/*.jpg`; `torchvision:NAME:ROOT`, a data set of torchvision that lies at ROOT already."""
    split: Split = Split()
    """Sizes of the four disjoint parts. Where the source has training and held-out images, `train` is taken from the
    first, the others from the second, and a share is one of these."""
    transform: Transform = Transform()
    """How images become the network's input: `"auto"` or a table."""
    classes: str = ""
    """File of class names: one a line in the order of the classes (sorted folder names), or lines `FOLDER NAME`."""
    superclasses: str | dict[str, tuple[str, ...]] = {}
    """Classes that belong together, `{animal = ["cat", "dog"]}`, or a TOML file of such lines."""
    broken_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Image files that cannot be read are named and left out; more than this share of those that are used end it."""

    @property
    def kind(self) -> str:
        """What the source is: the word before the colon."""
        return self.source.partition(":")[0]

    @property
    def path(self) -> str:
        """Where the source lies; empty where it has no path."""
        rest = self.source.partition(":")[2]
        if self.kind == "torchvision":
            return rest.partition(":")[2]
        return rest if self.kind in ("npz", "npy", "folder") else ""

    def digested(self) -> dict[str, Any]:
        """What decides pixels, labels and parts."""
        stated = {"transform": said} if (said := self.transform.digested()) else {}
        return self.model_dump(mode="json", include={"source", "split"}) | stated


class Model(_Part):
    """The network."""

    source: str = "builtin:small_resnet"
    """`builtin:small_resnet`, `torchvision:NAME`, `timm:NAME` (extra `timm`) or `package.module:factory`."""
    arguments: dict[str, Any] = {}
    """Keyword arguments of the factory."""
    folder: str = ""
    """Where `package.module` is looked for beside the installed packages; empty: where the study file lies."""
    weights: str = ""
    """What the network starts from: a file of tensors (.safetensors, .pt, .pth) or weights of torchvision,
    `ResNet50_Weights.IMAGENET1K_V2`. Empty: random numbers that follow from the seed."""
    outputs: Literal["classes", "none"] | dict[str, Annotated[int, Field(ge=0)]] = "classes"
    """What the network's outputs are: `classes`, one a class of the data, in order; a table `{cat = 281}`, the output
    of each class; `none`, other things than the classes, and accuracy and loss stay empty."""

    @property
    def is_imported(self) -> bool:
        """Whether it is a `package.module:factory`."""
        return self.source.partition(":")[0] not in ("builtin", "torchvision", "timm")

    @property
    def weights_path(self) -> str:
        """The file of weights; empty where they are torchvision's, or none are stated."""
        return self.weights if Path(self.weights).suffix in (".safetensors", ".pt", ".pth") else ""

    def digested(self) -> dict[str, Any]:
        """Weights and outputs only where stated, as in studies older than these fields."""
        stated = self.model_dump(mode="json", exclude_defaults=True, include={"weights", "outputs"})
        return self.model_dump(mode="json", include={"source", "arguments"}) | stated


class Optimizer(_Part):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = "sgd"
    """Which optimizer."""
    lr: Annotated[float, Field(gt=0)] = 0.2
    """Learning rate; with a schedule its peak."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum."""
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    """L2 penalty, on weights of two and more dimensions only (not on biases and normalisation)."""
    nesterov: bool = True
    """Nesterov's momentum."""


class Training(_Part):
    """How the network is trained; a checkpoint is written before the first epoch and after each."""

    epochs: Annotated[int, Field(ge=1, le=999_999)] = 12
    """Passes over the training images."""
    optimizer: Optimizer = Optimizer()
    """The optimizer and its settings."""
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    """Learning rate over the steps."""
    batch_size: Annotated[int, Field(ge=2)] = 128
    """Images a step; part of the result, unlike the batch sizes of the analysis."""


class Checkpoints(_Part):
    """Checkpoints that another program writes; with a folder they stand in the place of `[training]`."""

    folder: str = ""
    """Where they lie or will lie: a folder, or the URL of one (`s3://…`, `gs://…`; what fsspec reads). Empty: featcx
    trains the network itself."""
    pattern: str = ""
    """Names of the files in it, with `{epoch}` for the number and `*` for what varies: `epoch_{epoch}.pt`,
    `run*/step-{epoch}/model.safetensors`. Without `{epoch}`: one file, taken for epoch 1."""
    weights: str = "auto"
    """Which of a file's dictionaries of tensors, keys with dots between them: `state_dict`, `ema.state_dict`; or what
    the names in it begin with: `student`, `state_dict.teacher`; `auto`: the one that fits the network, an average of
    weights (EMA) only where nothing else does."""

    @model_validator(mode="after")
    def _has_both(self) -> "Checkpoints":
        if bool(self.folder) != bool(self.pattern):
            lacks, has = ("pattern", "folder") if self.folder else ("folder", "pattern")
            raise ValueError(
                f'checkpoints.{has} needs checkpoints.{lacks}, for instance pattern = "epoch_{{epoch}}.pt"'
            )
        if self.pattern.startswith("/") or ".." in self.pattern.split("/"):
            raise ValueError(f"checkpoints.pattern: wanted names within the folder, got {self.pattern!r}")
        if self.pattern.count("{epoch}") > 1:
            raise ValueError(f"checkpoints.pattern: wanted {{epoch}} once, got {self.pattern!r}")
        return self


class Activations(_Part):
    """What is recorded."""

    layers: Literal["auto"] | tuple[str, ...] = "auto"
    """`auto`: stem, every block (else the stages) and the penultimate layer; or module names, wildcards allowed."""
    pooling: Annotated[str, Field(pattern=r"^(gap|grid:[1-9])$")] = "gap"
    """`gap`: mean over positions, or the class token where the head reads it; `grid:p`: p x p adaptive means. The
    penultimate layer stays what the head reads."""
    dtype: Literal["float32", "float16"] = "float32"
    """Storage precision; float16 for stores beyond about 1 GB an epoch."""


class Dictionary(_Part):
    """How concepts are found."""

    method: Literal["auto", "nmf", "semi_nmf", "kmeans", "pca", "sae"] = "auto"
    """`nmf`: non-negative matrix factorisation, for non-negative activations; `semi_nmf`: non-negative codes of signed
    atoms; `auto`: the one or the other, as the activations are. To check a conclusion against: `kmeans` and `pca` of
    scikit-learn, `sae`: the sparse autoencoder of overcomplete (extra `dictionaries`)."""
    scope: Literal["class", "all"] = "class"
    """`class`: atoms for each class on its own images; `all`: one dictionary over all images, whose positions memory
    must hold at once."""
    atoms_per_class: Annotated[int, Field(ge=1)] = 10
    """Concepts a class (with scope `all`: concepts)."""
    images_per_class: Annotated[int, Field(ge=1)] = 500
    """Cap on the images a class whose positions feed the dictionary."""
    keep_positions_gb: Annotated[float, Field(ge=0)] = 2.0
    """An epoch's positions beyond this are streamed into the fit and not stored."""
    l1: Annotated[float, Field(ge=0)] = 1e-3
    """Sparsity of the codes, relative to each image's norm."""
    l2: Annotated[float, Field(ge=0)] = 1e-6
    """Ridge on the codes; makes them unique."""


class Penalties(_Part):
    """Ridge penalties tried, log-spaced, times trace(X'X)/units."""

    count: Annotated[int, Field(ge=1)] = 20
    """How many."""
    low: Annotated[float, Field(gt=0)] = 1e-6
    """Smallest."""
    high: Annotated[float, Field(gt=0)] = 1e3
    """Largest."""


class Probe(_Part):
    """How V-information is measured."""

    penalties: Penalties = Penalties()
    """The grid from which generalised cross-validation chooses, for each layer and concept."""
    groups: Annotated[int, Field(ge=2)] = 20
    """Groups of the probe images, of either half; leaving out one at a time gives errors and intervals over images."""
    reference_epoch: Literal["last_trained"] | Annotated[int, Field(ge=1)] = "last_trained"
    """Whose concepts are followed through all epochs."""


class Analyses(_Part):
    """What is analysed."""

    run: tuple[str, ...] = ("default",)
    """The analyses by name; `default` stands for all that are made by default. What they need is made as well.
    `visualisation` is made only where it is named, and so are those of other packages that say so."""
    epochs: Literal["ends", "all"] | tuple[Annotated[int, Field(ge=0)], ...] = "ends"
    """Where the detailed analyses are made (branches, redundancy, sensitivity, support, clusters): `ends`, the first
    checkpoint there is (0: before training) and the reference epoch; `all`; or epochs."""
    end_shares: Annotated[tuple[EndShare, ...], Field(min_length=1)] = (0.01, 0.1)
    """Groups of the simplest and of the most complex concepts that curves show; at least 10 concepts a group."""
    top_shares: tuple[Share, ...] = (0.01, 0.05, 0.1)
    """Groups of most important concepts that sedimentation follows."""
    bootstrap: Annotated[int, Field(ge=100)] = 1000
    """Resamples behind every interval."""


Fraction = Annotated[float, Field(ge=0, lt=1)]
"""A share that leaves something."""


class Redundancy(_Part):
    """How much of a concept is left when units are hidden."""

    masked_fractions: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.1, 0.5, 0.9)
    """Shares of the penultimate layer's units that a mask removes."""
    masks: Annotated[int, Field(ge=2)] = 20
    """Random masks of each share; at least two, which tell how far the choice of masks matters."""


class Sensitivity(_Part):
    """How much a concept moves when noise is added to the image."""

    images: Annotated[int, Field(ge=2)] = 200
    """Probe images; at most all."""
    draws: Annotated[int, Field(ge=2)] = 20
    """Noisy copies of each image."""
    sigmas: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (0.01, 0.1, 0.5)
    """Standard deviations of the noise, on pixels in [0, 1]."""


class Support(_Part):
    """How far the decision stands on some of the concepts."""

    steps: Annotated[int, Field(ge=1)] = 20
    """Points of the curve between all concepts and none."""


class Clusters(_Part):
    """Meta-features: concepts that point the same way."""

    count: Literal["auto"] | Annotated[int, Field(ge=2)] = "auto"
    """Clusters; `auto`: 1.5 times the root of the number of concepts, 150 for 10,000."""
    embedding: Literal["umap", "tsne", "pca"] = "tsne"
    """What lays the atoms out on a plane: `tsne` and `pca` of scikit-learn, `umap` (extra `umap`)."""


class Visualisation(_Part):
    """Images made to excite a concept."""

    concepts: Annotated[int, Field(ge=1)] = 20
    """Concepts, evenly along the complexity spectrum; at most all."""
    steps: Annotated[int, Field(ge=1)] = 256
    """Steps of the optimisation."""


class Study(_Part):
    """One data set, one training run and one configuration of the analysis."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
    """First part of every asset key and the column `study` of every row."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Behind every choice of chance."""
    data: Data = Data()
    """The images."""
    model: Model = Model()
    """The network."""
    training: Training = Training()
    """How it is trained."""
    checkpoints: Checkpoints = Checkpoints()
    """Where its checkpoints come from, if not from that training."""
    activations: Activations = Activations()
    """What is recorded."""
    dictionary: Dictionary = Dictionary()
    """How concepts are found."""
    probe: Probe = Probe()
    """How V-information is measured."""
    analyses: Analyses = Analyses()
    """What is analysed."""
    redundancy: Redundancy = Redundancy()
    """How much of a concept is left when units are hidden."""
    sensitivity: Sensitivity = Sensitivity()
    """How much a concept moves with noise."""
    support: Support = Support()
    """How far the decision stands on some of the concepts."""
    clusters: Clusters = Clusters()
    """Meta-features."""
    visualisation: Visualisation = Visualisation()
    """Images made to excite a concept."""

    @model_validator(mode="after")
    def _name_is_free(self) -> "Study":
        if self.name == "dagster":
            raise ValueError("the name dagster is taken by the folder of run history; choose another")
        reference = self.probe.reference_epoch
        if isinstance(reference, int) and reference > self.training.epochs and not self.checkpoints.folder:
            raise ValueError(f"probe.reference_epoch = {reference} is beyond training.epochs = {self.training.epochs}")
        if self.dictionary.scope == "all" and self.dictionary.atoms_per_class < 2:
            raise ValueError('dictionary.scope = "all" needs dictionary.atoms_per_class of at least 2, got 1')
        score, groups = self.data.split.score, self.probe.groups
        if isinstance(score, int) and score < groups:
            raise ValueError(f"probe.groups = {groups} needs as many score images, got data.split.score = {score}")
        if self.model.outputs == "none" and not self.checkpoints.folder:
            raise ValueError(
                'model.outputs = "none" cannot be trained; state the output of each class, or in [checkpoints] where '
                "another program's lie"
            )
        return self

    @property
    def reference_epoch(self) -> int:
        """The epoch whose concepts are followed; a checkpoint that lands later never moves it.

        Raises StudyError where it is chosen from another program's checkpoints, and has not been yet.
        """
        if self.waits_for_reference:
            raise StudyError(
                f"study {self.name}: the reference epoch is chosen when the study is registered, by `featcx run`"
            )
        wanted = self.probe.reference_epoch
        return self.training.epochs if wanted == "last_trained" else wanted

    @property
    def waits_for_reference(self) -> bool:
        """Whether the reference epoch is the last of another program's checkpoints, when the study is registered."""
        return bool(self.checkpoints.folder) and self.probe.reference_epoch == "last_trained"

    def with_reference(self, epoch: int | None) -> "Study":
        """The same study with that reference epoch, where there is one."""
        if epoch is None:
            return self
        return self.model_copy(update={"probe": self.probe.model_copy(update={"reference_epoch": epoch})})

    def detailed_epochs(self, known: Collection[int]) -> frozenset[int]:
        """Those of the known epochs at which the detailed analyses are made."""
        wanted = self.analyses.epochs
        if wanted == "all":
            return frozenset(known)
        ends = (min(known, default=0), self.reference_epoch)
        return frozenset(known) & frozenset(ends if wanted == "ends" else wanted)

    @property
    def settings(self) -> dict[str, str]:
        """Every field, dotted, and its value as text; the name is none of them."""
        return {field: value for field, value in _flat(self) if field != "name"}

    def digest(self, *fields: str) -> str:
        """Digest of the named fields (dotted, `dictionary.l1`), the basis of what is stale."""
        values: dict[str, Any] = {}
        for field in fields:
            value: Any = self
            for part in field.split("."):
                value = getattr(value, part)
            said = value.digested() if isinstance(value, _Part) else value
            if said or not isinstance(value, _Part):  # a part that states nothing counts as not there
                values[field] = said
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=list).encode()).hexdigest()[:16]


def changed(before: Study, after: Study) -> list[str]:
    """The fields that differ between two studies, with both values.

    >>> changed(Study(name="x"), Study(name="x", seed=3))
    ['seed: 0 -> 3']
    """
    old, new = before.settings, after.settings
    return [f"{field}: {value} -> {new[field]}" for field, value in old.items() if value != new[field]]


def study_fields() -> list[str]:
    """Every field, dotted (`training.optimizer.lr`), and every part (`training.optimizer`)."""
    return list(_fields_below(Study))


def _flat(part: _Part, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, _Part):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value if isinstance(value, str) and value else json.dumps(value, default=list)


def _fields_below(part: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in part.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields_below(field.annotation, f"{prefix}{name}.")
