"""The sections `[data]` and `[model]`: images, how they are divided and prepared, and the network."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from featcx_core.study.part import Part

Size = Annotated[int, Field(ge=1, strict=True)] | Annotated[float, Field(gt=0, le=1, strict=True)]
"""A count (an integer) or a share of the images (1.0: all)."""
Output = Annotated[int, Field(ge=0, strict=True)] | str
"""An output of the network, by number or name."""
OutputsFile = Annotated[str, Field(pattern=r"\.toml$")]
"""A TOML file of lines CLASS = [OUTPUT, …]."""
Pixels = Literal["auto"] | Annotated[int, Field(ge=1, strict=True)]
"""A number of pixels; `auto`: follows from the network or the images."""
_STATED = {"split_seed", "corruption", "unlabelled"}  # in a digest where they are not the default
_HUBS = ("hf-hub", "transformers")
_FILE = re.compile(r"/|\.[a-z][A-Za-z0-9]*$")  # torchvision's names of weights end in capitals


class Split(Part):
    """Sizes of the four parts of the images: seeded, stratified by label, disjoint."""

    train: Size = 3500
    """Images that train the network and feed the dictionary."""
    fit: Size = 500
    """Probe images on which the probes are fitted."""
    score: Size = 500
    """Probe images on which the probes are scored."""
    test: Size = 500
    """Images for accuracy and loss only."""


class Transform(Part):
    """Preparation of images as the network's input.

    `auto`, for one field or for all of them (`transform = "auto"`), takes the value that the network's weights state,
    if the study names weights; otherwise the value that the field's description gives.
    """

    weights: str = ""
    """Weights of torchvision whose transform is taken, `ResNet50_Weights.IMAGENET1K_V2`; they are not loaded. Empty:
    the weights of torchvision in `model.weights`, or those that the tag in the name of timm's model stands for."""
    resize: Pixels = "auto"
    """The shorter side before the crop, in pixels; `auto`: the side of the crop."""
    crop: Pixels = "auto"
    """Side of the square cut from the centre, in pixels; `auto`: no crop, and all images must be of one size."""
    fit: Literal["auto", "crop", "squash"] = "auto"
    """`crop` keeps the ratio of the sides; `squash` resizes both to `resize`; `auto`: as the weights state, else
    `crop`."""
    channels: Literal["auto", 1, 3] = "auto"
    """1: grey, 3: colour; `auto`: as many as `mean` has values, else 3 if any image has colours."""
    bgr: bool = False
    """True for a network that takes blue first, as those trained with OpenCV or Caffe do; `mean` and `std` are in the
    order red, green, blue all the same."""
    interpolation: Literal["auto", "nearest", "bilinear", "bicubic", "lanczos"] = "auto"
    """Filter of the resizing; `auto`: bilinear. Always antialiased, over the whole area of a pixel."""
    mean: Literal["auto"] | tuple[float, ...] = "auto"
    """Mean of each channel to subtract, for pixels in [0, 1]; `auto`: that of the training images."""
    std: Literal["auto"] | tuple[Annotated[float, Field(gt=0)], ...] = "auto"
    """Standard deviation of each channel to divide by; `auto`: that of the training images."""

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
        """Return the stated values only: a study older than this section has the digest of one that states none."""
        return self.model_dump(mode="json", exclude_defaults=True)


