"""`featcx run` on a sweep and `featcx compare`: what is made, what is shared, what the web UI shows."""

import json
import re
import shutil
from pathlib import Path

import dagster as dg
import pytest

from featcx_assets.dagster_home import instance
from featcx_assets.definitions import definitions
from featcx_assets.group_assets import group_schedules
from featcx_assets.sweep import register_sweep
from featcx_assets.views import connect
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.groups import Group, group_store, read_group, write_group
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.places import Store, open_store
from tests.assets.command import featcx, refused
from tests.conftest import FEW_LAYERS, TINY, MadeOnce, _use, leave_out_gallery, write_tiny

FEW_ANALYSES = 'run = ["complexity", "importance", "decode_time", "sedimentation", "support"]  # one of each stage\n'
SWEPT = '[sweep]\n"dictionary.l1" = [0.001, 0.01]\n'
SWEEP = TINY.replace('"tiny"', '"sweep"', 1).replace("[analyses]\n", f"[analyses]\n{FEW_ANALYSES}") + FEW_LAYERS + SWEPT
MEMBERS = ("sweep__l1_0p001", "sweep__l1_0p01")


@pytest.fixture(scope="module")
def swept_home(made_once: MadeOnce) -> Path:
    """A home in which `featcx run` on a sweep of two has ended; what it said lies beside it."""
    return made_once("swept", _sweep) / "home"


def _sweep(folder: Path) -> None:
    path = write_tiny(folder, text=SWEEP)
    with pytest.MonkeyPatch.context() as patch:
        _use(folder / "home", patch)
        leave_out_gallery(patch)
        result = featcx("run", str(path), "--device", "cpu")
    assert result.exit_code == 0, result.output
    (folder / "stdout").write_text(result.stdout)
    (folder / "stderr").write_text(result.stderr)


