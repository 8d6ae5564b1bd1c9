"""Files of `torch.save`, read without running the code that a pickle may hold.

They are read with `weights_only=True`: anything but tensors, numbers and text is refused.
"""

import argparse
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featcx_core.networks.safetensors_files import CheckpointError, Unreadable

if TYPE_CHECKING:
    from torch import Tensor

_OF_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first bytes of files that torch.save wrote before it wrote zip archives; other pickles begin otherwise."""
_HEAD = 512  # bytes that hold the name of a zip archive's first file, data.pkl in a folder of the archive's name


def is_of_torch(path: Path) -> bool:
    """Return True for a file that torch.save wrote, by its first bytes, whatever its name ends in."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return head.startswith(_OF_TORCH) or (head.startswith(b"PK\x03\x04") and b"/data.pkl" in head)


def unpickled(path: Path) -> "Iterator[tuple[str, dict[str, Tensor]]]":
    """Yield every dictionary of tensors in a file, by its keys with dots between them; outer ones first.

    Raises CheckpointError if the file cannot be read or holds more than tensors.
    """
    return _dictionaries(_content(path))


def _dictionaries(
    content: Any, key: str = "", seen: frozenset[int] | set[int] = frozenset()
) -> "Iterator[tuple[str, dict[str, Tensor]]]":
    """Yield them, under every key that they have; what they hold in turn is looked at once, since it may be endless."""
    import torch

    if not isinstance(content, Mapping):
        return
    tensors = {name: held.detach() for name, held in content.items() if isinstance(name, str) and torch.is_tensor(held)}
    if tensors:
        yield key, tensors
    if id(content) in seen:
        return
    seen = seen if isinstance(seen, set) else set()
    seen.add(id(content))
    for name, held in content.items():
        yield from _dictionaries(held, f"{key}.{name}" if key else str(name), seen)


def _content(path: Path) -> Any:
    import pickle

    import torch

    _refuse_bomb(path)
    try:
        with torch.serialization.safe_globals(_harmless()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror or error}") from None
    except pickle.UnpicklingError as error:
        if refused := re.search(r"(?:GLOBAL|global|class):? ([\w.]*\w\.\w+)", str(error)):
            raise CheckpointError(
                f"{path} holds more than tensors ({refused[1]}) and is not unpickled, which would run code; "
                "save model.state_dict() instead"
            ) from None
        raise _damaged(path, error) from None
    except Exception as error:  # a damaged file fails in many ways
        raise _damaged(path, error) from None


def _refuse_bomb(path: Path) -> None:
    """Raise CheckpointError for an archive that holds more than its own size: torch.save compresses nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):  # no archive, or a damaged one
        return
    size, held = path.stat().st_size, sum(entry.file_size for entry in entries)
    if held > size:
        raise CheckpointError(
            f"{path} is an archive of {size} bytes that unpacks to {held}, which torch.save does not write; it is not "
            "opened; save model.state_dict() again"
        )


def _damaged(path: Path, error: Exception) -> CheckpointError:
    with path.open("rb") as file:
        head = file.read(len(_OF_TORCH))
    if head.startswith(b"\x80") and head != _OF_TORCH:
        return CheckpointError(
            f"{path} is a pickle that torch.save did not write; try torch.save(model.state_dict(), …) or safetensors"
        )
    stated = re.search(r"WeightsUnpickler error: (.*)", str(error))
    reason = stated[1] if stated else (str(error).splitlines() or [type(error).__name__])[0]
    return CheckpointError(f"{path} is truncated, corrupt or no file of PyTorch ({reason[:120]}); copy it again")


def _harmless() -> list[Any]:
    """Return harmless types that PyTorch refuses: settings and single numbers beside the weights; they run no code."""
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    return [argparse.Namespace, np.dtype, scalar, *(type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "?"))]
