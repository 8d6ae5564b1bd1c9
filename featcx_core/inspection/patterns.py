"""The pattern that checkpoint files follow, guessed from their names."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from featcx_core.checkpoints.landing import is_url
from featcx_core.images.listing import files_in
from featcx_core.networks.unpickling import is_of_torch
from featcx_core.study.fields import StudyError

SUFFIXES = (".safetensors", ".pt", ".pth", ".th", ".ckpt", ".bin", ".tar")
"""Endings of the files that count as checkpoints; where none has one of them, files that torch.save wrote do."""
_EPOCH = re.compile(r"(?<![0-9])[0-9]{1,6}(?![0-9])")  # longer ones are times, not epochs
_SPOKEN = re.compile(r"(epoch|(?<![a-z])(ep|e))[-_=.]?$", re.IGNORECASE)


class Pattern(NamedTuple):
    """A pattern and the files that follow it."""

    text: str
    """As `checkpoints.pattern`."""
    files: dict[int, str]
    """Path within the folder, by epoch; one for each."""
    n_unclear: int
    """Further files with an epoch that another has already."""
    is_spoken: bool
    """Whether the name says `epoch` before the number."""

    def __str__(self) -> str:
        epochs = sorted(self.files)
        span = f"epochs {epochs[0]} … {epochs[-1]}" if "{epoch}" in self.text else "one file"
        return f"{self.text}: {len(epochs)} files, {span}" if len(epochs) > 1 else f"{self.text}: {span}"


def split_place(text: str) -> tuple[str, str]:
    """Folder and pattern of a folder, a file, or a path or URL with `{epoch}` or `*` in it; no pattern for a folder.

    Raises StudyError where there is no such folder or file.
    """
    if "{epoch}" in text or "*" in text:
        head, _, _ = re.split(r"\{epoch\}|\*", text, maxsplit=1)[0].rpartition("/")
        folder = head or ("/" if text.startswith("/") else ".")
        pattern = text.removeprefix(head).lstrip("/")
        return (folder if is_url(text) else str(_there(Path(folder)))), pattern
    if is_url(text):
        example = f"{text.rstrip('/')}/epoch_{{epoch}}.pt"
        raise StudyError(f"checkpoints: wanted a URL with {{epoch}} in it, for instance {example}, got {text}")
    path = Path(text).resolve()
    if path.is_file():
        return str(path.parent), path.name
    return str(_there(path)), ""


def guess_patterns(folder: Path) -> list[Pattern]:
    """Patterns that checkpoint files in a folder follow, the best first: most epochs, one file for each."""
    names = list(files_in(folder, suffixes=SUFFIXES))
    names = names or [name for name in files_in(folder) if is_of_torch(folder / name)]
    groups: dict[str, dict[int, str]] = defaultdict(dict)
    unclear: dict[str, int] = defaultdict(int)
    spoken: dict[str, bool] = {}
    for name in names:
        for pattern, epoch, is_spoken in _patterns_of(name):
            unclear[pattern] += groups[pattern].setdefault(epoch, name) != name
            spoken[pattern] = is_spoken
    patterns = [Pattern(text, files, unclear[text], spoken[text]) for text, files in groups.items()]
    return _without_repetitions(sorted(patterns, key=_rank))


def _rank(pattern: Pattern) -> tuple[object, ...]:
    is_single = (
        len(pattern.files) < 2
    )  # the number of a single file is an epoch only where the name says so: resnet18.pt
    return (
        pattern.n_unclear > 0,
        -len(pattern.files),
        not pattern.is_spoken,
        is_single and "{epoch}" in pattern.text,
        pattern.text.count("*"),
        pattern.text,
    )


def _patterns_of(name: str) -> Iterator[tuple[str, int, bool]]:
    """Every reading of a file's name: one number is the epoch, the others stand or vary; or none is."""
    yield name, 1, False
    ending = Path(name).suffix
    stem = name.removesuffix(ending)
    for number in _EPOCH.finditer(stem):
        before, after, epoch = stem[: number.start()], stem[number.end() :], int(number.group())
        is_spoken = _SPOKEN.search(before) is not None
        exact, loose = (f"{a}{{epoch}}{b}{ending}" for a, b in ((before, after), (_starred(before), _starred(after))))
        yield exact, epoch, is_spoken
        if loose != exact:
            yield loose, epoch, is_spoken


def _starred(text: str) -> str:
    return re.sub(r"[0-9]+", "*", text)


def _without_repetitions(patterns: Iterable[Pattern]) -> list[Pattern]:
    """Patterns that no better one covers the same files of."""
    kept: list[Pattern] = []
    for pattern in patterns:
        files = set(pattern.files.values())
        if not any(files <= set(better.files.values()) for better in kept):
            kept.append(pattern)
    return kept


def _there(folder: Path) -> Path:
    if not folder.is_dir():
        raise StudyError(f"checkpoints: no folder or file {folder}; wanted one, or FOLDER/epoch_{{epoch}}.pt")
    return folder.resolve()
