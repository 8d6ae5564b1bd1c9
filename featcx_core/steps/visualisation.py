"""Images made to excite an epoch's concepts."""

from featcx_core.store import Store


def make_visualisation(store: Store, *, epoch: int, device: str = "auto") -> None:
    """Make and commit a picture of each chosen concept."""
    raise NotImplementedError
