"""Groups of studies: what is registered, where they differ, and when their comparison is stale."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from featcx_core.analyses.comparison import COMPARISON
from featcx_core.analyses.comparison import make as comparison
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.checks import check_rows
from featcx_core.artefacts.groups import (
    Group,
    GroupReader,
    GroupSnapshot,
    differing,
    group_paths,
    group_store,
    make_of_group,
    read_group,
    write_group,
)
from featcx_core.artefacts.making import make
from featcx_core.artefacts.register import register
from featcx_core.artefacts.sharing import take_over
from featcx_core.store.places import Store
from featcx_core.study.fields import Study, StudyError
from tests.steps import refresh, table_of


def made_sibling(small: Store, name: str, **analyses: object) -> Store:
    """A study that differs from the small one in how it is bootstrapped alone, with all its tables."""
    changed = small.study.analyses.model_copy(update=analyses)
    store = register(small.study.model_copy(update={"name": name, "analyses": changed}), home=small.home)
    take_over(store, [small])
    for table in ("decode_time", "sedimentation", "correlations"):
        make(store, table)
    refresh(store)
    return store


@pytest.fixture
def pair(small: Store) -> Group:
    """Two studies with all tables, registered as a group."""
    made_sibling(small, "other", bootstrap=200)
    group = Group("both", ("tiny", "other"))
    write_group(small.home, group)
    return group


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons draw nothing: for tests that look at tables and fingerprints."""
    monkeypatch.setattr(comparison, "comparison_figures", lambda *tables: {})


def test_a_group_is_read_as_it_was_written(tmp_path: Path):
    group = Group("mine", ("a", "b"))
    store = write_group(tmp_path, group)
    assert group_paths(tmp_path) == {"mine": store.group_path}
    assert read_group(store.group_path) == group
    assert GroupReader(tmp_path, group).table("comparison").empty


@pytest.mark.parametrize(
    ("name", "members", "wanted"),
    [
        ("a b", ("x", "y"), "wanted a name of letters, digits and _"),
        ("dagster", ("x", "y"), r"\(and not dagster\), got 'dagster'"),
        ("mine", ("x",), "wanted at least two studies to compare, got x"),
        ("mine", ("x", "x"), "wanted at least two studies"),
        ("tiny", ("x", "y"), "tiny is the name of a study"),
    ],
)
def test_a_group_that_cannot_be(small: Store, name: str, members: tuple[str, ...], wanted: str):
    with pytest.raises(StudyError, match=wanted):
        write_group(small.home, Group(name, members))


def test_a_study_cannot_have_the_name_of_a_comparison(small: Store):
    write_group(small.home, Group("mine", ("a", "b")))
    with pytest.raises(StudyError, match=r"mine is the name of a comparison in .*; wanted another for the study"):
        register(small.study.model_copy(update={"name": "mine"}), home=small.home)


@pytest.mark.parametrize("text", ['name = "x"\nstudies = ["a", "b"]', 'name = "mine"\nstudies = "ab"', "name = "])
def test_a_group_file_that_was_spoilt(tmp_path: Path, text: str):
    path = group_store(tmp_path, "mine").group_path
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(StudyError, match=r"comparison\.toml"):
        read_group(path)


def test_where_studies_differ():
    one = Study(name="a")
    two = Study(name="b", data={"classes": "names.txt"}, dictionary={"l1": 5e-4})
    assert differing([one, two]) == {
        "data.classes": {"a": '""', "b": "names.txt"},
        "dictionary.l1": {"a": "0.001", "b": "0.0005"},
    }
    assert differing([one]) == differing([]) == {}


