"""The measure of docs/adding_a_measure.md: installed, run, asked for, broken in every way, and taken away again."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from featcx_core.artefacts import catalogue as module
from featcx_core.artefacts.catalogue import catalogue

PAGE = Path(__file__).parents[2] / "docs" / "adding_a_measure.md"
FEATCX = Path(sys.executable).with_name("featcx")


def write_package(folder: Path) -> Path:
    """Write the page's files into a folder."""
    blocks = re.findall(r"```\w+ (\S+)\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    for name, text in blocks:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    assert {name for name, _ in blocks} >= {"pyproject.toml", "featcx_participation/__init__.py"}
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which pip has installed the page's package."""
    target = tmp_path_factory.mktemp("installed")
    source = write_package(tmp_path_factory.mktemp("source"))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", target, source], check=True, capture_output=True)
    return target


def featcx(home: Path, *arguments: str, package: Path | None = None) -> subprocess.CompletedProcess[str]:
    paths = [str(path) for path in (package, *filter(None, [os.environ.get("PYTHONPATH")])) if path]
    environment = {**os.environ, "FEATCX_HOME": str(home), "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run([FEATCX, *arguments], env=environment, capture_output=True, text=True, timeout=500)


def test_a_measure_of_another_package_is_an_artefact_like_ours(home: Path, installed: Path):
    done = featcx(home, "run", "tiny", package=installed)
    assert done.returncode == 0, done.stderr
    assert "participation: 30 partitions" in done.stderr
    asked = featcx(home, "sql", "select count(*) as n, min(participation) >= 1 as ok from participation", "--json",
                   package=installed)  # fmt: skip
    assert '"n":30' in asked.stdout.replace(" ", "")
    assert '"ok":true' in asked.stdout.replace(" ", "")
    assert re.search(r"participation +30 of 30", featcx(home, "status", "tiny", package=installed).stdout)
    assert "participation: One row per (epoch, layer)." in featcx(home, "tables", package=installed).stdout
    report = (home / "tiny" / "report" / "index.html").read_text(encoding="utf-8")
    assert "<summary>Participation</summary>" in report
    assert 'aria-label="by_layer of participation"' in report
    again = featcx(home, "run", "tiny", package=installed)
    assert "nothing to do" in again.stdout
    # uninstalled: no trace, but its tables stay readable
    assert "participation" not in featcx(home, "status", "tiny").stdout
    left = featcx(home, "sql", "select count(*) as n from participation", "--json")
    assert '"n":30' in left.stdout.replace(" ", ""), left.stderr


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Reads the catalogue as it is with a package whose declaration was changed."""
    source = write_package(tmp_path)

    def read(change: tuple[str, str], *, value: str = "featcx_participation:PARTICIPATION"):
        init = source / "featcx_participation" / "__init__.py"
        text = init.read_text()
        assert change[0] in text
        init.write_text(text.replace(*change))
        for name in [name for name in sys.modules if name.startswith("featcx_participation")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(source)
        point = EntryPoint("participation", value, module.ENTRY_POINTS)
        monkeypatch.setattr(module, "entry_points", lambda group: [point])
        return catalogue.__wrapped__()

    yield read
    for name in [name for name in sys.modules if name.startswith("featcx_participation")]:
        del sys.modules[name]


BROKEN = {
    "an import that fails": (('"""Participation', 'import nowhere\n"""Participation'), "No module named 'nowhere'"),
    "a name that is taken": (('name="participation"', 'name="codes"'), "the name 'codes' is taken"),
    "a group that Dagster cannot have": (('group="measures"', 'group="my measures"'), "group: wanted letters, digits"),
    "a field of no study": (
        ("    version=1,", '    fields=("dictionary.l3",),\n    version=1,'),
        "no field 'dictionary.l3' of a study; did you mean",
    ),
    "no declaration": (("PARTICIPATION = Artefact(", "PARTICIPATION = dict("), "wanted an Artefact, got "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_declaration_that_cannot_be_used_is_one_line(declared, case: str):
    change, said = BROKEN[case]
    read = declared(change)
    (line,) = read.broken
    assert line.startswith("analysis participation (featcx_participation:PARTICIPATION) is left out: ")
    assert said in line
    assert "\n" not in line
    assert read.names == catalogue().names


def test_a_table_that_is_declared_already_is_refused(declared):
    read = declared(
        (
            '                "participation",\n                "One row',
            '                "concepts",\n                "One row',
        )
    )
    assert "the table 'concepts' is declared already" in read.broken[0]


def test_a_broken_package_is_named_where_it_is_asked_for(home: Path, installed: Path, tmp_path: Path):
    package = shutil.copytree(installed, tmp_path / "package")
    (package / "featcx_participation" / "__init__.py").write_text("import nowhere\n")
    for arguments in (("status", "tiny"), ("run", "tiny", "--only", "participation")):
        done = featcx(home, *arguments, package=package)
        assert "analysis participation (featcx_participation:PARTICIPATION) is left out: " in done.stderr


def test_a_figure_that_fails_says_so_until_it_is_mended(home: Path, installed: Path, tmp_path: Path):
    package = shutil.copytree(installed, tmp_path / "package")
    measure = package / "featcx_participation" / "measure.py"
    whole = measure.read_text()
    measure.write_text(whole.replace("    axes = figure.subplots()", "    axes = figure.no_such_thing()"))
    done = featcx(home, "run", "tiny", package=package)
    assert done.returncode == 0, done.stderr
    assert "look: participation: its figures could not be drawn" in done.stderr
    failed = home / "tiny" / "report" / "figures" / "participation.failed.png"
    assert failed.exists()
    measure.write_text(whole)
    mended = featcx(home, "run", "tiny", package=package)
    assert "look: " not in mended.stderr
    assert not failed.exists()
    assert (failed.parent / "participation.by_layer.png").exists()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("    for place in given.partitions:", "    for place in 1 / 0:", "ZeroDivisionError: division by zero"),
        ('"participation": participation_ratio(acts)', '"participation": -1.0', "participation: -1.0 is below 1.0"),
    ],
)
def test_a_make_that_fails_is_a_line_an_epoch(home: Path, installed: Path, tmp_path: Path, before, after, said):
    package = shutil.copytree(installed, tmp_path / "package")
    measure = package / "featcx_participation" / "measure.py"
    assert before in measure.read_text()
    measure.write_text(measure.read_text().replace(before, after))
    done = featcx(home, "run", "tiny", "--only", "participation", package=package)
    assert done.returncode == 2
    failed = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 3  # an epoch each
    assert all(said in line for line in failed)
    assert featcx(home, "status", "tiny").stdout.count("missing") == 0  # everything else stands
