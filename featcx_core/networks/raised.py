"""What somebody else's program raised, in one line: a network's factory, its forward pass."""

from pathlib import Path
from sysconfig import get_path
from traceback import extract_tb

_NOT_THEIRS = (str(Path(__file__).parents[1]), "site-packages", get_path("stdlib"), "<frozen")


def raised(error: Exception) -> str:
    """Kind, message and the last line of a file of theirs (not of an installed package) on the way to it.

    >>> raised(KeyError("stage"))
    "KeyError: 'stage'"
    """
    frames = extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not any(part in frame.filename for part in _NOT_THEIRS)]
    where = f" ({theirs[-1].filename}, line {theirs[-1].lineno})" if theirs else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"
