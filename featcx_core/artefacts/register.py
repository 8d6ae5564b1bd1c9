"""Register a study: what is to be measured and what its network is made of, written where every later step finds it."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.declaration import resolve
from featcx_core.checkpoints.landing import refuse_nothing, whereabouts
from featcx_core.checkpoints.survey import survey
from featcx_core.images.digests import content_digest, text_digest
from featcx_core.networks.anatomy import Anatomy, anatomy_digest, anatomy_text, read_anatomy
from featcx_core.store.files import write_bytes
from featcx_core.store.places import Store
from featcx_core.store.reference import pin_reference
from featcx_core.study.fields import Study, StudyError, changed
from featcx_core.study.files import load_study, packaged_studies, says, study_text

logger = logging.getLogger("featcx")


def register(study: Study, *, home: str | Path, text: str | None = None, siblings: Sequence[Store] = ()) -> Store:
    """Write `study.toml` and `layers.json`, each only where it changes.

    `text` is the study file as its author wrote it, so that comments survive. Without it, a registered study that says
    something else is kept as `study.toml.before`, and a warning says what changed. The network is built only when no
    anatomy of it is known yet, here or in one of the `siblings`; that of a packaged study comes with featcx and needs
    no torch.

    Raises StudyError when the home cannot be written, or the data or the network cannot be used; nothing is written
    then.
    """
    store, toml = Store(home, study), study_text(study, text=text)
    if store.group_path.is_file():
        raise StudyError(f"{study.name} is the name of a comparison in {store.home}; wanted another for the study")
    catalogue().refuse_unknown(study)
    content_digest(study.data)  # what cannot be read is not registered
    text_digest(study.model.weights_path, field="model.weights")
    try:
        anatomy_known = _known_anatomy(store, siblings)
        anatomy = anatomy_known or _found_anatomy(study)
        if not (anatomy_known and any(says(path, study) for path in (store.study_path, *packaged_studies().values()))):
            _refuse_unusable(study, anatomy)
        reference = _reference(store, anatomy) if store.study.waits_for_reference else None
        if text is None:
            _keep_other(store)
        _write(store.layers_path, anatomy_text(anatomy))
        _write(store.study_path, toml)
        if reference is not None:
            pin_reference(store.reference_path, study.checkpoints, reference)
            store = Store(home, study)
    except OSError as error:
        raise StudyError(
            f"cannot write to {error.filename or store.root}: {error.strerror}; choose another home"
        ) from error
    return store


def move_reference(store: Store, epoch: int | None = None) -> tuple[int, int]:
    """Follow another epoch of another program's checkpoints, the newest for None; returns the epoch before, and now.

    Raises StudyError where the study states its reference epoch itself, or there is no usable checkpoint of the epoch.
    """
    before, name = store.study.reference_epoch, store.study.name
    if not store.reference_path.is_file():
        raise StudyError(f"study {name} states which epoch it follows, {before}; change probe.reference_epoch there")
    usable = sorted(number for number in survey(store).digests if number > 0)
    now = epoch if epoch is not None else max(usable, default=before)
    if now not in usable:
        listed = ", ".join(map(str, usable[-5:])) or "none"
        raise StudyError(f"wanted an epoch of {name} whose checkpoint can be used, got {now}; the last are {listed}")
    pin_reference(store.reference_path, store.study.checkpoints, now)
    return before, now


def _keep_other(store: Store) -> None:
    """Put a registered study that says something else aside; a broken one is replaced."""
    with suppress(StudyError, FileNotFoundError):
        before = load_study(store.study_path)
        if before != store.study:
            kept = store.study_path.with_name("study.toml.before")
            write_bytes(kept, store.study_path.read_bytes())
            fields = ", ".join(changed(before, store.study))
            logger.warning("%s said something else, kept as %s; changed: %s", store.study_path, kept.name, fields)


def _reference(store: Store, anatomy: Anatomy) -> int:
    """The last of another program's checkpoints that can be used. Raises StudyError where there is none."""
    refuse_nothing(store)
    surveyed = survey(store, parameters=anatomy.parameters)
    usable = [epoch for epoch in surveyed.digests if epoch > 0]
    if not usable:
        reason = next(iter(surveyed.bad.values()), f"only epoch 0 is in {whereabouts(store)}")
        raise StudyError(f"{reason}; state the epoch to follow as probe.reference_epoch if it is still to come")
    return max(usable)


def _known_anatomy(store: Store, siblings: Sequence[Store]) -> Anatomy | None:
    """The anatomy that is registered or comes with featcx, where it is of the same network."""
    packaged = [path.with_suffix(".layers.json") for path in packaged_studies().values()]
    for path in (store.layers_path, *packaged, *(sibling.layers_path for sibling in siblings)):
        try:
            anatomy = read_anatomy(path)
        except FileNotFoundError:  # none yet
            continue
        except ValueError as error:  # by another version, or damaged
            if not isinstance(error, ValidationError):
                store.put_aside(path, "it is not as it was written", remedy="the network is looked at again")
            continue
        if anatomy.made_from == anatomy_digest(store.study):
            return anatomy
    return None


def _found_anatomy(study: Study) -> Anatomy:
    from featcx_core.images.data import load_data
    from featcx_core.networks.layers import resolve_anatomy
    from featcx_core.networks.models import build_model

    data = load_data(study)
    model = build_model(study, n_classes=len(data.class_names), image_shape=data.image_shape)
    return resolve_anatomy(model, study, image_shape=data.image_shape)


def _refuse_unusable(study: Study, anatomy: Anatomy) -> None:
    """Raise StudyError for what cannot be analysed: it replaces nothing."""
    from featcx_core.images.data import load_data
    from featcx_core.images.outputs import refuse_other_outputs

    data = load_data(study)
    if (n_score := len(data.split["score"])) < study.probe.groups:
        raise StudyError(
            f"probe.groups = {study.probe.groups} needs as many score images, got {n_score}; raise data.split.score"
        )
    refuse_other_outputs(study.model, data.class_names, n_outputs=anatomy.n_classes)
    refuse_unusable(study, anatomy)


def refuse_unusable(study: Study, anatomy: Anatomy) -> None:
    """Raise StudyError for what would fail after hours only, as the declarations of what is possible say."""
    from featcx_core.images.data import load_data

    data = load_data(study)
    wanted = catalogue().wanted(study)
    for artefact in catalogue().possible(study):
        if artefact.refuse and (artefact.asked != "named" or artefact in wanted):
            resolve(artefact.refuse)(study, anatomy, data)


def _write(path: Path, text: str) -> None:
    """Write a file where it does not say the same already."""
    if not path.is_file() or path.read_bytes() != text.encode():
        write_bytes(path, text.encode())
