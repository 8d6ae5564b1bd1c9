"""A study proposed for a network, images and checkpoints: what was found, what could not be, and the file to write."""

from pathlib import Path
from typing import NamedTuple

from featcx_core.inspection.draft import Draft, Wishes
from featcx_core.inspection.text import commented
from featcx_core.networks.anatomy import Anatomy
from featcx_core.study.fields import Study


class Proposal(NamedTuple):
    """A study file and what it rests on."""

    study: Study
    """Content of the file, paths absolute."""
    text: str
    """The file."""
    found: tuple[str, ...]
    """Facts and choices, line by line."""
    lacking: tuple[str, ...]
    """Facts that are missing or do not fit: to be mended in the file before it can be run."""
    anatomy: Anatomy | None
    """The network's layers; None where the images or the network cannot be used."""
    epochs: tuple[int, ...]
    """Epochs whose checkpoints are there or will be trained."""


def propose(wishes: Wishes, *, file: Path) -> Proposal:
    """Look at all of it and propose a study, to be written to `file`; nothing is written.

    Raises StudyError for a name that is none, a network that there is not or that refuses its arguments, and where
    there is nothing at a path.
    """
    folder = file.resolve().parent
    draft = Draft(wishes, folder=folder)
    draft.look()
    text = commented(draft.study(beside=folder), file=file.name, notes=draft.notes)
    return Proposal(draft.study(), text, tuple(draft.lines), tuple(draft.lacking), draft.anatomy, draft.epochs)
