"""Meta-features of an epoch's dictionary."""

from featcx_core.store import Store


def make_clusters(store: Store, *, epoch: int) -> None:
    """Clusters, dendrogram and plane of the atoms; writes the rows."""
    raise NotImplementedError
