"""An artefact's name stands in its declaration alone: everything else follows from the catalogue."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from featcx_core.artefacts.catalogue import PACKAGE, catalogue

ROOT = Path(__file__).resolve().parents[2]
GENERAL = sorted([*(ROOT / "featcx_assets").glob("*.py"), *(ROOT / "featcx_core" / "artefacts").glob("*.py")])
DECLARATIONS = sorted((ROOT / "featcx_core" / "analyses").glob("*/__init__.py"))
WORDS = {
    "cli.py": {"branches", "positions"},  # headings of `featcx layers`
    "comparing.py": {"comparison"},  # how a comparison is called where nobody says
    "previews.py": {"checkpoint", "figures"},  # title of a path; a folder beside a page
    "summary.py": {"layers", "training"},  # words of its rows
}
"""Strings that happen to be an artefact's name, too."""


def strings(path: Path) -> Iterator[str]:
    """Every string of a module but its docstrings, parts of f-strings included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


def imported(path: Path) -> Iterator[str]:
    """Modules that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{name.name}" for name in node.names))
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def declared(path: Path) -> Iterator[str]:
    """Names in the declarations of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Artefact":
            (name,) = [keyword.value for keyword in node.keywords if keyword.arg == "name"]
            assert isinstance(name, ast.Constant), f"{path}: a name is written out"
            yield str(name.value)


def test_there_is_something_to_look_at():
    assert len(GENERAL) > 25
    assert len(DECLARATIONS) > 20
    assert len(catalogue().artefacts) > 25


@pytest.mark.parametrize("path", GENERAL, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_works_on_any_artefact_names_none(path: Path):
    quoted = {text.strip() for text in strings(path)} & catalogue().artefacts.keys()
    assert quoted == WORDS.get(path.name, set())
    declaring = {f"{PACKAGE}.{declaration.parent.name}" for declaration in DECLARATIONS}
    assert [module for module in imported(path) if any(f"{module}.".startswith(f"{d}.") for d in declaring)] == []


def test_every_name_is_declared_once():
    counts = Counter(name for path in DECLARATIONS for name in declared(path))
    assert [name for name, count in counts.items() if count > 1] == []
    assert counts.keys() == {artefact.name for artefact in catalogue() if artefact.is_own}


def test_every_table_is_described_once():
    described = {id(table): table.name for artefact in catalogue() for table in artefact.tables}
    assert [name for name, count in Counter(described.values()).items() if count > 1] == []
