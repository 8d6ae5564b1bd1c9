"""Files of a folder of images, in a fixed order."""

import os
from collections.abc import Iterator
from pathlib import Path

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
"""Endings, in lower case, of the files that count as images."""


def files_in(folder: Path, *, suffixes: tuple[str, ...] = ()) -> Iterator[str]:
    """Paths, relative to the folder, of the files below it, sorted folder by folder; of those endings where given.

    Hidden ones are left out: a `._cat.jpg` that a Mac has put beside `cat.jpg` is no image. Links are followed.
    Raises OSError when a folder cannot be read.
    """

    def refuse(error: OSError) -> None:  # os.walk would leave it out without a word
        raise error

    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = Path(place).relative_to(folder).as_posix()
        prefix = "" if inside == "." else f"{inside}/"
        for name in sorted(names):
            if not name.startswith(".") and (not suffixes or name.lower().endswith(suffixes)):
                yield prefix + name
