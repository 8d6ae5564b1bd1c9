"""Survey of another program's checkpoints in a folder: their pattern, and whether they fit the network."""

import re
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from featcx_core.checkpoints.landing import is_url, landed
from featcx_core.checkpoints.survey import Survey, survey
from featcx_core.inspection.patterns import SUFFIXES, guess_patterns
from featcx_core.networks.anatomy import Anatomy
from featcx_core.networks.safetensors_files import CheckpointError
from featcx_core.networks.state_dicts import contents, tensor_shapes
from featcx_core.store.places import Store
from featcx_core.study.fields import Study

_TRIED = 5  # patterns of which a file is held against the network


class CheckpointsFound(NamedTuple):
    """The checkpoints in a folder."""

    pattern: str
    """That of the files that fit the network; empty where there is none."""
    others: tuple[str, ...]
    """Further patterns, with what follows them, for people."""
    reason: str
    """Why nothing fits; empty where something does."""
    n_outputs: int | None
    """Outputs of the network in the files, where that is why nothing fits."""


def choose_pattern(study: Study, anatomy: Anatomy, *, is_stated: bool) -> CheckpointsFound:
    """The study's pattern where it `is_stated`, else that of the most files in its folder whose last one fits.

    Where none fits: why. An object store's files are not read here.
    """
    folder, stated = study.checkpoints.folder, study.checkpoints.pattern
    if is_stated and not (places := _places(study)):
        return CheckpointsFound("", (), f"nothing in {folder} matches {stated!r}", None)
    if is_url(folder):
        return CheckpointsFound(stated, (), "", None)
    if is_stated:
        reason = _misfit([Path(places[-1]), Path(places[0])], anatomy)
        return CheckpointsFound(stated, (), "", _other_outputs(Path(places[-1]), anatomy) if reason else None)
    patterns = guess_patterns(Path(folder))[:_TRIED]
    endings = ", ".join(SUFFIXES)
    reasons = [] if patterns else [f"no file with the ending {endings}, and none that torch.save wrote, in {folder}"]
    n_outputs: int | None = None
    for pattern in patterns:
        # The last file may be half-written, and the first of another kind.
        ends = [Path(folder) / pattern.files[epoch] for epoch in (max(pattern.files), min(pattern.files))]
        if not (reason := _misfit(ends, anatomy)):
            others = tuple(str(other) for other in patterns if other is not pattern)
            return CheckpointsFound(pattern.text, others, "", None)
        reasons.append(reason)
        n_outputs = n_outputs or _other_outputs(ends[0], anatomy)
    return CheckpointsFound("", tuple(map(str, patterns)), reasons[0], n_outputs)


def _misfit(paths: list[Path], anatomy: Anatomy) -> str:
    """Why none of some files is the network's; empty where one is."""
    reason = ""
    for path in paths:
        try:
            contents(path, wanted=anatomy.parameters)
        except CheckpointError as error:
            reason = reason or str(error)
        else:
            return ""
    return reason


def survey_checkpoints(study: Study, anatomy: Anatomy) -> Survey:
    """All files of the study's pattern, read; nothing is written."""
    with tempfile.TemporaryDirectory() as home:
        return survey(Store(home, study), parameters=anatomy.parameters)


def checkpoint_lines(study: Study, surveyed: Survey) -> Iterator[str]:
    """Yield the survey, for people."""
    settings, epochs = study.checkpoints, sorted(surveyed.digests)
    n_files = len(epochs) + len(surveyed.bad)
    yield f"checkpoints: {settings.folder}, {settings.pattern}: {len(epochs)} of {n_files} can be used"
    if epochs:
        yield f"  epochs: {_epochs(epochs)}"
    for sentence in sorted(set(surveyed.found_as.values())):
        yield f"  in the files: {sentence}"
    for reason in list(surveyed.bad.values())[:5]:
        yield f"  bad: {reason}"
    if len(surveyed.bad) > 5:
        yield f"  bad: and {len(surveyed.bad) - 5} more"


def _epochs(epochs: list[int]) -> str:
    if len(epochs) == 1:
        return str(epochs[0])
    steps = {later - epoch for epoch, later in pairwise(epochs)}
    if len(epochs) <= 8:
        return ", ".join(map(str, epochs))
    return f"{epochs[0]} … {epochs[-1]}{'' if steps == {1} else f', {len(epochs)} of them'}"


def _places(study: Study) -> list[str]:
    """Files of the study's pattern, by epoch."""
    with tempfile.TemporaryDirectory() as home:
        return [files[0].place for _, files in sorted(landed(Store(home, study)).items())]


def last_file(study: Study) -> Path | None:
    """Return the file of the last epoch; None where there is none, or it lies in an object store."""
    places = [] if is_url(study.checkpoints.folder) else _places(study)
    return Path(places[-1]) if places else None


def _other_outputs(path: Path, anatomy: Anatomy) -> int | None:
    """Outputs of the head in a file, where they are not as many as the network has."""
    name, wanted = f"{anatomy.head}.weight", anatomy.parameters.get(f"{anatomy.head}.weight", ())
    try:
        dictionaries = tensor_shapes(path)
    except CheckpointError:
        return None
    for shapes in dictionaries.values():
        for tensor, shape in shapes.items():
            is_head = re.fullmatch(rf"(.*\.)?{re.escape(name)}", tensor) is not None
            if is_head and len(shape) == 2 and shape[1:] == wanted[1:] and shape != wanted:
                return shape[0]
    return None
