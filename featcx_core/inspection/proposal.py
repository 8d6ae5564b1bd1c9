"""A study proposed for a network, images and checkpoints: what was found, what could not be, and the file to write."""

import os
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from featcx_core.anatomy import Anatomy
from featcx_core.inspection.checkpoints import checkpoint_lines, choose_pattern, survey_checkpoints
from featcx_core.inspection.images import (
    ImagesFound,
    data_source,
    find_images,
    image_lines,
    propose_transform,
    relative,
)
from featcx_core.inspection.parts import propose_parts
from featcx_core.inspection.patterns import split_place
from featcx_core.inspection.text import commented
from featcx_core.study import Data, Model, Study, StudyError, Training, validated

_GUESS = "epoch_{epoch}.pt"


class Wishes(NamedTuple):
    """What the user says."""

    name: str
    """Of the study."""
    model: str = Model().source
    """The network."""
    arguments: dict[str, Any] = {}
    """Of its factory."""
    data: str = Data().source
    """Source or path of the images."""
    checkpoints: str = ""
    """Folder, file, or path with `{epoch}`; empty: featcx trains the network."""
    epochs: int | None = None
    """Passes of that training."""


class Proposal(NamedTuple):
    """A study file and what it rests on."""

    study: Study
    """What the file says, paths absolute."""
    text: str
    """The file."""
    found: tuple[str, ...]
    """What was found and chosen, line by line."""
    lacking: tuple[str, ...]
    """What could not be found or does not fit: to be mended in the file before it can be run."""
    anatomy: Anatomy | None
    """The network's layers; None where the images or the network cannot be used."""
    epochs: tuple[int, ...]
    """Those of the checkpoints that are there or will be trained."""


def propose(wishes: Wishes, *, file: Path) -> Proposal:
    """Look at all of it and propose a study, to be written to `file`; nothing is written.

    Raises StudyError for a name that is none, a network that there is not or that refuses its arguments, and where
    there is nothing at a path.
    """
    draft = _Draft(wishes)
    draft.look()
    near = {path: relative(path, to=file.resolve().parent) for path in draft.paths}
    written = draft.study(near)
    text = commented(written, notes=draft.notes)
    found, lacking = tuple(draft.found), tuple(draft.lacking)
    return Proposal(draft.study({}), text, found, lacking, draft.anatomy, draft.epochs)


