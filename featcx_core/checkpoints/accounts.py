"""Accounts of checkpoint files: what was read of each, kept so that it is not read again."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from featcx_core.store.files import write_bytes
from featcx_core.store.manifests import sealed, unsealed
from featcx_core.store.places import Store


class Account(NamedTuple):
    """A file's account, kept as long as the file is the same."""

    size_bytes: int
    changed: str
    fits: str
    """Digest of the network's names and shapes, which the file was compared with."""
    digest: str
    found_as: str
    bad: str = ""
    """Why it cannot be used; empty where it can."""
    training: str | None = None
    """Fingerprint of the featcx training that wrote it; empty: another program wrote it; None: it was never read."""


def remembered(store: Store) -> dict[str, Account]:
    """Return the accounts by the files' places; one that cannot be read is put aside, and all are made again."""
    try:
        text = store.digests_path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        if not isinstance(error, OSError):
            _put_aside(store)
        return {}
    try:
        values = json.loads(text)
        if values.keys() == {"accounts", "digest"}:
            values = unsealed(text)["accounts"]
        return {place: Account(*account) for place, account in values.items()}
    except (ValueError, TypeError, AttributeError):
        _put_aside(store)
        return {}


def _put_aside(store: Store) -> None:
    remedy = "the checkpoints are read again"
    if store.study.checkpoints.folder:
        remedy += "; what was made from files that are gone since is lost"
    store.put_aside(store.digests_path, "it is not as it was written", remedy=remedy)


def remember(store: Store, accounts: Mapping[str, Account]) -> None:
    """Write the accounts, where that can be written."""
    with suppress(OSError):
        write_bytes(store.digests_path, sealed({"accounts": accounts}))
