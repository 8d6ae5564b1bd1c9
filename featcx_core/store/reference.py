"""The reference epoch of another program's checkpoints: chosen when the study is registered, and pinned."""

import json
from pathlib import Path

from featcx_core.store.files import write_bytes
from featcx_core.study.fields import Checkpoints


def pin_reference(path: Path, checkpoints: Checkpoints, epoch: int) -> None:
    """Make an epoch the reference for good: a later checkpoint does not move it, another folder or pattern does."""
    write_bytes(path, json.dumps({"reference_epoch": epoch, **_chosen_from(checkpoints)}).encode())


def pinned_reference(path: Path, checkpoints: Checkpoints) -> int | None:
    """Return the pinned epoch; None where none is pinned, or it was chosen from another folder or pattern."""
    try:
        pinned = json.loads(path.read_text(encoding="utf-8"))
        return int(pinned.pop("reference_epoch")) if _chosen_from(checkpoints).items() <= pinned.items() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _chosen_from(checkpoints: Checkpoints) -> dict[str, str]:
    return {"folder": checkpoints.folder, "pattern": checkpoints.pattern}
