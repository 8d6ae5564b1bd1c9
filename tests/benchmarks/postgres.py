"""A PostgreSQL server of its own on loopback, with the settings of docker-compose.yml's Dagster instance."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg2

from tests.assets.servers import Servers, free_port
from tests.assets.stack import ROOT, USER, make_cluster, postgres_programs

PASSWORD = "for-a-benchmark"  # of a server that lives as long as it, on loopback


class Postgres(NamedTuple):
    """A running server."""

    variables: dict[str, str]
    """What `featcx` reads to use it."""

    def megabytes(self) -> float:
        """Size of the database."""
        with closing(self._connection()) as connection, connection.cursor() as cursor:
            cursor.execute("select pg_database_size('featcx')")
            return float(cursor.fetchone()[0]) / 1e6

    def _connection(self) -> "psycopg2.extensions.connection":
        v = self.variables
        host, port = v["FEATCX_POSTGRES_HOST"], v["FEATCX_POSTGRES_PORT"]
        return psycopg2.connect(host=host, port=port, user="featcx", password=PASSWORD, dbname="featcx")


@contextmanager
def running_postgres() -> Iterator[Postgres | None]:
    """The server, with default settings for writing (every commit reaches the disk); None without PostgreSQL."""
    programs = postgres_programs()
    if programs is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="featcx-postgres-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        path = f"{programs}:{os.environ['PATH']}"
        account = {"POSTGRES_USER": "featcx", "POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": "featcx"}
        environment = {**os.environ, "PATH": path, **account}
        data = make_cluster(folder, env=environment)
        config = shutil.copytree(ROOT / ".docker", folder / "config", ignore=shutil.ignore_patterns("Dockerfile"))
        server = Postgres(
            {
                "FEATCX_DAGSTER_HOME": str(config),
                "FEATCX_DAGSTER_FILES": str(folder / "files"),
                "FEATCX_POSTGRES_HOST": "127.0.0.1",
                "FEATCX_POSTGRES_PORT": str(free_port()),
                "FEATCX_POSTGRES_PASSWORD": PASSWORD,
            }
        )
        port = server.variables["FEATCX_POSTGRES_PORT"]
        command = ["postgres", "-D", str(data), "-p", port, "-c", f"unix_socket_directories={data}"]
        with Servers(folder) as servers:
            servers.start("postgres", command, env=environment, cwd=folder, user=USER)
            servers.wait_until(lambda: _answers(server), what="PostgreSQL answers", seconds=60)
            yield server


def _answers(server: Postgres) -> bool:
    try:
        server.megabytes()
    except psycopg2.OperationalError:
        return False
    return True
