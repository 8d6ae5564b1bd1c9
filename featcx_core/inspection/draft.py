"""A study that grows while it is looked at what it is about: images, then the network, then its checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from featcx_core.images.transforms import preprocessing
from featcx_core.inspection.checkpoints import checkpoint_lines, choose_pattern, last_file, survey_checkpoints
from featcx_core.inspection.images import (
    ImagesFound,
    data_source,
    find_images,
    image_lines,
    propose_transform,
    transform_in_force,
    why_unlabelled,
)
from featcx_core.inspection.network import find_network, network_lines
from featcx_core.inspection.outputs import propose_outputs
from featcx_core.inspection.parts import propose_parts
from featcx_core.inspection.patterns import split_place
from featcx_core.inspection.recognition import propose_preparation
from featcx_core.networks.anatomy import Anatomy
from featcx_core.networks.hub import HUBS, hub_weights, renamed_weights
from featcx_core.study.fields import Data, Model, Study, StudyError, Training
from featcx_core.study.files import toml_value
from featcx_core.study.validation import validated

_GUESS = "epoch_{epoch}.pt"
_FAR_MORE = 2  # times as many outputs as classes: concepts of single classes would miss most of them
_OWN_OUTPUTS = 1000  # of torchvision's and timm's networks, where they are not told
_TO_COME = "state probe.reference_epoch, the epoch to follow, if they are still to come"


class Wishes(NamedTuple):
    """Statements of the user."""

    name: str
    """Name of the study."""
    model: str = Model().source
    """The network."""
    arguments: Mapping[str, Any] = MappingProxyType({})
    """Arguments of its factory."""
    data: str = Data().source
    """Source or path of the images."""
    checkpoints: str = ""
    """Folder, file, or path with `{epoch}`; empty: featcx trains the network."""
    epochs: int | None = None
    """Passes of that training; None: as many as usual."""
    outputs: str = ""
    """TOML file of the outputs of each class; empty: as the classes' names say."""
    unlabelled: bool = False
    """Whether the images have no classes."""


