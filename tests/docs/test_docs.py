"""The documentation is true: its code runs, its commands print what is shown, its links and names lead somewhere.

Code runs on the tiny study in place of the built-in one, so shown output is compared without its numbers.
"""

import ast
import contextlib
import doctest
import io
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torchvision.models import resnet18

import featcx_core as fx
from featcx_assets.cli import main
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.features.probe_reader import KINDS
from featcx_core.study.fields import Study
from tests.docs import study_file

# `featcx_assets` says so itself, once, when it is imported; pytest forgets that with every test.
pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
NOT_RUN = ("compare", "ui")
"""Commands that are only checked to exist, with their options."""


class Block(NamedTuple):
    """Code on a page and the output that is shown for it."""

    language: str
    code: str
    shown: str


class Ran(NamedTuple):
    """A Python block that was run."""

    block: Block
    printed: str
    names: dict[str, Any]

    def prints_what_is_shown(self) -> bool:
        return shape(self.printed) == shape(self.block.shown) if self.block.shown else True


@cache
def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    """Fenced blocks; one marked `text` right after a block is its output."""
    found: list[Block] = []
    end = -1
    for fence in re.finditer(r"^```(\w*)\n(.*?)^```\n", text_of(page), re.M | re.S):
        language, code = fence.groups()
        if language == "text" and not text_of(page)[end : fence.start()].strip() and found:
            found[-1] = found[-1]._replace(shown=code)
        else:
            found.append(Block(language, code, ""))
        end = fence.end()
    return found


def prose(page: str) -> str:
    """The page without its code."""
    return re.sub(r"^```.*?^```\n|`[^`\n]+`", "", text_of(page), flags=re.M | re.S)


def on_tiny(code: str) -> str:
    """The same for the tiny study, whose last epoch is 2."""
    return re.sub(r"\b12\b", "2", re.sub(r"\bmnist\b", "tiny", code))


def shape(output: str) -> list[str]:
    """The lines of an output without numbers, widths and rules."""
    lines = [re.sub(r"-?\d+(\.\d+)?(e-?\d+)?|\bnan\b", "#", on_tiny(line)) for line in output.splitlines()]
    return [" ".join(re.sub(r"[─═]+", "─", line).split()) for line in lines if line.strip()]


@pytest.fixture
def desk(finished_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the finished home where a reader has it: `.featcx`."""
    shutil.copytree(finished_home, tmp_path / ".featcx", ignore=shutil.ignore_patterns("featcx.duckdb", "dagster"))
    shutil.copy(finished_home.parent / "tiny.toml", tmp_path)
    shutil.copy(finished_home.parent / "tiny.npz", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEATCX_HOME", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # the finished home was made on the CPU
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    return tmp_path


def _users_network(folder: Path) -> None:
    """Photographs in a folder a class and a checkpoint of another program's training, as the README has them."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 60, 16, 16, 3), dtype=np.uint8)
    for name, images in zip(("robin", "wren"), pixels, strict=True):
        (folder / "photos" / name).mkdir(parents=True)
        for number, image in enumerate(images):
            Image.fromarray(image).save(folder / "photos" / name / f"{number}.png")
    (folder / "runs").mkdir()
    torch.save(resnet18(num_classes=2).state_dict(), folder / "runs" / "epoch_1.pt")


# -- python ------------------------------------------------------------------------------------------------------------


def run_page(page: str) -> Iterator[Ran]:
    """Run a page's Python blocks in order, as a reader would."""
    names: dict[str, Any] = {}
    for block in blocks(page):
        if block.language == "python":
            code = on_tiny(block.code).replace('STUDY, HOME = "tiny"', 'STUDY, HOME = "tiny.toml"')
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(code, page, "exec"), names)
            yield Ran(block, printed.getvalue(), dict(names))


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/library.md"])
def test_python_blocks_run_and_print_what_is_shown(page: str, desk: Path):
    for ran in run_page(page):
        assert ran.prints_what_is_shown(), ran.printed


