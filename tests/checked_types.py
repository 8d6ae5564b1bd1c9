"""Checks of types and shapes at every call of featcx_core.

jaxtyping's own option for pytest binds the arguments of every function, whether shapes stand in its signature or not,
which doubled the tests' processor time. Here beartype alone checks a function without shapes: it sees the same types.
"""

import ast
import inspect
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import Any, get_args

import jaxtyping
from beartype import BeartypeConf, beartype

PACKAGE = "featcx_core"

_beartyped = beartype(conf=BeartypeConf(violation_type=jaxtyping.TypeCheckError))  # a TypeError, as without checks


def check_types() -> None:
    """Check the calls of all that is imported from now on."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function, or a dataclass, with checks around it; `jaxtyping_disable` turns them off."""
    if inspect.isclass(function) or any(map(_has_shapes, inspect.get_annotations(function).values())):
        return jaxtyping.jaxtyped(function, typechecker=beartype)
    with_checks = _beartyped(function)
    if with_checks is function:  # nothing to check
        return function

    @wraps(function)
    def chosen(*args: Any, **kwargs: Any) -> Any:
        return (function if jaxtyping.config.jaxtyping_disable else with_checks)(*args, **kwargs)

    return chosen


def _has_shapes(annotation: Any) -> bool:
    if isinstance(annotation, str):  # it may name what is defined later
        return True
    if isinstance(annotation, list):  # arguments of a Callable
        return any(map(_has_shapes, annotation))
    is_shape = inspect.isclass(annotation) and issubclass(annotation, jaxtyping.AbstractArray)
    return is_shape or any(map(_has_shapes, get_args(annotation)))


class _Finder(PathFinder):
    """Finds the package's modules; all others are left to Python."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] != PACKAGE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Compiles a module with the decorator on each function and class."""

    def path_stats(self, path: Any) -> Any:
        raise OSError("the bytecode that is stored is without checks, and is not to be replaced")

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        tree = ast.parse(data, path)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                node.decorator_list.append(_decorator(node))  # below the others, which may hide the annotations
            elif isinstance(node, ast.ClassDef):
                node.decorator_list.insert(0, _decorator(node))  # above them: @dataclass makes what is to be checked
        return compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)


def _decorator(node: ast.stmt) -> ast.expr:
    """Return the expression `checked`, at the place of a definition and without a name in its module."""
    expression = ast.parse(f"__import__('sys').modules[{__name__!r}].{checked.__name__}", mode="eval").body
    for part in ast.walk(expression):
        ast.copy_location(part, node)
    return expression
