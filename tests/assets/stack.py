"""`docker-compose.yml` without an engine: its own commands, environments and health checks, moved to loopback."""

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

import featcx_assets
from tests.assets.servers import Servers, free_port, is_listening

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
PORTS = {"postgres": "5432", "code": "4000", "webserver": "3000"}
"""Where the services listen."""
USER = "postgres" if os.geteuid() == 0 else None
"""The server's programs refuse to run as root."""


def postgres_programs() -> Path | None:
    """Where initdb and postgres lie (Debian keeps them out of PATH); None where they are absent."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    has_user = USER is None or USER in {user.pw_name for user in pwd.getpwall()}
    return folders[-1] if folders and has_user else None


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Compose's `${NAME:-default}`, `${NAME:?message}` and `$$`."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.group("name", "kind", "rest")
        if name is None:
            return "$"
        if kind == "?" and not variables.get(name):
            raise ValueError(f"required variable {name} is missing a value: {rest}")
        return variables.get(name) or rest

    return re.sub(r"\$\$|\$\{(?P<name>\w+):(?P<kind>[-?])(?P<rest>[^}]*)\}", value, text)


def make_cluster(folder: Path, *, env: Mapping[str, str]) -> Path:
    """Do what the image's entry point does: a cluster, a user with a password, a database. Gives the cluster's folder.

    `env` has POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, and PostgreSQL's programs in its PATH.
    """
    data, secret = folder / "postgres", folder / "password"
    data.mkdir(mode=0o700)
    secret.write_text(env["POSTGRES_PASSWORD"], encoding="utf-8")
    if USER is not None:
        shutil.chown(data, USER)
    initdb = ["initdb", f"--username={env['POSTGRES_USER']}", f"--pwfile={secret}", "--auth=scram-sha-256", "--no-sync"]
    single = ["postgres", "--single", "postgres"]
    for command, said in ((initdb, ""), (single, f"create database {env['POSTGRES_DB']}")):
        subprocess.run(
            command,
            input=said,
            text=True,
            env={**env, "PGDATA": str(data)},
            cwd=folder,
            user=USER,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return data


class Stack:
    """The services as processes of this machine, below `folder`."""

    def __init__(self, folder: Path, servers: Servers, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self._servers = servers
        self._variables = variables
        self._ports = {port: str(free_port()) for port in PORTS.values()}
        self.home = folder / "home"
        self.config = folder / "config"

    @property
    def url(self) -> str:
        """The web UI."""
        return f"http://127.0.0.1:{self._ports['3000']}"

    def start(self) -> None:
        """Start every service once those it depends on are healthy; then wait until all are."""
        shutil.copytree(ROOT / ".docker", self.config, ignore=shutil.ignore_patterns("Dockerfile"))
        healthy = set[str]()
        for name, service in SERVICES.items():
            for needed in service.get("depends_on", {}).keys() - healthy:
                self._wait(needed)
                healthy.add(needed)
            command = self._database() if name == "postgres" else service["command"]
            user = USER if name == "postgres" else None
            self._servers.start(name, command, env=self._environment(name), cwd=self.config, user=user)
        for name in SERVICES.keys() - healthy:
            self._wait(name)

    def crash(self, name: str) -> None:
        """End a service as a machine that fails would; then start it again, as `restart: unless-stopped` does."""
        self._servers.kill(name)
        self._servers.start(name, SERVICES[name]["command"], env=self._environment(name), cwd=self.config)
        self._wait(name)

    def wait_until(self, done: Callable[[], bool], *, what: str) -> None:
        """Poll while all services live."""
        self._servers.wait_until(done, what=what, seconds=120)

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """GraphQL's answer."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._variables['FEATCX_UI_TOKEN']}"}
        request = urllib.request.Request(f"{self.url}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        if "errors" in answer:
            raise RuntimeError(answer["errors"])
        data: dict[str, Any] = answer["data"]
        return data

    def _environment(self, name: str) -> dict[str, str]:
        """What compose sets, with hosts, ports and places of this machine; code is that of the tests."""
        moved = {"/var/lib/featcx": str(self.home), "/opt/featcx": str(self.config)}
        given = {"DAGSTER_HOME": "/opt/featcx", **SERVICES[name]["environment"]}
        variables = {}
        for key, raw in given.items():
            value = interpolated(raw, self._variables)
            if key.endswith("_HOST"):
                value = "127.0.0.1"
            elif key.endswith("PORT"):
                value = self._ports[value]
            for place, here in moved.items():
                value = re.sub(rf"^{place}(?=/|$)", here, value)
            variables[key] = value
        programs = [Path(sys.executable).parent, postgres_programs(), "/usr/bin", "/bin"]
        return {
            "PATH": os.pathsep.join(map(str, programs)),
            "PYTHONPATH": str(Path(str(featcx_assets.__file__)).parents[1]),
            "HOME": str(self._folder),
            **variables,
        }

    def _healthy(self, name: str) -> bool:
        if name in PORTS and not is_listening(int(self._ports[PORTS[name]])):
            return False  # a check loads all of Dagster to find that out
        kind, *check = SERVICES[name]["healthcheck"]["test"]
        command = [interpolated(word, {}) for word in check]
        if kind == "CMD-SHELL":
            command = ["sh", "-c", *command]
        return subprocess.run(command, env=self._environment(name), capture_output=True, check=False).returncode == 0

    def _wait(self, name: str) -> None:
        self.wait_until(lambda: self._healthy(name), what=f"{name} is healthy")

    def _database(self) -> list[str]:
        """The cluster, made, and the command that serves it."""
        data = make_cluster(self._folder, env=self._environment("postgres"))
        loopback = ["listen_addresses=127.0.0.1", f"unix_socket_directories={data}", "fsync=off"]
        return ["postgres", "-D", str(data), *(word for setting in loopback for word in ("-c", setting))]


@contextmanager
def running_stack(variables: Mapping[str, str]) -> Iterator[Stack]:
    """The stack, not yet started, in a folder that the database's user can enter."""
    with tempfile.TemporaryDirectory(prefix="featcx-stack-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Servers(folder) as servers:
            yield Stack(folder, servers, variables)
