"""The file from which training resumes: a digest, then what torch saved. Read and checked here without torch."""

from pathlib import Path

from featcx_core.store.damage import Damaged
from featcx_core.store.files import write_bytes
from featcx_core.store.manifests import digest_of

_HEAD = b"featcx training state 1\n"
_DIGEST_BYTES = 32


def write_state(path: Path, content: bytes) -> None:
    """Write a training state whole or not at all, with its digest."""
    write_bytes(path, _HEAD + digest_of([content]).encode() + content)


def read_state(path: Path) -> bytes | None:
    """Return a training state as it was written; None where there is none. Raises Damaged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    start = len(_HEAD) + _DIGEST_BYTES
    if not content.startswith(_HEAD) or digest_of([content[start:]]).encode() != content[len(_HEAD) : start]:
        raise Damaged(path, "it is not as it was written")
    return content[start:]
