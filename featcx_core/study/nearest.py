"""The hint behind every error about a name that does not exist."""

from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 20  # names in a message; networks by name are more than a thousand


def nearest(given: str, choices: Iterable[str]) -> str:
    """Return the choice that was probably meant; the list of all choices where none is alike.

    Alike is, in this order: a dotted name that ends in the given one, a similar spelling (upper and lower case count
    as the same), a name that begins with the given one.

    >>> nearest("lr", ["seed", "training.optimizer.lr"])
    'did you mean training.optimizer.lr?'
    >>> nearest("resnt18", ["resnet18", "vgg11"])
    'did you mean resnet18?'
    >>> nearest("xyz", ["seed", "name"])
    'wanted one of: seed, name'
    """
    names = list(choices)
    name = alike(given, names)
    return f"did you mean {name}?" if name else listed(names)


def alike(given: str, choices: Iterable[str]) -> str:
    """Return the choice that was probably meant; empty where none is alike. The order is that of `nearest`."""
    names = {name.casefold(): name for name in choices}
    wanted = given.casefold()
    by_end = [name for name in names if name.endswith(f".{wanted}")]
    by_spelling = get_close_matches(wanted, names, n=1)
    by_beginning = [name for name in names if wanted and name.startswith(wanted)]
    return next((names[name] for name in (*by_end, *by_spelling, *by_beginning)), "")


def listed(choices: Iterable[object]) -> str:
    """Return all choices, the first twenty where they are more.

    >>> listed([0, 1])
    'wanted one of: 0, 1'
    >>> listed([])
    'there is none'
    """
    names = [str(choice) for choice in choices]
    if not names:
        return "there is none"
    rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"wanted one of: {', '.join(names[:_LISTED])}{rest}"
