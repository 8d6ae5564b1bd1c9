"""Where: an epoch's concepts in the branches of its residual blocks."""

from featcx_core.store import Store


def make_branches(store: Store, *, epoch: int, device: str = "auto") -> None:
    """CKA and V-information of every branch with every concept; writes the rows."""
    raise NotImplementedError
