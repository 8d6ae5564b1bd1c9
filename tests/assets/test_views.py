import shutil
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from featcx_assets.views import connect, database, write_views
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.visible_rows import write_current
from featcx_core.store.files import write_bytes
from featcx_core.store.parquet import write_rows
from featcx_core.store.places import Store
from featcx_core.study.fields import Study, StudyError
from tests.steps import made_up


def fresh(home: Path, name: str = "s") -> Store:
    store = Store(home, Study(name=name))
    write_current(store, [("importance", "now")])
    return store


def write(store: Store, partition: str, rows: pd.DataFrame, *, fingerprint: str) -> None:
    path, table = store.table("importance", partition), catalogue().tables["importance"]
    write_rows(path, table, rows, study=store.study.name, fingerprint=fingerprint)


def importance(epoch: int, value: float, *, n: int = 3) -> pd.DataFrame:
    return made_up("importance", [value] * n, concept=range(n), epoch=epoch, prevalence_fraction=0.5)


def values(home: Path) -> list[tuple[str, int, float]]:
    with connect(home) as connection:
        return connection.execute(
            "select study, epoch, importance from importance where concept = 0 order by all"
        ).fetchall()


def test_every_table_has_a_view_with_its_columns_and_their_meaning(tmp_path: Path):
    fresh(tmp_path)
    write_views(tmp_path)
    with connect(tmp_path) as connection:
        views = dict(connection.execute("select view_name, comment from duckdb_views() where not internal").fetchall())
        assert views == {table.name: table.row for table in catalogue().tables.values()}
        for table in catalogue().tables.values():
            query = f"select column_name, comment from duckdb_columns() where table_name = '{table.name}'"
            described = connection.execute(query).fetchall()
            assert described == [(column.name, column.description) for column in table.columns]
            assert connection.execute(f"select count(*) from {table.name}").fetchone() == (0,)


def test_a_home_of_an_older_featcx_lacks_tables_and_columns(tmp_path: Path):
    store = fresh(tmp_path)
    write_views(tmp_path)
    (tmp_path / ".empty/tables/layer_information/empty.parquet").unlink()
    narrow = pd.DataFrame({"study": ["s"], "epoch": [0]}).iloc[:0]
    narrow.to_parquet(tmp_path / ".empty/tables/correlations/empty.parquet")
    database(tmp_path).unlink()
    before = sorted(store.root.rglob("*"))
    with connect(tmp_path) as connection:
        assert connection.execute("select count(gain) from layer_information").fetchone() == (0,)
        assert connection.execute("select count(kind) from correlations").fetchone() == (0,)
    assert sorted(store.root.rglob("*")) == before


def test_a_copy_of_a_study_beside_it_is_in_nobodys_way(tmp_path: Path):
    store = fresh(tmp_path)
    write(store, "000001", importance(1, 0.1), fingerprint="now")
    shutil.copytree(store.root, tmp_path / "s-before (copy)")
    assert values(tmp_path) == [("s", 1, 0.1)]
    write(store, "000001", importance(1, 0.2), fingerprint="anew")
    write_current(store, [("importance", "anew")])
    assert values(tmp_path) == [("s", 1, 0.2)]  # and what the copy still calls current is not seen
    write_current(store, [])
    assert values(tmp_path) == []


def test_only_rows_of_the_current_fingerprint_are_seen(tmp_path: Path):
    store = fresh(tmp_path)
    write(store, "000001", importance(1, 0.1), fingerprint="now")
    write(store, "000002", importance(2, 0.2), fingerprint="before")
    write_views(tmp_path)
    assert values(tmp_path) == [("s", 1, 0.1)]
    write_current(store, [("importance", "before"), ("complexity", "now")])  # no new views: the files decide
    assert values(tmp_path) == [("s", 2, 0.2)]


def test_studies_lie_side_by_side_each_with_its_own_fingerprints(tmp_path: Path):
    for name, digest in (("a", "now"), ("b", "before")):
        store = fresh(tmp_path, name)
        write(store, "000001", importance(1, 0.5), fingerprint=digest)
    write_views(tmp_path)
    assert values(tmp_path) == [("a", 1, 0.5)]


@pytest.mark.parametrize("name", ["it's mine", "a [b] c", "Ωmega space", 'quoted "x"'])
def test_any_name_of_the_home_will_do(tmp_path: Path, name: str):
    store = fresh(tmp_path / name)
    write(store, "000001", importance(1, 0.1), fingerprint="now")
    assert values(tmp_path / name) == [("s", 1, 0.1)]


def test_a_home_without_results(tmp_path: Path):
    with pytest.raises(
        StudyError, match=r"no results in .*; `featcx run` makes the first, FEATCX_HOME points elsewhere"
    ):
        connect(tmp_path)
    assert not database(tmp_path).exists()


def test_queries_cannot_write(tmp_path: Path):
    fresh(tmp_path)
    with connect(tmp_path) as connection, pytest.raises(duckdb.InvalidInputException, match="read-only"):
        connection.execute("create table mine (x int)")


def test_litter_of_killed_writers_is_not_read(tmp_path: Path):
    store = fresh(tmp_path)
    write(store, "000001", importance(1, 0.1), fingerprint="now")
    path = store.table("importance", "000001")
    write_bytes(path.with_name(f".{path.name}.0badcafe.partial"), b"PAR1")
    shutil.copy(path, path.with_name(".000002.parquet.0badcafe.partial"))
    assert values(tmp_path) == [("s", 1, 0.1)]


READER = """
import sys
from pathlib import Path
from featcx_assets.views import connect
print("ready", flush=True)
sys.stdin.readline()
seen, reads = set(), 0
while reads < 15 or len(seen) < 3:
    reads += 1
    with connect(Path(sys.argv[1])) as connection:
        rows = connection.execute("select epoch, count(*), count(distinct importance), any_value(importance) "
                                  "from importance group by epoch order by epoch").fetchall()
    assert [row[:3] for row in rows] == [(1, 500, 1), (2, 500, 1)], rows
    seen.add(rows[0][3])
"""


def test_another_process_reads_whole_partitions_while_they_are_replaced(tmp_path: Path):
    store, stop = fresh(tmp_path), threading.Event()

    def write_both(generation: int) -> None:
        for epoch in (1, 2):
            rows = importance(epoch, float(generation), n=500)
            write(store, f"{epoch:06d}", rows, fingerprint="now")
        write_current(store, [("importance", "now"), ("epochs", str(generation))])
        write_views(tmp_path)

    def keep_writing() -> None:
        generation = 1
        while not stop.is_set():
            write_both(generation)
            generation += 1

    write_both(0)
    command = [sys.executable, "-c", READER, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "ready\n"
        writer = threading.Thread(target=keep_writing)
        writer.start()
        _, problems = reader.communicate("go\n")
        stop.set()
        writer.join()
    assert reader.returncode == 0, problems