class Draft:
    """Facts of a study so far.

    Args:
        wishes: what the user says.
        folder: where the study file will lie.

    Raises StudyError for a name that is none, and where there is nothing at a path.
    """

    def __init__(self, wishes: Wishes, *, folder: Path) -> None:
        self._told: dict[str, list[str]] = {}
        self.lacking: list[str] = []
        self.notes: dict[str, tuple[str, ...]] = {}
        self.anatomy: Anatomy | None = None
        self.epochs: tuple[int, ...] = ()
        self._is_known = False
        self._parts: dict[str, dict[str, Any]] = {"data": {}, "model": {"source": wishes.model}}
        self._name = wishes.name
        self.study()  # a name that is none is said first
        self._state("data", source=data_source(wishes.data))
        self._state("model", source=_hub_source(wishes.model))
        self._published: Path | None = None
        if wishes.model.partition(":")[0] in HUBS and not wishes.checkpoints and wishes.epochs is None:
            # the weights beside a network of Hugging Face are its checkpoint, where no other is named
            model = self.study().model
            self._published = hub_weights(model)
            weights = renamed_weights(model, self._published, into=folder / f"{wishes.name}.safetensors")
            wishes = wishes._replace(checkpoints=str(weights))
        self._wishes = wishes
        if self.study().model.is_imported:
            self._state("model", folder=str(folder))
        if wishes.arguments:
            self._state("model", arguments=dict(wishes.arguments))
        self._is_stated = False
        if wishes.checkpoints:
            place, pattern = split_place(wishes.checkpoints)
            self._is_stated = bool(pattern)
            self._state("checkpoints", folder=place, pattern=pattern or _GUESS)
            self._state("model", **({"outputs": str(Path(wishes.outputs).resolve())} if wishes.outputs else {}))
        else:
            n_epochs = Training().epochs if wishes.epochs is None else wishes.epochs
            self._state("training", epochs=n_epochs)
            self.epochs = tuple(range(Training(epochs=n_epochs).last + 1))

    @property
    def lines(self) -> list[str]:
        """Facts and choices, line by line."""
        return [line for lines in self._told.values() for line in lines]

    def study(self, *, beside: Path | None = None) -> Study:
        """Return the study as it stands; paths below a folder relative to that, where one is given."""
        parts = {name: dict(fields) for name, fields in self._parts.items() if fields}
        if beside is not None:
            if parts["model"].get("folder") == str(beside):
                del parts["model"]["folder"]
            path = Data.model_validate(parts["data"]).path
            stem = parts["data"]["source"].removesuffix(path) if path else parts["data"]["source"]
            parts["data"]["source"] = stem + _relative(path, beside)
            if Path(str(parts["model"].get("outputs", ""))).is_absolute():
                parts["model"]["outputs"] = _relative(parts["model"]["outputs"], beside)
            if "checkpoints" in parts:
                parts["checkpoints"]["folder"] = _relative(parts["checkpoints"]["folder"], beside)
        return validated({"name": self._name, **parts})

    def look(self) -> None:
        """Find out what there is. Raises StudyError where there is no such network, or no images."""
        self._unlabelled()
        images = find_images(self.study().data)
        self._images(images)
        self._network(images)
        if self.anatomy is not None and "checkpoints" in self._parts:
            self._checkpoints(self.anatomy, images)
        if self.anatomy is not None:
            self._outputs(self.anatomy, images)
        if self.anatomy is not None and "checkpoints" in self._parts and not self.lacking:
            self._weights(self.anatomy, images)
        if self.anatomy is not None:
            self._preparation()

    def _state(self, part: str, **fields: Any) -> None:
        self._parts[part] = {**self._parts.get(part, {}), **fields}

    def _tell(self, about: str, *lines: str) -> None:
        self._told.setdefault(about, []).extend(lines)

    def _unlabelled(self) -> None:
        """State that the images have no classes, where it is so: wished, or as they lie in their folder."""
        reason = "as asked" if self._wishes.unlabelled else why_unlabelled(self.study().data)
        if not reason:
            return
        if "checkpoints" not in self._parts:
            raise StudyError(f"data: the images have no classes ({reason}), so nothing can be trained; --checkpoints")
        self._state("model", outputs="none")
        self._state("dictionary", scope="all", atoms_per_class="auto")
        self._state("data", unlabelled=True)
        self.notes["data.unlabelled"] = (f"{reason[0].upper()}{reason[1:]}.",)

    def _images(self, images: ImagesFound) -> None:
        study = self.study()
        self._tell("images", *image_lines(images, study.data))
        if transform := propose_transform(images, study):
            self._state("data", transform=transform)
            self._tell("images", f"  transform = {toml_value(transform)}")
        is_trained = "training" in self._parts
        labels, names = images.labels, images.class_names
        try:
            parts = propose_parts(labels, names, n_train=images.n_train, is_trained=is_trained, seed=study.seed)
        except StudyError:
            return  # said again when the images are loaded
        for part, fields in parts.values.items():
            if part != "dictionary" or not study.data.unlabelled:
                self._state(part, **fields)
        self.notes["data.split"] = parts.sentences
        self._tell("images", *(f"  {line}" for line in parts.sentences))

    def _network(self, images: ImagesFound) -> None:
        study = self.study()
        self._told["model"] = []
        self.anatomy, reason = find_network(study, images)
        if self.anatomy is None:
            self.lacking.append(reason)
            return
        self._tell("model", *network_lines(study, self.anatomy))
        n_units, atoms = self.anatomy.n_units, study.dictionary.atoms_per_class
        if atoms != "auto" and n_units < atoms:
            self._state("dictionary", atoms_per_class=n_units)
            self._tell("model", f"  {n_units} units before the head: dictionary.atoms_per_class = {n_units}")

    def _weights(self, anatomy: Anatomy, images: ImagesFound) -> None:
        """Recognise the weights of the last checkpoint, and try how the network takes the images."""
        place = last_file(self.study())
        if place is None:
            return
        prepared = propose_preparation(self.study(), anatomy, place, published=self._published or place)
        self._tell("preparation", *prepared.lines)
        self._is_known = prepared.is_known
        if not prepared.transform:
            return
        stated = dict(self._parts["data"].get("transform", {}))
        if {"weights", "crop"} & prepared.transform.keys():
            stated = {name: value for name, value in stated.items() if name not in ("crop", "resize")}
        self._state("data", transform={**stated, **prepared.transform})
        self._tell("preparation", f"  transform = {toml_value(self._parts['data']['transform'])}")
        self._network(images)  # of another size, perhaps

    def _preparation(self) -> None:
        """Note the preparation of the images, for the file; mean and std of a training elsewhere may be unknown."""
        study = self.study()
        values = transform_in_force(study)
        notes = [f"In force: transform = {toml_value(values)}"]
        if "checkpoints" in self._parts and not self._is_known and preprocessing(study).mean is None:
            taken = f"mean = {toml_value(values['mean'])}, std = {toml_value(values['std'])}"
            origin = f"of the images here ({taken}), since those of the network's training are not known"
            self._tell("mean", f"  mean and std are {origin}: state those in data.transform, or the network may guess")
            notes += [f"mean and std are {origin}.", "State those: with other ones the network may guess."]
        self.notes["data.transform"] = tuple(notes)

    def _outputs(self, anatomy: Anatomy, images: ImagesFound) -> None:
        """State which outputs are classes, and how large a dictionary keeps what they tell apart."""
        names, n_outputs, is_trained = images.class_names, anatomy.n_classes, "training" in self._parts
        if n_outputs != len(names) and "outputs" not in self._parts["model"]:
            outputs = f"the network has {n_outputs} outputs, the data {len(names)} classes"
            if is_trained:
                self.lacking.append(f"model: {outputs}; to be trained it needs one a class, or a table model.outputs")
            elif found := propose_outputs(names, n_outputs=n_outputs):
                self._state("model", outputs=found)
                self._tell("outputs", f"  outputs: those of ImageNet that the {len(names)} classes are named after")
            else:
                self._other_things(outputs)
        if not is_trained and n_outputs >= _FAR_MORE * len(names):
            self._dictionary(n_outputs, len(names))

    def _dictionary(self, n_outputs: int, n_classes: int) -> None:
        """Propose one dictionary, as large as the network's predictions need."""
        self._state("dictionary", scope="all", atoms_per_class="auto")
        classes = "no classes" if self.study().data.unlabelled else f"{n_classes} classes"
        self._tell(
            "outputs",
            f'  {n_outputs} outputs, {classes}: dictionary.scope = "all", atoms_per_class = "auto" '
            "(as many as keep 99 % of its predictions)",
        )

    def _other_things(self, reason: str) -> None:
        self._state("model", outputs="none")
        self.notes["model.outputs"] = (
            f"{reason}; where each class is some of the outputs, state which: {{cat = 281, dog = [151, 207]}}",
        )
        self._tell("outputs", f'  {reason}: model.outputs = "none", so accuracy and loss stay empty')

    def _checkpoints(self, anatomy: Anatomy, images: ImagesFound) -> None:
        chosen = choose_pattern(self.study(), anatomy, is_stated=self._is_stated)
        if chosen.n_outputs and "outputs" not in self._parts["model"]:
            self._other_head(chosen.n_outputs, images)
            return
        if chosen.others:
            self.notes["checkpoints.pattern"] = tuple(f"also there: {other}" for other in chosen.others)
        if not chosen.pattern:
            self._none_yet(f"checkpoints: {chosen.reason}")
            return
        self._state("checkpoints", pattern=chosen.pattern)
        study = self.study()
        survey = survey_checkpoints(study, anatomy)
        self._tell("checkpoints", *checkpoint_lines(study, survey), *(f"  also there: {o}" for o in chosen.others))
        self.epochs = tuple(sorted(survey.digests))
        if not any(epoch > 0 for epoch in self.epochs):
            self._none_yet("checkpoints: none of an epoch after 0 can be used")

    def _other_head(self, n_outputs: int, images: ImagesFound) -> None:
        """The files are of the same network with another number of outputs: it is built with as many."""
        source, names = self._parts["model"]["source"], images.class_names
        if source.startswith(("torchvision:", "timm:")) and n_outputs != _OWN_OUTPUTS:
            self._state("model", arguments={**self._parts["model"].get("arguments", {}), "num_classes": n_outputs})
        if found := propose_outputs(names, n_outputs=n_outputs):
            self._state("model", outputs=found)
            self._tell("outputs", f"  outputs: those of ImageNet that the {len(names)} classes are named after")
        else:
            self._other_things(f"the checkpoints have {n_outputs} outputs, the data {len(names)} classes")
        self._network(images)
        if self.anatomy is not None:
            self._checkpoints(self.anatomy, images)

    def _none_yet(self, reason: str) -> None:
        self.lacking.append(f"{reason}; {_TO_COME}")
        self.notes["probe.reference_epoch"] = (f"There is no checkpoint that can be used: {_TO_COME}.",)


def _hub_source(source: str) -> str:
    """Return a source whose local folder, where it names one, is absolute."""
    kind, _, place = source.partition(":")
    return f"{kind}:{Path(place).resolve()}" if kind in HUBS and place and Path(place).is_dir() else source


def _relative(path: str, folder: Path) -> str:
    inside = Path(path).is_absolute() and Path(path).is_relative_to(folder)
    return Path(path).relative_to(folder).as_posix() if inside else path
