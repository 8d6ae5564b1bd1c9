"""The sections of the analyses that ask whether a network generalises or memorises."""

from typing import Annotated

from pydantic import Field

from featcx_core.study.part import Part


class SelectivitySettings(Part):
    """How much a single unit says about the class."""

    bins: Annotated[int, Field(ge=2)] = 20
    """Bins of a unit's activations, of equal population, for the mutual information."""
    shuffles: Annotated[int, Field(ge=1)] = 20
    """Shuffled labels behind the selectivity by chance."""
