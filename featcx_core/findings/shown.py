"""Names of concepts by what they show: the classes of the images on which they are strongest."""

from collections import Counter
from collections.abc import Sequence


def shows(class_names: Sequence[str]) -> str:
    """Return a concept's name from the classes of its strongest images.

    >>> shows(["4", "4", "2", "4"]), shows(["cat"] * 8), shows([])
    ('mostly 4 (3 of 4), also 2', 'cat (8 of 8)', 'on no image')
    >>> shows(["4", "4", "2", "1"]), shows(["4", "2", "1"])
    ('often 4 (2 of 4), also 1 and 2', 'mixed: 1, 2 and 4')
    """
    if not class_names:
        return "on no image"
    n, counts = len(class_names), Counter(class_names)
    first, most = min(counts.items(), key=lambda item: (-item[1], item[0]))
    others = [name for name in sorted(counts, key=lambda name: (-counts[name], name)) if name != first]
    if not others:
        return f"{first} ({most} of {n})"
    if most == 1:
        return f"mixed: {_listed(sorted(counts))}"
    return f"{'mostly' if most > n / 2 else 'often'} {first} ({most} of {n}), also {_listed(others)}"


def _listed(names: Sequence[str]) -> str:
    """Join at most three names; further ones are counted.

    >>> _listed(["a", "b", "c", "d"])
    'a, b and 2 more'
    """
    few = list(names) if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"]
    return few[0] if len(few) == 1 else f"{', '.join(few[:-1])} and {few[-1]}"