class Corruption(Part):
    """Training data made wrong on purpose, the same at every epoch: can the network only memorise them?"""

    labels: Literal["random"] | Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability that the label of a training image is drawn anew from all classes alike (it may be the old one);
    `random`: 1. Other images keep their labels. The table `corruption` says which were drawn."""
    pixels: Literal["none", "shuffled", "random", "gaussian"] = "none"
    """Of all images: `shuffled` by one permutation, `random`: by one for each image; `gaussian`: replaced by noise of
    the training images' mean and variance."""
    shortcut: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the training images that carry a mark which tells their label, in another place for each class; other
    images carry none."""

    @property
    def probability(self) -> float:
        """Probability that a label is drawn."""
        return 1.0 if self.labels == "random" else self.labels


class Data(Part):
    """The images."""

    source: str = "packaged:mnist5k"
    """`packaged:mnist5k`; `npz:FILE`, read into memory, with arrays `images` (image, [channel,] height, width) and
    `labels`; `npy:FOLDER`, mapped from `images.npy` and `labels.npy`, for images that memory does not hold;
    `folder:PATH` with files `CLASS/*.jpg`, or `train/CLASS/*.jpg` and `val/CLASS/*.jpg`; `torchvision:NAME:ROOT`, a
    data set of torchvision that lies at ROOT already."""
    unlabelled: bool = False
    """True if the images have no classes: files at any depth of the folder, arrays without `labels`. It wants
    `model.outputs = "none"`, `dictionary.scope = "all"` and checkpoints of another program."""
    dictionary: Annotated[str, Field(pattern=r"^$|^(folder|npz):.+$")] = ""
    """A further source of images, without labels, for the dictionary alone: `folder:PATH` of image files at any depth,
    `npz:FILE` with an array `images`. It wants `dictionary.scope = "all"`. Empty: the training images alone."""
    split: Split = Split()
    """Sizes of the four disjoint parts. If the source has training and held-out images, `train` comes from the first,
    the other parts from the second, and a share is one of these."""
    split_seed: Literal["study"] | Annotated[int, Field(ge=0)] = "study"
    """Seed of the division into parts and of the corruption; `study`: the study's. Stated, studies of several seeds
    have the same images in each part, and their networks can be compared image by image."""
    corruption: Corruption = Corruption()
    """What is made wrong on purpose: `{labels = 0.25}`, `{labels = "random"}`, `{pixels = "shuffled"}`,
    `{shortcut = 1.0}`."""
    transform: Transform = Transform()
    """How images become the network's input: `"auto"` or a table."""
    classes: str = ""
    """File of class names: one a line in the order of the classes (sorted folder names), or lines `FOLDER NAME`."""
    superclasses: str | dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Classes that belong together, `{animal = ["cat", "dog"]}`, or a TOML file of such lines."""
    broken_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of unreadable image files that is tolerated: they are named and left out; with more, the study is
    refused."""

    @property
    def kind(self) -> str:
        """Kind of the source: the word before the first colon."""
        return self.source.partition(":")[0]

    @property
    def path(self) -> str:
        """Path of the source; empty if it has none."""
        rest = self.source.partition(":")[2]
        if self.kind == "torchvision":
            return rest.partition(":")[2]
        return rest if self.kind in ("npz", "npy", "folder") else ""

    def digested(self) -> dict[str, Any]:
        """Return the values that decide pixels, labels and parts."""
        transform = self.transform.digested()
        stated = {"transform": transform} if transform else {}
        stated |= self.model_dump(mode="json", exclude_defaults=True, include=_STATED)
        return self.model_dump(mode="json", include={"source", "split"}) | stated


class Model(Part):
    """The network."""

    source: str = "builtin:small_resnet"
    """`builtin:small_resnet`, `torchvision:NAME`, `timm:NAME` (extra `timm`), `hf-hub:ORG/NAME` or `hf-hub:./FOLDER`
    (timm's networks of Hugging Face, by name or in a local folder), `transformers:ORG/NAME` or `transformers:./FOLDER`
    (image classifiers, extra `transformers`), or `package.module:factory`."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the factory."""
    folder: str = ""
    """Folder that is searched for `package.module` after the installed packages; empty: that of the study file."""
    weights: str = ""
    """Initial weights: a file of tensors (.safetensors, or one of PyTorch with any ending) or weights of
    torchvision, `ResNet50_Weights.IMAGENET1K_V2`. Empty: random numbers that follow from the seed."""
    outputs: Literal["classes", "none"] | OutputsFile | dict[str, Output | tuple[Output, ...]] = "classes"
    """Meaning of the network's outputs: `classes`, one a class of the data, in order; a table
    `{cat = 281, dog = [151, "beagle"]}`, the outputs of each class by number or name, or a TOML file of such lines;
    `none`, something else than the classes: accuracy and loss stay empty."""
    output_names: str = ""
    """File of the outputs' names, one a line in their order, for the table above. Empty: ImageNet's 1,000 classes."""

    @property
    def is_imported(self) -> bool:
        """True for a `package.module:factory`."""
        return self.source.partition(":")[0] not in ("builtin", "torchvision", "timm", *_HUBS)

    @property
    def hub_folder(self) -> str:
        """Local folder of a network of Hugging Face, a path that begins with `.` or `/`; empty for a hub's name."""
        kind, _, place = self.source.partition(":")
        return place if kind in _HUBS and place.startswith((".", "/")) else ""

    @property
    def weights_path(self) -> str:
        """File of initial weights; empty for weights of torchvision and for none."""
        return self.weights if _FILE.search(self.weights) else ""

    @property
    def outputs_path(self) -> str:
        """File of the outputs of each class; empty where the study states them itself."""
        return self.outputs if isinstance(self.outputs, str) and self.outputs.endswith(".toml") else ""

    def digested(self) -> dict[str, Any]:
        """Return the values that decide the network; weights and outputs only if stated, as in older studies."""
        stated = self.model_dump(mode="json", exclude_defaults=True, include={"weights", "outputs", "output_names"})
        return self.model_dump(mode="json", include={"source", "arguments"}) | stated
