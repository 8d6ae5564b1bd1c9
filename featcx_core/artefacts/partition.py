"""A partition: one artefact, of one epoch and layer where it has them."""

from typing import NamedTuple

from featcx_core.store.places import epoch_key


class Partition(NamedTuple):
    """One piece of an artefact, which is committed by itself."""

    artefact: str
    """Name of the artefact."""
    epoch: int = -1
    """Its epoch; -1 = all."""
    layer: str = ""
    """Its layer; empty = all."""

    @property
    def name(self) -> str:
        """File name of its rows.

        >>> Partition("x").name, Partition("x", 7).name, Partition("x", 7, "stem").name
        ('all', '000007', '000007-stem')
        """
        match self.epoch, self.layer:
            case -1, _:
                return "all"
            case epoch, "":
                return epoch_key(epoch)
            case epoch, layer:
                return f"{epoch_key(epoch)}-{layer}"