def test_the_library_gives_the_numbers_of_featcx_run(desk: Path):
    by_hand, *others = run_page("docs/library.md")
    assert by_hand.prints_what_is_shown(), by_hand.printed
    assert all(ran.prints_what_is_shown() for ran in others), [ran.printed for ran in others]
    names = by_hand.names
    made = fx.open_study("tiny", home=".featcx")
    own = made.table("complexity").query("kind == 'concept'").sort_values("concept")
    importance = made.table("importance").sort_values("concept")
    assert list(names["complexity"]) == made.epochs == [0, 1, 2]
    # Ridge on 60 images and 64 units amplifies the last bits of float32 sums; on the built-in study K agrees to 1e-7.
    close = {"rtol": 0, "atol": 1e-3}
    for epoch in made.epochs:
        np.testing.assert_allclose(names["codes"][epoch], made.codes(epoch=epoch)[:], rtol=1e-4, atol=1e-4)
        wanted = own.query("epoch == @epoch")["complexity"].to_numpy()
        assert np.isfinite(wanted).any()
        np.testing.assert_allclose(names["complexity"][epoch], wanted, **close)
        rows = importance.query("epoch == @epoch")[["importance", "signed_importance", "prevalence_fraction"]]
        np.testing.assert_allclose(np.stack(names["importance"][epoch][:3], axis=1), rows, rtol=1e-4, atol=1e-6)
    wanted = made.table("decode_time").sort_values("concept")["decode_time"]
    np.testing.assert_allclose(names["decode_time"], wanted, **close)
    at_last = "epoch == 2 and kind == 'concept' and y == 'importance' and method == 'spearman' and controls == ''"
    row = made.table("correlations").query(at_last).iloc[0]
    np.testing.assert_allclose(names["found"][:4], row[["value", "low", "high", "n"]].astype(float), rtol=0, atol=0.05)


# -- commands ----------------------------------------------------------------------------------------------------------


class Command(NamedTuple):
    """A `featcx …` of a page and the output that is shown for it."""

    page: str
    arguments: list[str]
    shown: str


def commands(page: str) -> Iterator[Command]:
    """The `featcx …` in a page's shell blocks; in a `console` block what follows `$ …` is its output."""
    for block in blocks(page):
        if block.language == "console":
            for part in re.split(r"^\$ ", block.code, flags=re.M)[1:]:
                typed, output = _first_command(part)
                yield from (Command(page, arguments, output) for arguments in _featcx(typed))
        elif block.language in ("sh", "bash"):
            rest = block.code
            while rest:
                typed, rest = _first_command(rest)
                yield from (Command(page, arguments, "" if rest else block.shown) for arguments in _featcx(typed))


def _first_command(text: str) -> tuple[str, str]:
    """A command, to the line that closes its quotes, and the lines below it."""
    lines = text.splitlines(keepends=True)
    for n in range(1, len(lines) + 1):
        typed = "".join(lines[:n])
        with contextlib.suppress(ValueError):
            shlex.split(typed, comments=True)
            if not typed.endswith("\\\n"):
                return typed.replace("\\\n", " "), "".join(lines[n:])
    raise AssertionError(f"unclosed quotes: {text}")


def _featcx(typed: str) -> Iterator[list[str]]:
    """The arguments of each `featcx` in a command; what it is piped into is left out."""
    lexer = shlex.shlex(typed, posix=True, punctuation_chars="|&;><")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= set("|&;><"):
            words.append(word)
            continue
        while words and re.fullmatch(r"\w+=.*", words[0]):
            words.pop(0)
        if words and words[0] == "featcx":
            yield words[1:]
        words = []


ALL_COMMANDS = [command for page in PAGES for command in commands(page)]


@pytest.mark.parametrize("command", ALL_COMMANDS, ids=lambda c: " ".join([c.page, *c.arguments])[:60])
def test_a_shown_command_prints_what_is_shown(command: Command, desk: Path):
    arguments = [on_tiny(argument) for argument in command.arguments]
    name = arguments[0]
    if not name.startswith("-"):
        assert name in main.commands, f"{command.page}: no command featcx {name}"
        main.commands[name].make_context(name, arguments[1:])  # raises for an unknown option
    if name in NOT_RUN or (name == "run" and _other_study(arguments)):
        return
    if name == "run" and "tiny" not in arguments:
        arguments.append("tiny")
        (desk / ".featcx" / "tiny" / "report" / "index.html").unlink()  # what is shown is of a run that makes something
    if name == "new" and not command.shown:
        arguments.append("--no-dry-run")  # the estimate's epoch of work is made for the command whose output is shown
    if "photos" in arguments:
        _users_network(desk)
    result = CliRunner().invoke(main, arguments, prog_name="featcx", terminal_width=80)
    assert result.exit_code == 0, result.output
    assert _agrees(name, shown=command.shown, printed=result.stdout), result.stdout


def _other_study(arguments: list[str]) -> bool:
    study = main.commands["run"].make_context("run", arguments[1:]).params["study"]
    return study not in ("mnist", "tiny")


def _agrees(name: str, *, shown: str, printed: str) -> bool:
    """Whether a shown output has the columns (`sql`) or the lines of the real one; `…` stands for left out lines."""
    if name == "sql":
        return _columns(shown) == _columns(printed) if shown else bool(_columns(printed))
    label = (lambda line: re.split(r"\s{2,}|: ", line.strip())[0]) if name in ("run", "new") else str
    real = {line for label_of in map(label, printed.splitlines()) for line in shape(label_of)}
    wanted = [line for label_of in map(label, shown.splitlines()) for line in shape(label_of)]
    told = r"…|\.\.\.|\[#/#\].*|tiny"  # `run`: stages go to stderr, the first line says how much there was to do
    return all(line in real or re.fullmatch(told, line) for line in wanted)


