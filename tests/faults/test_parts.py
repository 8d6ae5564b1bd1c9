"""Short forms of the campaign's parts, on the small study: what they do at length is in `python -m tests.faults`."""

import shutil
from pathlib import Path

from featcx_core.store.places import Store
from tests.faults.hostile import STUDY, hostile
from tests.faults.kills import KIND, finished, looked_at, made
from tests.faults.results import Result, table_of
from tests.faults.study import Command, featcx
from tests.faults.truth import tables_in
from tests.steps import path_of


def test_a_run_that_is_killed_loses_nothing_and_is_gone_on_with(small: Store, tmp_path: Path):
    truth, log = {"importance": tables_in(small.home)["importance"]}, tmp_path / "log"
    shutil.rmtree(path_of(small, "codes", 2))
    small.table("importance", "000002").unlink()
    before, run = made(small.home), ("run", "tiny", "--only", "importance", "--device", "cpu")
    command = Command(small.home, *run, log=log)
    command.wait_for("[")
    assert command.kill()
    left = looked_at(small.home, before, command.lines, Result(KIND, "SIGKILL", "", "healed", ()))
    assert left.outcome == "healed", left.lines
    code, lines = featcx(small.home, *run, log=log)
    (result,) = finished(small.home, truth, [left], code, lines)
    assert result.outcome == "healed", result.lines


def test_a_study_that_names_a_program_runs_nothing(small_home: Path, tmp_path: Path):
    shutil.copytree(small_home, tmp_path / "clean")
    (result,) = hostile(tmp_path, seed=9, n=1)
    assert result.kind == STUDY
    assert result.outcome == "named", result.lines
    assert "os:system is of Python's standard library" in result.lines[0]


def test_the_table_counts_by_kind():
    results = [Result("a", "flip", "x", outcome, ()) for outcome in ("healed", "healed", "silent")]
    table = table_of(results).splitlines()
    assert table[2] == "| a | 3 | 1 | 0 | 0 | 0 | 2 |"
    assert table[-1] == "| all | 3 | 1 | 0 | 0 | 0 | 2 |"
