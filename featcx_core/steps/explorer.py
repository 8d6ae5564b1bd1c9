"""The concept explorer."""

from pathlib import Path

from featcx_core.staleness import State
from featcx_core.store import Store, write_bytes


def make_explorer(store: Store) -> Path:
    """Write the explorer's folder; returns its page."""
    fingerprint = State(store).cross_epoch("explorer")
    with store.writing(store.explorer, fingerprint=fingerprint) as draft:
        draft.mkdir()
        write_bytes(draft / "index.html", b"")
    return store.explorer / "index.html"