def _columns(output: str) -> list[str]:
    """Names and types of a table, the keys of a JSON object, or a CSV header."""
    if output.lstrip().startswith("["):
        return sorted(set(re.findall(r'"(\w+)":', output)))
    boxed = [line for line in shape(output) if line.startswith("│")]
    return boxed[:2] or output.splitlines()[:1]


def test_every_command_is_documented():
    documented = {command.arguments[0] for command in ALL_COMMANDS if command.arguments}
    spoken = set(re.findall(r"`featcx (\w+)", "".join(map(text_of, PAGES))))
    assert set(main.commands) <= documented | spoken
    assert all(command.help for command in main.commands.values())


def test_named_options_exist():
    known = {option for command in main.commands.values() for p in command.params for option in p.opts} | {"--help"}
    assert (
        set(re.findall(r"`(?:featcx \w+ )?(--[a-z-]+)", "".join(map(text_of, ("README.md", "docs/commands.md")))))
        <= known
    )


# -- links and names ---------------------------------------------------------------------------------------------------


def slugs(page: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```\n", "", text_of(page), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)", prose(page)) + re.findall(r'(?:src|srcset|href)="([^"]+)"', prose(page))


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_are_there(page: str):
    for link in links(page):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page}: no {link}"
        if anchor:
            assert anchor in slugs(str(target.resolve().relative_to(ROOT))), f"{page}: no heading for {link}"
        if target.suffix == ".png":
            assert target.read_bytes().startswith(b"\x89PNG"), f"{page}: {link} is no picture"
    assert "![](" not in prose(page), f"{page}: a picture without words for who cannot see it"


def test_the_readme_leads_to_the_pages_and_is_short():
    first, contents = links("README.md"), text_of("docs/index.md")
    pages = {page for page in PAGES if page.startswith("docs/")} - {"docs/index.md"}
    assert {page for page in pages if not re.search(rf"^{Path(page).stem}$", contents, re.M)} == set()
    assert pages - {link.partition("#")[0] for link in first} == set()
    assert len(text_of("README.md").split()) <= 900


def test_the_page_of_settings_is_what_the_study_says():
    assert text_of("docs/study_file.md") == study_file.page(), "write it anew: python -m tests.docs.study_file"


def test_the_site_is_built_and_its_links_lead_somewhere(tmp_path: Path):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(ROOT / "docs"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "start.html").is_file()


def test_words_are_spelt_right():
    told = subprocess.run(
        ["codespell", "-L", "maco", "--", *PAGES, "CHANGELOG.md"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout


@pytest.mark.parametrize("page", PAGES)
def test_named_columns_and_settings_exist(page: str):
    for part, name in re.findall(r"`([a-z_]+)\.(\w+)(?: = [^`]*)?`", text_of(page)):
        table = catalogue().tables.get(part)
        columns = [column.name for column in table.columns] if table else []
        settings = type(getattr(Study(name="any"), part)).model_fields if part in Study.model_fields else {}
        if columns or settings:  # some are the name of both, as `clusters`
            assert name in [*columns, *settings], f"{page}: no column or setting {part}.{name}"


def test_every_table_and_control_is_explained():
    page = text_of("docs/methods.md")
    assert [name for name in catalogue().tables if not re.search(rf"`{name}\.\w+`", page)] == []
    assert [kind for kind in KINDS if kind != "concept" and f"| `{kind}` |" not in page] == []


# -- the library's own documentation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", fx.__all__)
def test_a_public_name_resolves_and_is_documented(name: str):
    assert (getattr(fx, name).__doc__ or "").strip()


def test_type_checkers_see_the_same_public_names():
    tree = ast.parse((ROOT / "featcx_core" / "__init__.py").read_text(encoding="utf-8"))
    seen = [node.asname for node in ast.walk(tree) if isinstance(node, ast.alias) and node.asname]
    assert sorted(seen) == fx.__all__
    assert set(fx.__all__) <= set(dir(fx))


def examples() -> Iterator[tuple[str, str, int]]:
    """Docstrings with an example: module, text, line. From the source: the shape checks around functions hide them."""
    for path in sorted((ROOT / "featcx_core").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                docstring = ast.get_docstring(node) or ""
                if ">>>" in docstring:
                    yield module, docstring, getattr(node, "lineno", 1)


EXAMPLES = list(examples())


@pytest.mark.parametrize(("module", "docstring", "line"), EXAMPLES, ids=[f"{m}:{n}" for m, _, n in EXAMPLES])
def test_an_example_gives_what_it_shows(module: str, docstring: str, line: int):
    names = vars(import_module(module)).copy()
    test = doctest.DocTestParser().get_doctest(docstring, names, module, f"{module}.py", line)
    told: list[str] = []
    write: Callable[[str], object] = told.append
    assert doctest.DocTestRunner(verbose=False).run(test, out=write).failed == 0, "".join(told)
