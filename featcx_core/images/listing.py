"""Files of a folder of images, in a fixed order."""

import os
from collections.abc import Iterator
from pathlib import Path

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
"""Endings, in lower case, of image files."""


def files_in(folder: Path, *, suffixes: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the paths of the files below a folder, relative to it, sorted folder by folder; only of the given endings.

    Hidden files are left out: a `._cat.jpg` that a Mac has put beside `cat.jpg` is no image. Links are followed.
    Raises OSError when a folder cannot be read.
    """

    def refuse(error: OSError) -> None:  # os.walk would leave the folder out without a word
        raise error

    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = Path(place).relative_to(folder).as_posix()
        prefix = "" if inside == "." else f"{inside}/"
        for name in sorted(names):
            if not name.startswith(".") and (not suffixes or name.lower().endswith(suffixes)):
                yield prefix + name
