"""The preparation that a trained network's images need: that of its published weights, or what it knows images by."""

from pathlib import Path
from typing import Any, NamedTuple

from featcx_core.inspection.preparation import BETTER, GOOD, Trial, Tried
from featcx_core.inspection.weights import Recognised, recognise
from featcx_core.networks.anatomy import Anatomy
from featcx_core.networks.safetensors_files import CheckpointError
from featcx_core.study.fields import Study, StudyError

_TOLD = 4  # preparations, at most


class Prepared(NamedTuple):
    """A proposed preparation."""

    transform: dict[str, Any]
    """Fields of `data.transform`; empty where it stays as it is."""
    lines: tuple[str, ...]
    """Facts, for people."""
    is_known: bool
    """Whether mean and std are those of the network's training, as far as one can tell."""


def propose_preparation(study: Study, anatomy: Anatomy, path: Path, *, published: Path) -> Prepared:
    """Recognise the weights in a file and try how the network takes the images.

    The transform of recognised weights is proposed, whatever else does better; else the best that was tried, if it is
    clearly better than the mean and std of the images here. `published` is the file as it was published, `path` the one
    whose names are the network's.
    """
    known = recognise(published, source=study.model.source, n_outputs=anatomy.n_classes)
    lines = [f"weights: {known.name}, by {known.by}: its preparation is taken"] if known else []
    try:
        trial = Trial(study, anatomy, path)
        words = f"as {known.name}" if known else "mean and std of the images here"
        first = trial.score(words, known.transform if known else {})
    except (StudyError, CheckpointError, OSError, RuntimeError):
        return Prepared(known.transform if known else {}, tuple(lines), known is not None)  # the dry run says why
    if known and first.score >= GOOD[trial.measure]:
        lines.append(f"  {_meant(trial)}: {first.score:.0%}")
        return Prepared(known.transform, tuple(lines), is_known=True)
    return _compared(trial, first, known, lines)


def _compared(trial: Trial, first: Tried, known: Recognised | None, lines: list[str]) -> Prepared:
    """Try other preparations too, and tell each in a line."""
    tried = trial.alternatives(first)
    is_better = tried[0].rank >= first.rank + BETTER and tried[0].score >= trial.least
    best = tried[0] if is_better else first
    lines.append(f"  preparations tried, by {_meant(trial)}:")
    shown = tried[:_TOLD] if first in tried[:_TOLD] else [*tried[: _TOLD - 1], first]
    lines += [f"    {each.score:4.0%}  {each.words}" for each in shown]
    if known:
        if best is not first:
            lines.append(f"  look: the images are known better with {best.words}; state it in data.transform if so")
        return Prepared(known.transform, tuple(lines), is_known=True)
    if best.score < trial.least:
        lines.append("  none does well: state data.transform as in the network's training")
    return Prepared(best.transform, tuple(lines), is_known=best is not first)


def _meant(trial: Trial) -> str:
    n = f"{len(trial.rows)} images"
    return f"accuracy on {n}" if trial.measure == "accuracy" else f"agreement on {n} with their mirror images"