class _Draft:
    """A study that grows while it is looked at what it is about."""

    def __init__(self, wishes: Wishes) -> None:
        model = {"source": wishes.model} | ({"arguments": wishes.arguments} if wishes.arguments else {})
        self.values: dict[str, Any] = {
            "name": wishes.name,
            "data": {"source": data_source(wishes.data)},
            "model": model,
        }
        self.pattern = ""
        self.epochs: tuple[int, ...] = ()
        if wishes.checkpoints:
            folder, self.pattern = split_place(wishes.checkpoints)
            self.values["checkpoints"] = {"folder": folder, "pattern": self.pattern or _GUESS}
        else:
            n_epochs = Training().epochs if wishes.epochs is None else wishes.epochs
            self.values["training"] = {"epochs": n_epochs}
            self.epochs = tuple(range(n_epochs + 1))
        self.found: list[str] = []
        self.lacking: list[str] = []
        self.notes: dict[str, tuple[str, ...]] = {}
        self.anatomy: Anatomy | None = None

    @property
    def paths(self) -> list[str]:
        """Absolute paths in it."""
        paths = [Data.model_validate(self.values["data"]).path, self.values.get("checkpoints", {}).get("folder", "")]
        return [path for path in paths if os.path.isabs(path)]

    def study(self, near: dict[str, str]) -> Study:
        """What it says by now, with other paths for some."""
        data = dict(self.values["data"])
        path = Data.model_validate(data).path
        data["source"] = data["source"].removesuffix(path) + near.get(path, path)
        parts = {**self.values, "data": data}
        if "checkpoints" in parts:
            folder = parts["checkpoints"]["folder"]
            parts["checkpoints"] = {**parts["checkpoints"], "folder": near.get(folder, folder)}
        return validated(parts)

    def look(self) -> None:
        """Images first: the network's input and outputs follow from them; then what fits the network."""
        self.study({})  # a name that is none is said before the work
        images = find_images(self.study({}).data)
        self._images(images)
        self.anatomy = self._network(images)
        if "checkpoints" in self.values and self.anatomy is not None:
            self._checkpoints(self.anatomy, images)
        if self.anatomy is not None:
            self._outputs(self.anatomy, len(images.class_names))

    def _images(self, images: ImagesFound) -> None:
        study = self.study({})
        self.found += image_lines(images, study.data.source)
        if transform := propose_transform(images, study):
            self.values["data"]["transform"] = transform
            said = ", ".join(f"{key} = {value}" for key, value in transform.items())
            self.found.append(f"  transform = {{{said}}}")
        is_trained = "training" in self.values
        try:
            parts = propose_parts(
                images.labels, images.class_names, n_train=images.n_train, is_trained=is_trained, seed=study.seed
            )
        except StudyError as error:
            self.lacking.append(str(error))
            return
        for section, values in parts.values.items():
            self.values[section] = {**self.values.get(section, {}), **values}
        self.notes["data.split"] = parts.said
        self.found += [f"  {line}" for line in parts.said]

    def _network(self, images: ImagesFound) -> Anatomy | None:
        from featcx_core.sources.images import load_data
        from featcx_core.sources.layers import resolve_anatomy
        from featcx_core.sources.models import build_model

        study = self.study({})
        try:
            data = load_data(study)
        except StudyError as error:
            self.lacking.append(str(error))
            data = None
        shape = data.image_shape if data else (images.channels, images.short_side, images.short_side)
        model = build_model(study, n_classes=len(images.class_names), image_shape=shape)
        if data is None:
            return None
        try:
            anatomy = resolve_anatomy(model, study, image_shape=shape)
        except StudyError as error:
            self.lacking.append(str(error))
            return None
        self.found += network_lines(study, anatomy)
        self._fewer_atoms(anatomy)
        return anatomy

    def _fewer_atoms(self, anatomy: Anatomy) -> None:
        """No more atoms than the layer before the head has units."""
        if anatomy.n_units < self.study({}).dictionary.atoms_per_class:
            self.values["dictionary"] = {**self.values.get("dictionary", {}), "atoms_per_class": anatomy.n_units}
            self.found.append(
                f"  {anatomy.n_units} units before the head: dictionary.atoms_per_class = {anatomy.n_units}"
            )

    def _outputs(self, anatomy: Anatomy, n_classes: int) -> None:
        if anatomy.n_classes == n_classes or "outputs" in self.values["model"]:
            return
        said = f"the network has {anatomy.n_classes} outputs, the data {n_classes} classes"
        if "training" in self.values:
            self.lacking.append(f"model: {said}; to be trained it needs one output a class, or a table model.outputs")
            return
        self.values["model"]["outputs"] = "none"
        self.notes["model.outputs"] = (f"{said}; where each class is an output, state which: {{cat = 281, …}}",)
        self.found.append(f'  {said}: model.outputs = "none", so accuracy and loss stay empty')

    def _checkpoints(self, anatomy: Anatomy, images: ImagesFound) -> None:
        chosen = choose_pattern(self.study({}), anatomy, is_stated=bool(self.pattern))
        if chosen.n_outputs and not self.values["model"].get("outputs"):
            self._other_outputs(chosen.n_outputs, images)
            return
        self.pattern = chosen.pattern
        if chosen.others:
            self.notes["checkpoints.pattern"] = tuple(f"also there: {other}" for other in chosen.others)
        if not self.pattern:
            self.lacking.append(f"checkpoints: {chosen.reason}")
            self._still_to_come()
            return
        self.values["checkpoints"]["pattern"] = self.pattern
        survey = survey_checkpoints(self.study({}), anatomy)
        self.found += checkpoint_lines(self.study({}), survey)
        self.found += [f"  also there: {other}" for other in chosen.others]
        self.epochs = tuple(sorted(survey.digests))
        if not any(epoch > 0 for epoch in survey.digests):
            self.lacking.append("checkpoints: none after epoch 0 can be used")
            self._still_to_come()

    def _other_outputs(self, n_outputs: int, images: ImagesFound) -> None:
        """The files are those of the same network with another number of outputs: built with as many."""
        model = self.values["model"]
        self.values["model"] = {**model, "outputs": "none"}
        if model["source"].startswith(("torchvision:", "timm:")) and n_outputs != 1000:  # their own default
            self.values["model"]["arguments"] = {**model.get("arguments", {}), "num_classes": n_outputs}
        said = f"the checkpoints have {n_outputs} outputs, the data {len(images.class_names)} classes"
        self.notes["model.outputs"] = (f"{said}; where each class is an output, state which: {{cat = 281, …}}",)
        self.found.append(f'{said}: model.outputs = "none", so accuracy and loss stay empty')
        self.anatomy = self._network(images)
        if self.anatomy is not None:
            self._checkpoints(self.anatomy, images)

    def _still_to_come(self) -> None:
        said = "state probe.reference_epoch, the epoch to follow, if they are still to come"
        self.lacking[-1] += f"; {said}"
        self.notes["probe.reference_epoch"] = (f"No checkpoint can be used yet: {said}.",)


def network_lines(study: Study, anatomy: Anatomy) -> Iterator[str]:
    """What was found in a network, for people."""
    blocks = [row for row in anatomy.layers if row.shortcut]
    projected = sum(row.shortcut == "projection" for row in blocks)
    n_numbers = sum(prod(shape) for shape in anatomy.parameters.values())
    yield f"model: {study.model.source}: {n_numbers:,} numbers in {len(anatomy.parameters)} tensors"
    first, last = anatomy.layers[0], anatomy.layers[-1]
    described = f", {len(blocks)} of them residual blocks ({projected} with a projection)" if blocks else ""
    yield f"  layers: {len(anatomy.layers)}, {first.layer} … {last.layer}{described}"
    shape = " x ".join(map(str, anatomy.image_shape))
    yield f"  input: {shape}; before the head: {anatomy.penultimate}, {anatomy.n_units} units"
    yield f"  head: {anatomy.head}, {anatomy.n_classes} outputs"
