"""Damage: a committed file that is not as it was written is named, put aside and made again, never read."""

import logging
import time
from pathlib import Path

ASIDE = "damaged"
"""Folder of a study that holds what was put aside."""
logger = logging.getLogger("featcx")


class Damaged(ValueError):
    """A committed file or folder that is not as it was written.

    Args:
        path: what was committed: a file, or the whole folder.
        reason: what is wrong with it, in a few words.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is damaged: {reason}; `featcx verify --repair` has it made again")
        self.path, self.reason = path, reason


def put_aside(root: Path, path: Path, reason: str, *, remedy: str = "it is made again") -> Path | None:
    """Move what is damaged into the study's folder `damaged`, and log one line; returns its new place.

    Nothing is deleted. Returns None where it is gone already or cannot be moved.
    """
    place = root / ASIDE / path.relative_to(root)
    place = place.with_name(f"{place.name}.{time.strftime('%Y%m%d-%H%M%S')}-{time.monotonic_ns() % 1_000_000:06d}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)
    except FileNotFoundError:
        logger.warning("%s is damaged: %s; %s", path, reason, remedy)
        return None
    except OSError as error:
        logger.warning("%s is damaged: %s; it cannot be put aside (%s)", path, reason, error.strerror)
        return None
    logger.warning("%s is damaged: %s; put aside as %s, %s", path, reason, place.relative_to(root), remedy)
    return place


def aside(root: Path) -> list[str]:
    """Return the names of what lies aside, sorted: another list once something more was found damaged."""
    folder = root / ASIDE
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if _is_place(path))


def _is_place(path: Path) -> bool:
    stem, dot, stamp = path.name.rpartition(".")
    return bool(stem and dot) and len(stamp) == 22 and stamp[8] == stamp[15] == "-"
