"""An epoch's redundancy, sensitivity and support."""

from featcx_core.store import Store


def make_redundancy(store: Store, *, epoch: int) -> None:
    """What is left of every concept when units are hidden, from the stored sums; writes the rows."""
    raise NotImplementedError


def make_sensitivity(store: Store, *, epoch: int, device: str = "auto", batch_size: int = 256) -> None:
    """How much every concept moves with noise; writes the rows."""
    raise NotImplementedError


def make_support(store: Store, *, epoch: int) -> None:
    """Accuracy as concepts are removed; writes the rows."""
    raise NotImplementedError
