"""The result of a check."""

from collections.abc import Mapping
from typing import NamedTuple


class Finding(NamedTuple):
    """The result of a check."""

    passed: bool
    """Whether it holds."""
    says: str
    """One sentence, with the offenders where there are any."""
    numbers: Mapping[str, float]
    """The numbers behind it."""
    is_error: bool = True
    """Whether a failure means wrong data, or only something to look at."""
