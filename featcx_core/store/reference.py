"""The reference epoch of another program's checkpoints: chosen when the study is registered, and pinned."""

import json
from pathlib import Path

from featcx_core.store.files import write_bytes
from featcx_core.store.manifests import sealed, unsealed
from featcx_core.study.fields import Checkpoints, StudyError


def pin_reference(path: Path, checkpoints: Checkpoints, epoch: int) -> None:
    """Make an epoch the reference for good: a later checkpoint does not move it, another folder or pattern does."""
    write_bytes(path, sealed({"reference_epoch": epoch, **_chosen_from(checkpoints)}))


def pinned_reference(path: Path, checkpoints: Checkpoints) -> int | None:
    """Return the pinned epoch; None where none is pinned, or it was chosen from another folder or pattern.

    Raises StudyError where the file is not as it was written: nothing else says which epoch it was.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return None
    try:
        pinned = unsealed(content) if b'"digest"' in content else json.loads(content)  # of an earlier version
        epoch = int(pinned.pop("reference_epoch"))
        return epoch if _chosen_from(checkpoints).items() <= pinned.items() else None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StudyError(
            f"{path} is damaged: which epoch is the reference is lost; state it as probe.reference_epoch, or delete "
            "the file to follow the last checkpoint"
        ) from None


def _chosen_from(checkpoints: Checkpoints) -> dict[str, str]:
    return {"folder": checkpoints.folder, "pattern": checkpoints.pattern}
