"""A study that grows while it is looked at what it is about: images, then the network, then its checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from featcx_core.images.transforms import preprocessing
from featcx_core.inspection.checkpoints import checkpoint_lines, choose_pattern, survey_checkpoints
from featcx_core.inspection.images import (
    ImagesFound,
    data_source,
    find_images,
    image_lines,
    propose_transform,
    transform_in_force,
)
from featcx_core.inspection.network import find_network, network_lines
from featcx_core.inspection.parts import propose_parts
from featcx_core.inspection.patterns import split_place
from featcx_core.networks.anatomy import Anatomy
from featcx_core.study.fields import Data, Model, Study, StudyError, Training
from featcx_core.study.files import toml_value
from featcx_core.study.validation import validated

_GUESS = "epoch_{epoch}.pt"
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


class Draft:
    """Facts of a study so far.

    Args:
        wishes: what the user says.
        folder: where the study file will lie.

    Raises StudyError for a name that is none, and where there is nothing at a path.
    """

    def __init__(self, wishes: Wishes, *, folder: Path) -> None:
        self.lines: list[str] = []
        self.lacking: list[str] = []
        self.notes: dict[str, tuple[str, ...]] = {}
        self.anatomy: Anatomy | None = None
        self.epochs: tuple[int, ...] = ()
        self._parts: dict[str, dict[str, Any]] = {"data": {}, "model": {"source": wishes.model}}
        self._name = wishes.name
        self.study()  # a name that is none is said first
        self._state("data", source=data_source(wishes.data))
        if self.study().model.is_imported:
            self._state("model", folder=str(folder))
        if wishes.arguments:
            self._state("model", arguments=dict(wishes.arguments))
        self._is_stated = False
        if wishes.checkpoints:
            place, pattern = split_place(wishes.checkpoints)
            self._is_stated = bool(pattern)
            self._state("checkpoints", folder=place, pattern=pattern or _GUESS)
        else:
            n_epochs = Training().epochs if wishes.epochs is None else wishes.epochs
            self._state("training", epochs=n_epochs)
            self.epochs = tuple(range(Training(epochs=n_epochs).last + 1))

    def study(self, *, beside: Path | None = None) -> Study:
        """Return the study as it stands; paths below a folder relative to that, where one is given."""
        parts = {name: dict(fields) for name, fields in self._parts.items() if fields}
        if beside is not None:
            if parts["model"].get("folder") == str(beside):
                del parts["model"]["folder"]
            path = Data.model_validate(parts["data"]).path
            stem = parts["data"]["source"].removesuffix(path) if path else parts["data"]["source"]
            parts["data"]["source"] = stem + _relative(path, beside)
            if "checkpoints" in parts:
                parts["checkpoints"]["folder"] = _relative(parts["checkpoints"]["folder"], beside)
        return validated({"name": self._name, **parts})

    def look(self) -> None:
        """Find out what there is. Raises StudyError where there is no such network, or no images."""
        images = find_images(self.study().data)
        self._images(images)
        self._network(images)
        if self.anatomy is not None and "checkpoints" in self._parts:
            self._checkpoints(self.anatomy, images)
        if self.anatomy is not None:
            self._outputs(self.anatomy, len(images.class_names))
            self._preparation()

    def _state(self, part: str, **fields: Any) -> None:
        self._parts[part] = {**self._parts.get(part, {}), **fields}

    def _images(self, images: ImagesFound) -> None:
        study = self.study()
        self.lines += image_lines(images, study.data.source)
        if transform := propose_transform(images, study):
            self._state("data", transform=transform)
            self.lines.append(f"  transform = {toml_value(transform)}")
        is_trained = "training" in self._parts
        labels, names = images.labels, images.class_names
        try:
            parts = propose_parts(labels, names, n_train=images.n_train, is_trained=is_trained, seed=study.seed)
        except StudyError:
            return  # said again when the images are loaded
        for part, fields in parts.values.items():
            self._state(part, **fields)
        self.notes["data.split"] = parts.sentences
        self.lines += [f"  {line}" for line in parts.sentences]

    def _network(self, images: ImagesFound) -> None:
        study = self.study()
        self.anatomy, reason = find_network(study, images)
        if self.anatomy is None:
            self.lacking.append(reason)
            return
        self.lines += network_lines(study, self.anatomy)
        n_units, atoms = self.anatomy.n_units, study.dictionary.atoms_per_class
        if atoms != "auto" and n_units < atoms:
            self._state("dictionary", atoms_per_class=n_units)
            self.lines.append(f"  {n_units} units before the head: dictionary.atoms_per_class = {n_units}")

    def _preparation(self) -> None:
        """Note the preparation of the images, for the file; mean and std of a training elsewhere are unknown."""
        study = self.study()
        values = transform_in_force(study)
        notes = [f"In force: transform = {toml_value(values)}"]
        if "checkpoints" in self._parts and preprocessing(study).mean is None:
            taken = f"mean = {toml_value(values['mean'])}, std = {toml_value(values['std'])}"
            origin = f"of the images here ({taken}), since those of the network's training are not known"
            self.lines.append(f"  mean and std are {origin}: state those in data.transform, or the network may guess")
            notes += [f"mean and std are {origin}.", "State those: with other ones the network may guess."]
        self.notes["data.transform"] = tuple(notes)

    def _outputs(self, anatomy: Anatomy, n_classes: int) -> None:
        if anatomy.n_classes == n_classes or "outputs" in self._parts["model"]:
            return
        outputs = f"the network has {anatomy.n_classes} outputs, the data {n_classes} classes"
        if "training" in self._parts:
            self.lacking.append(f"model: {outputs}; to be trained it needs one a class, or a table model.outputs")
        else:
            self._other_things(outputs)

    def _other_things(self, reason: str) -> None:
        self._state("model", outputs="none")
        self.notes["model.outputs"] = (f"{reason}; where each class is an output, state which: {{cat = 281, …}}",)
        self.lines.append(f'  {reason}: model.outputs = "none", so accuracy and loss stay empty')

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
        self.lines += checkpoint_lines(study, survey)
        self.lines += [f"  also there: {other}" for other in chosen.others]
        self.epochs = tuple(sorted(survey.digests))
        if not any(epoch > 0 for epoch in self.epochs):
            self._none_yet("checkpoints: none of an epoch after 0 can be used")

    def _other_head(self, n_outputs: int, images: ImagesFound) -> None:
        """The files are of the same network with another number of outputs: it is built with as many."""
        source = self._parts["model"]["source"]
        if source.startswith(("torchvision:", "timm:")) and n_outputs != _OWN_OUTPUTS:
            self._state("model", arguments={**self._parts["model"].get("arguments", {}), "num_classes": n_outputs})
        self._other_things(f"the checkpoints have {n_outputs} outputs, the data {len(images.class_names)} classes")
        self._network(images)
        if self.anatomy is not None:
            self._checkpoints(self.anatomy, images)

    def _none_yet(self, reason: str) -> None:
        self.lacking.append(f"{reason}; {_TO_COME}")
        self.notes["probe.reference_epoch"] = (f"There is no checkpoint that can be used: {_TO_COME}.",)


def _relative(path: str, folder: Path) -> str:
    inside = Path(path).is_absolute() and Path(path).is_relative_to(folder)
    return Path(path).relative_to(folder).as_posix() if inside else path
