"""Code that a study file may run: networks, of installed packages and of folders that the user has allowed once.

A study file is data until it names a network. So it names a class derived from `torch.nn.Module`, or a factory in a
module that works with torch; nothing of Python's standard library, and nothing of torch itself but its modules. Code
that lies beside a study file runs once its folder is allowed: by `featcx allow FOLDER`, which writes a line into
`~/.config/featcx/allowed`, or by the environment variable FEATCX_ALLOW_CODE. The list is the user's, not the home's.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

from featcx_core.study.fields import StudyError

ALLOW = "FEATCX_ALLOW_CODE"
"""Environment variable: folders whose code may run, with those below them."""
_WITHOUT_FACTORIES = {"torch", "featcx_core", "featcx_assets"}


def allowed_path() -> Path:
    """Return the file that lists the folders that this user has allowed."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "featcx" / "allowed"


def allow(folder: Path) -> None:
    """Let the code in a folder, and below it, run when a study names it. Raises StudyError where there is none."""
    if not folder.is_dir():
        raise StudyError(f"wanted a folder, got {folder}")
    if not is_allowed(folder):
        path = allowed_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{folder.resolve()}\n")


def is_allowed(folder: Path) -> bool:
    """Whether code in a folder may run."""
    stated = [name for name in os.environ.get(ALLOW, "").split(os.pathsep) if name]
    with suppress(OSError):  # nothing is allowed yet
        stated += allowed_path().read_text(encoding="utf-8").splitlines()
    return any(folder.resolve().is_relative_to(Path(name).resolve()) for name in stated if name)


def refuse_foreign_code(source: str, module: str, *, origin: str | None, folder: str) -> None:
    """Raise StudyError, before it is imported, for a module of the standard library or of a folder not yet allowed."""
    if module.partition(".")[0] in {*sys.stdlib_module_names, *sys.builtin_module_names}:
        raise StudyError(
            f"model.source: {source} is of Python's standard library; wanted a torch.nn.Module class or its factory"
        )
    lies_there = origin and folder and Path(origin).resolve().is_relative_to(Path(folder).resolve())
    if lies_there and not is_allowed(Path(folder)):
        raise StudyError(
            f"model.source: {source} is code in {folder}, which runs once you allow it: featcx allow '{folder}'"
        )


def refuse_other_than_networks(source: str, factory: Any) -> None:
    """Raise StudyError for what is neither a torch.nn.Module class nor a factory in a module that works with torch."""
    from torch import nn

    if isinstance(factory, type):
        if issubclass(factory, nn.Module):
            return
        raise StudyError(f"model.source: {source} is the class {factory.__qualname__}; wanted a torch.nn.Module class")
    function = factory.__func__ if isinstance(factory, MethodType) else factory
    function = getattr(function, "__wrapped__", function)
    if isinstance(function, FunctionType) and _works_with_torch(function):
        return
    raise StudyError(
        f"model.source: {source} is no factory of networks; wanted a torch.nn.Module class, or a function in a module "
        "that imports torch"
    )


def _works_with_torch(function: FunctionType) -> bool:
    """Whether a function's module is of somebody who builds networks: it has torch, or classes of modules, at hand."""
    package = (function.__module__ or "").partition(".")[0]
    if package in _WITHOUT_FACTORIES or package in sys.stdlib_module_names:
        return False
    held = [*function.__globals__.values()]
    names = [str(getattr(value, part, "")) for value in held for part in ("__module__", "__name__")]
    return any(name.partition(".")[0] == "torch" for name in names) or any(_is_network(value) for value in held)


def _is_network(value: Any) -> bool:
    from torch import nn

    return isinstance(value, type) and issubclass(value, nn.Module)
