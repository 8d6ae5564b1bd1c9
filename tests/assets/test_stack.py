import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config  # the only check of every key without a database
from dagster._core.workspace.config_schema import ensure_workspace_config

from featcx_core.artefacts.register import register
from featcx_core.study.files import load_study
from tests.assets.stack import COMPOSE, ROOT, SERVICES, Stack, interpolated, postgres_programs, running_stack
from tests.conftest import write_tiny

OURS = [name for name, service in SERVICES.items() if "build" in service]
PASSWORD = "not a secret: /@$%'"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICES["code"]["environment"].items():
        monkeypatch.setenv(name, interpolated(value, {"FEATCX_POSTGRES_PASSWORD": PASSWORD}))


def test_only_the_ui_is_published_and_only_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(published) == ["webserver"]
    assert [interpolated(port, {}) for port in published["webserver"]] == ["127.0.0.1:3000:3000"]
    assert not any("network_mode" in service for service in SERVICES.values())


def test_no_service_can_take_over_the_machine() -> None:
    named = set(COMPOSE["volumes"])
    for service in SERVICES.values():
        assert {volume.split(":")[0] for volume in service["volumes"]} <= named  # so no docker.sock either
        assert "privileged" not in service
    *_, user = (line for line in _dockerfile() if line[0] == "USER")
    assert user[1] != "root"
    assert int(user[1]) > 0


def test_what_runs_write_is_seen_by_all_of_ours() -> None:
    assert OURS == ["code", "webserver", "daemon"]
    for name in OURS:
        assert SERVICES[name]["volumes"] == ["home:/var/lib/featcx"]
        assert SERVICES[name]["environment"]["FEATCX_HOME"] == "/var/lib/featcx"


@pytest.mark.parametrize("variables", [{}, {"FEATCX_POSTGRES_PASSWORD": ""}])
def test_a_missing_password_is_refused(variables: dict[str, str]) -> None:
    wanted = SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"]
    with pytest.raises(ValueError, match=r"FEATCX_POSTGRES_PASSWORD is missing a value: copy \.env\.example to \.env"):
        interpolated(wanted, variables)
    assert SERVICES["code"]["environment"]["FEATCX_POSTGRES_PASSWORD"] == wanted
    assert "\nFEATCX_POSTGRES_PASSWORD=\n" in (ROOT / ".env.example").read_text(encoding="utf-8")


@pytest.mark.usefixtures("environment")
def test_dagster_knows_every_setting_of_the_instance() -> None:
    settings, custom_class = dagster_instance_config(str(ROOT / ".docker"))
    assert custom_class is None
    assert settings["telemetry"] == settings["nux"] == {"enabled": False}
    assert "run_launcher" not in settings  # the default one: a run is a process of the code location
    database = settings["storage"]["postgres"]["postgres_db"]
    assert database["scheme"] == "postgresql+psycopg2"
    assert database["password"] == {"env": "FEATCX_POSTGRES_PASSWORD"}


@pytest.mark.usefixtures("environment")
def test_the_workspace_is_the_code_location() -> None:
    path = ROOT / ".docker/workspace.yaml"
    workspace = ensure_workspace_config(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
    assert workspace == {"load_from": [{"grpc_server": {"location_name": "featcx", "host": "code", "port": 4000}}]}


def test_the_image_is_made_from_what_docker_is_shown() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    shown = [line[1:] for line in ignored if line.startswith("!")]
    copied = [source for word, *sources in _dockerfile() if word == "COPY" for source in sources[:-1]]
    assert sorted(copied) == sorted(shown)
    assert all((ROOT / source).exists() for source in copied)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert {SERVICES[name]["image"] for name in OURS} == {f"featcx:{version}"}


@pytest.mark.postgres
@pytest.mark.timeout(600)
@pytest.mark.skipif(postgres_programs() is None, reason="needs a PostgreSQL server's programs (Debian: postgresql)")
def test_the_same_commands_on_loopback_make_a_run_succeed_after_a_crash(tmp_path: Path) -> None:
    with running_stack({"FEATCX_POSTGRES_PASSWORD": PASSWORD, "FEATCX_UI_TOKEN": "a token of the tests"}) as stack:
        register(load_study(write_tiny(tmp_path)), home=stack.home)
        stack.start()

        nodes = {"/".join(node["assetKey"]["path"]): node for node in stack.ask(ASSETS)["assetNodes"]}
        assert {"tiny/training", "tiny/checkpoint", "tiny/activations"} <= nodes.keys()
        assert nodes["tiny/checkpoint"]["dependencyKeys"] == [{"path": ["tiny", "training"]}]

        # A run that dies with its code location is known to have failed and does not keep the next one waiting.
        lost = _launch(stack, nodes["tiny/training"])
        _wait_for(stack, lost, "STARTED")
        stack.crash("code")
        assert _status(stack, lost) == "FAILURE"
        _wait_for(stack, _launch(stack, nodes["tiny/training"]), "SUCCESS")

        assert (stack.home / "tiny/checkpoints/000002.safetensors").is_file()
        # Runs and events are in PostgreSQL, logs on the volume; nothing is written beside the image's files.
        assert {path.name for path in stack.config.iterdir()} == {"code_location.py", "dagster.yaml", "workspace.yaml"}
        assert not list(stack.home.rglob("*.db"))


def _launch(stack: Stack, node: dict[str, Any]) -> dict[str, str]:
    """Launch what makes an asset, as the UI does."""
    selector = {
        "repositoryLocationName": node["repository"]["location"]["name"],
        "repositoryName": node["repository"]["name"],
        "jobName": node["jobNames"][0],
        "assetSelection": [node["assetKey"]],
        "assetCheckSelection": [],
    }
    run: dict[str, str] = stack.ask(LAUNCH, {"params": {"selector": selector, "mode": "default"}})["launchRun"]["run"]
    return run


def _wait_for(stack: Stack, run: dict[str, str], wanted: str) -> None:
    """Wait until a run is as wanted, or has ended."""
    ends = {wanted, "SUCCESS", "FAILURE", "CANCELED"}
    stack.wait_until(lambda: _status(stack, run) in ends, what=f"the run is {wanted}")
    assert _status(stack, run) == wanted


def _status(stack: Stack, run: dict[str, str]) -> str:
    status: str = stack.ask(STATUS, run)["runOrError"]["status"]
    return status


ASSETS = """{
  assetNodes { assetKey { path } dependencyKeys { path } jobNames repository { name location { name } } }
}"""

LAUNCH = """mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) { ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}"""
STATUS = "query ($runId: ID!) { runOrError(runId: $runId) { ... on Run { status } } }"


def _dockerfile() -> list[list[str]]:
    lines = (ROOT / ".docker/Dockerfile").read_text(encoding="utf-8").splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]