def test_the_comparison_of_two_studies(small: Store, pair: Group):
    found = GroupSnapshot(small.home, pair, COMPARISON)
    assert found.is_wanting
    make_of_group(small.home, pair, COMPARISON)
    folder = group_store(small.home, "both").root / "comparison"
    assert {picture.stem for picture in (folder / "figures").iterdir()} == {
        "differences",
        "at_the_end_by_analyses_bootstrap",
        "over_epochs_by_analyses_bootstrap",
    }
    reader = GroupReader(small.home, pair)
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "analyses.bootstrap" in page
    for name in ("compared", "comparison"):
        finding = check_rows(reader, catalogue().tables[name])
        assert finding.passed, finding.says
        assert finding.numbers["rows"] > 0
    compared = reader.table("compared")
    assert set(compared["member"]) == {"tiny", "other"}
    own = table_of(small, "sedimentation").query("epoch == 2 and group_name == 'all'").iloc[0]
    row = compared.query("member == 'tiny' and epoch == 2 and measure == 'mean_complexity_all'").iloc[0]
    assert tuple(row[["value", "low", "high", "n"]]) == tuple(own[["mean_complexity", "low", "high", "n_concepts"]])
    # The same weights and concepts: no difference but in the intervals.
    apart = reader.table("comparison").query("against != ''")
    assert set(apart["mean"]) == {0.0}
    assert not GroupSnapshot(small.home, pair, COMPARISON).is_wanting


@pytest.mark.usefixtures("no_figures")
def test_it_is_stale_when_a_table_of_a_member_changed(small: Store, pair: Group):
    make_of_group(small.home, pair, COMPARISON)
    text = small.study_path.read_text()
    small.study_path.write_text(text.replace("bootstrap = 100", "bootstrap = 150"))  # says: other intervals are wanted
    found = GroupSnapshot(small.home, pair, COMPARISON)
    assert found.is_wanting
    make_of_group(small.home, pair, COMPARISON)  # of what is there
    compared = GroupReader(small.home, pair).table("compared")
    assert "mean_complexity_all" not in set(compared.query("member == 'tiny'")["measure"])
    changed = Store(small.home, found.members[0].study)
    for table in ("decode_time", "sedimentation", "correlations"):
        make(changed, table)
    assert GroupSnapshot(small.home, pair, COMPARISON).is_wanting
    make_of_group(small.home, pair, COMPARISON)
    assert GroupSnapshot(small.home, pair, COMPARISON).is_current


@pytest.mark.usefixtures("no_figures")
def test_it_is_stale_when_its_members_changed_or_a_part_is_gone(small: Store, pair: Group):
    make_of_group(small.home, pair, COMPARISON)
    made_sibling(small, "third", bootstrap=300)
    assert GroupSnapshot(small.home, pair._replace(members=("tiny", "other", "third")), COMPARISON).is_wanting
    assert GroupSnapshot(
        small.home, pair._replace(members=("other", "tiny")), COMPARISON
    ).is_wanting  # the first is the base
    shutil.rmtree(group_store(small.home, "both").root / "comparison")
    assert GroupSnapshot(small.home, pair, COMPARISON).is_wanting


@pytest.mark.usefixtures("no_figures")
def test_a_member_without_results_is_left_out_and_said(small: Store, pair: Group):
    register(small.study.model_copy(update={"name": "third", "seed": 1}), home=small.home)
    group = Group("three", (*pair.members, "third", "fourth"))
    found = GroupSnapshot(small.home, group, COMPARISON)
    assert found.is_ready
    assert found.left_out["third"] == "nothing of it is made yet"
    assert "no study 'fourth'" in found.left_out["fourth"]
    make_of_group(small.home, group, COMPARISON)
    rows: pd.DataFrame = GroupReader(small.home, group).table("compared")
    assert set(rows["member"]) == set(pair.members)


def test_what_cannot_be_compared(small: Store, pair: Group):
    with pytest.raises(ValueError, match="one: wanted at least two studies with results, got 1"):
        make_of_group(small.home, Group("one", ("tiny", "nobody")), COMPARISON)
    made_sibling(small, "twin")
    with pytest.raises(ValueError, match="same: the studies differ in no field; there is nothing to compare"):
        make_of_group(small.home, Group("same", ("tiny", "twin")), COMPARISON)
