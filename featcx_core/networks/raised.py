"""Errors of other people's code, in one line: of a network's factory, of its forward pass."""

from pathlib import Path
from sysconfig import get_path
from traceback import extract_tb

_INSTALLED = (str(Path(__file__).parents[1]), "site-packages", get_path("stdlib"), "<frozen")


def raised(error: Exception) -> str:
    """Return kind and message of an error, and the last line on its way in a file outside installed packages.

    >>> raised(KeyError("stage"))
    "KeyError: 'stage'"
    """
    frames = extract_tb(error.__traceback__)
    outside = [frame for frame in frames if not any(part in frame.filename for part in _INSTALLED)]
    where = f" ({outside[-1].filename}, line {outside[-1].lineno})" if outside else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"