@pytest.fixture
def swept(swept_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to change at will."""
    copy = shutil.copytree(swept_home, tmp_path / "home")
    _use(copy, monkeypatch)
    return copy


def test_a_sweep_runs_one_study_after_another_and_compares_them(swept_home: Path):
    said = (swept_home.parent / "stderr").read_text().splitlines()
    assert [line for line in said if line.startswith("study ")] == [
        f"study 1 of 2: {MEMBERS[0]}",
        f"study 2 of 2: {MEMBERS[1]}",
    ]
    assert said[-1] == "comparison of 2 studies"
    first, second, *rest = (swept_home.parent / "stdout").read_text().splitlines()
    assert re.fullmatch(r"sweep: done, \d+ parts, \d+ taken from one another in .* s", first)
    assert second == "sweep: 2 studies; at the end of each, mean (95 % over studies)"
    header = next(line for line in rest if line.lstrip().startswith("measure"))
    assert header.split("  ")[1:]
    assert "0.01 − 0.001 (1 pair)" in header
    assert rest[-2:] == [
        f"page: {swept_home / 'sweep' / 'comparison' / 'index.html'}",
        f"database: {swept_home / 'featcx.duckdb'}",
    ]
    for name in MEMBERS:
        snapshot = Snapshot(open_store(swept_home, name))
        assert [artefact.name for artefact in snapshot.wanted if snapshot.stale(artefact)] == []


def test_what_no_swept_field_decides_is_computed_once(swept_home: Path):
    said = (swept_home.parent / "stderr").read_text().split(f"study 2 of 2: {MEMBERS[1]}")[1]
    assert f"taken from {MEMBERS[0]}: " in said
    assert [int(n) for n in re.findall(r"\[(\d)/8\]", said)] == [4, 5, 6, 7, 8]  # no training, no forward pass
    assert "[4/8] codes: 3 partitions" in said  # the codes
    one, two = (open_store(swept_home, name) for name in MEMBERS)
    assert one.checkpoint(2).read_bytes() == two.checkpoint(2).read_bytes()
    assert one.layers_path.read_bytes() == two.layers_path.read_bytes()


def test_the_web_ui_shows_what_was_taken_and_the_comparison(swept: Path):
    defs = definitions(swept)
    graph = defs.resolve_asset_graph()
    node = graph.get(dg.AssetKey(["sweep", "comparison"]))
    assert node.group_name == "comparison"
    assert {key.path[0] for key in node.parent_keys} == set(MEMBERS)
    assert "sweep_comparison" in {s.name for s in defs.get_repository_def().schedule_defs}
    with instance(swept) as dagster:
        for name in MEMBERS:
            for asset, count in (("activations", 9), ("dictionary", 3), ("complexity", 3)):
                assert len(dagster.get_materialized_partitions(dg.AssetKey([name, asset]))) == count, (name, asset)
        event = dagster.get_latest_materialization_event(dg.AssetKey(["sweep", "comparison"]))
        metadata = event.asset_materialization.metadata
        assert metadata["differences"].value.startswith("![preview](data:image/png;base64,")
        assert metadata["first rows of comparison"].value.records
        taken = dagster.get_latest_materialization_event(dg.AssetKey([MEMBERS[1], "training"]))
        assert taken.asset_materialization.metadata["taken from"].value == MEMBERS[0]
        (run,) = dagster.get_runs(dg.RunsFilter(tags={"featcx/stage": "comparison"}))
        checks = dagster.all_logs(run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        found = [entry.dagster_event.asset_check_evaluation_data for entry in checks]
        tables = catalogue()["comparison"].tables
        assert {check.check_name: check.passed for check in found} == {f"{t.name}_rows_are_valid": True for t in tables}


def test_the_tables_are_views_like_the_others(swept: Path):
    with connect(swept) as connection:
        query = "select settings ->> '/dictionary.l1', count(*) from compared group by all order by all"
        rows = connection.execute(query).fetchall()
        assert [value for value, _ in rows] == ["0.001", "0.01"]
        (row,) = connection.execute(
            "select field, value, against, n from comparison "
            "where study = 'sweep' and epoch is null and against <> '' and measure = 'test_accuracy'"
        ).fetchall()
        assert row == ("dictionary.l1", "0.01", "0.001", 1)
        comment = "select comment from duckdb_columns() where table_name = 'comparison' and column_name = 'against'"
        assert connection.execute(comment).fetchone()[0].startswith("Empty: a mean over studies.")
    result = featcx("sql", "select member, epoch, value from compared where measure = 'test_accuracy'", "--json")
    assert {row["member"] for row in json.loads(result.stdout)} == set(MEMBERS)


def test_a_second_run_by_name_does_nothing(swept: Path):
    with instance(swept) as dagster:
        before = dagster.get_runs_count()
    result = featcx("run", "sweep")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "sweep: nothing to do, everything is current"
    with instance(swept) as dagster:
        assert dagster.get_runs_count() == before
    values = json.loads(featcx("run", "sweep", "--json").stdout)
    assert values["studies"] == {MEMBERS[0]: {"dictionary.l1": "0.001"}, MEMBERS[1]: {"dictionary.l1": "0.01"}}
    assert {row["measure"] for row in values["rows"]} >= {"test_accuracy", "complexity_importance_partial"}


@pytest.mark.usefixtures("no_gallery")
def test_a_changed_member_makes_the_comparison_stale(swept: Path):
    assert "  comparison" + " " * 16 + "     1 of 1" in featcx("status", "sweep").stdout
    store = open_store(swept, MEMBERS[0])
    store.study_path.write_text(store.study_path.read_text().replace("bootstrap = 100", "bootstrap = 120"))
    assert "1 stale" in featcx("status", "sweep").stdout
    with instance(swept) as dagster:
        (schedule,) = group_schedules(read_group(group_store(swept, "sweep").group_path))
        request = schedule(dg.build_schedule_context(instance=dagster))
        assert isinstance(request, dg.RunRequest)
    result = featcx("run", "sweep", "--device", "cpu")
    assert result.stderr.splitlines()[-1] == "comparison of 2 studies"
    with instance(swept) as dagster:
        (schedule,) = group_schedules(read_group(group_store(swept, "sweep").group_path))
        skipped = schedule(dg.build_schedule_context(instance=dagster))
        assert isinstance(skipped, dg.SkipReason)
        assert skipped.skip_message == "nothing is stale"


def test_a_member_that_cannot_be_run_is_named_and_the_others_finish(swept: Path, tmp_path: Path):
    text = SWEEP.replace('"dictionary.l1" = [0.001, 0.01]', '"dictionary.atoms_per_class" = [4, 31]')
    path = write_tiny(tmp_path / "more", text=text.replace("atoms_per_class = 4\n", "", 1))
    result = featcx("run", str(path), "--device", "cpu", "--only", "checkpoint")
    assert result.exit_code == 2
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("failed: "))
    assert line.startswith("failed: sweep__atoms_per_class_31: dictionary.atoms_per_class = 31: class '0' has only 30")
    assert re.fullmatch(r"sweep: done except for what failed, \d+ parts in .* s", result.stdout.splitlines()[0])
    snapshot = Snapshot(open_store(swept, "sweep__atoms_per_class_4"))
    assert not snapshot.stale(catalogue()["checkpoint"])


def test_a_sweep_file_that_says_something_else_names_what(empty_home: Path, tmp_path: Path):
    said: list[str] = []
    path = write_tiny(tmp_path / "more", text=SWEEP)
    register_sweep(path, home=empty_home, say=said.append)
    assert said == []
    text = SWEEP.replace("bootstrap = 100", "bootstrap = 120").replace("[0.001, 0.01]", "[0.01, 0.1]")
    path.write_text(text)
    register_sweep(path, home=empty_home, say=said.append)
    (line,) = said
    assert re.fullmatch(
        rf"sweep sweep is now as {path}; changed: analyses\.bootstrap: 100 -> 120; "
        rf"new: sweep__l1_0p1; no longer in it, their results stay: {MEMBERS[0]}",
        line,
    )
    register_sweep(path, home=empty_home, say=said.append)
    assert len(said) == 1  # the same again


def test_a_sweep_that_cannot_be_used(swept: Path, tmp_path: Path):
    path = write_tiny(tmp_path / "more", text=SWEEP.replace("dictionary.l1", "dictionary.l3"))
    assert "unknown field dictionary.l3 in [sweep]; did you mean dictionary.l" in refused("run", str(path))
    path.write_text(SWEEP.replace("tiny.npz", "gone.npz"))
    assert "gone.npz" in refused("run", str(path))
    path.write_text(SWEEP.replace('"sweep"', f'"{MEMBERS[0]}"', 1))
    assert f"{MEMBERS[0]} is the name of a study" in refused("run", str(path))


# -- featcx compare ----------------------------------------------------------------------------------------------------


def test_compare_any_registered_studies(swept: Path):
    result = featcx("compare", *MEMBERS, "--name", "mine")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "mine: 2 studies; at the end of each, mean (95 % over studies)"
    assert lines[2] == "by dictionary.l1"
    assert (swept / "mine" / "comparison" / "index.html").is_file()
    assert "by dictionary.l1" in featcx("compare", "sweep", "--by", "dictionary.l1").stdout
    values = json.loads(featcx("compare", "mine", "--json").stdout)
    assert values["name"] == "mine"
    assert values["page"] == str(swept / "mine" / "comparison" / "index.html")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((*MEMBERS, "--by", "dictionary.l2"), "do not differ in 'dictionary.l2'; did you mean dictionary.l1?"),
        ((*MEMBERS, "--by", "l1"), "did you mean dictionary.l1?"),
        ((*MEMBERS, "--name", "a b"), "wanted a name of letters, digits and _"),
        ((*MEMBERS, "--name", MEMBERS[0]), "is the name of a study"),
        ((MEMBERS[0],), "differ in no field"),
        ((MEMBERS[0], "gone"), "no study 'gone' in"),
    ],
)
def test_what_cannot_be_compared(swept: Path, arguments: tuple[str, ...], wanted: str):
    assert wanted in refused("compare", *arguments)


def test_compare_says_what_is_left_out(swept: Path, tmp_path: Path):
    for table in ("epochs", "v_information", "complexity", "sedimentation", "correlations"):
        shutil.rmtree(swept / MEMBERS[1] / "tables" / table)
    shutil.rmtree(swept / MEMBERS[1] / "activations")
    assert "fewer than two studies have results to compare" in refused("compare", *MEMBERS)
    shutil.copytree(swept / MEMBERS[0], swept / "third")
    text = (swept / "third" / "study.toml").read_text()
    (swept / "third" / "study.toml").write_text(text.replace(MEMBERS[0], "third").replace("l2 = 1e-06", "l2 = 2e-06"))
    result = featcx("compare", *MEMBERS, "third", "--by", "dictionary.l2")
    assert f"left out: {MEMBERS[1]}: nothing of it is made yet" in result.stderr


def test_the_asset_says_why_it_cannot_be_made(small: Store):
    write_group(small.home, Group("pair", ("tiny", "gone")))
    defs = definitions(small.home)
    with instance(small.home) as dagster:
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=dagster, asset_selection=[dg.AssetKey(["pair", "comparison"])], raise_on_error=False
        )
    assert not result.success
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert "fewer than two studies have results" in failure.step_failure_data.user_failure_data.description
