"""The guard of the web UI, asked as a browser, a page of another site, and a command would."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from featcx_assets.guard import COOKIE, Guard, guarded, token_of
from featcx_core.study.fields import StudyError

TOKEN = "a-token-of-the-tests"
HERE = {"host": "127.0.0.1:3000"}
KNOWN = {**HERE, "cookie": f"{COOKIE}={TOKEN}"}


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the UI"})


def ask(
    headers: Mapping[str, str], *, method: str = "GET", path: str = "/", query: str = "", kind: str = "http",
    hosts: tuple[str, ...] = (),
) -> tuple[int, dict[str, str], str]:  # fmt: skip
    """Status, headers and text of an answer."""
    sent: list[Any] = []

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read of a request that is refused")

    scope = {
        "type": kind, "method": method, "path": path, "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    asyncio.run(Guard(_app, token=TOKEN, hosts=hosts)(scope, receive, send))
    if kind == "websocket" and sent[0]["type"] == "websocket.close":
        return sent[0]["code"], {}, sent[0]["reason"]
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, sent[-1]["body"].decode()


def test_whoever_carries_the_token_is_let_in():
    assert ask(KNOWN)[::2] == (200, "the UI")
    assert ask({**HERE, "authorization": f"Bearer {TOKEN}"}, method="POST", path="/graphql")[0] == 200
    assert ask({**KNOWN, "origin": "http://127.0.0.1:3000"}, method="POST", path="/graphql")[0] == 200
    assert ask({"host": "localhost:3000"}, path="/server_info")[0] == 200  # health checks


@pytest.mark.parametrize(
    "cookie", ["", f"{COOKIE}=", f"{COOKIE}=another", f"other={TOKEN}", f"{COOKIE}={TOKEN}x", ";=;"]
)
def test_everybody_else_is_asked_for_it(cookie: str):
    status, _, text = ask({**HERE, "cookie": cookie})
    assert status == 401
    assert "open the address that `featcx ui` prints" in text


def test_the_token_of_an_address_becomes_a_cookie_and_leaves_the_address():
    status, headers, _ = ask(HERE, path="/assets", query=f"view=list&token={TOKEN}")
    assert (status, headers["location"]) == (303, "/assets?view=list")
    assert headers["set-cookie"] == f"{COOKIE}={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    assert ask(HERE, path="//evil.example/", query=f"token={TOKEN}")[1]["location"] == "/evil.example/"
    assert ask(HERE, method="POST", path="/graphql", query=f"token={TOKEN}")[0] == 401
    assert ask(HERE, query="token=another")[0] == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", "", "127.0.0.1@evil.example"]
)
def test_a_name_that_was_made_to_point_here_is_refused(host: str):
    status, _, text = ask({**KNOWN, "host": host})
    assert status == 400
    assert "FEATCX_UI_HOSTS names further hosts" in text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:8000", "https://localhost"])
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_pages_of_others_are_refused_even_with_the_cookie(origin: str, kind: str):
    status, _, text = ask({**KNOWN, "origin": origin}, method="POST", path="/graphql", kind=kind)
    assert status in (403, 1008)
    assert "may not ask here" in text


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_graphql_is_not_asked_by_a_link(method: str):
    assert ask(KNOWN, method=method, path="/graphql", query="query=mutation{x}")[0] == 405


def test_a_websocket_needs_the_token_too():
    assert ask(HERE, path="/graphql", kind="websocket")[0] == 1008


def test_a_proxy_in_front_is_named():
    headers = {**KNOWN, "host": "featcx.example.org", "origin": "https://featcx.example.org"}
    assert ask(headers, method="POST", path="/graphql")[0] == 400
    assert ask(headers, method="POST", path="/graphql", hosts=("featcx.example.org",))[0] == 200


def test_a_token_is_made_once_and_is_its_owners(tmp_path: Path):
    token = token_of(tmp_path)
    assert token_of(tmp_path) == token
    assert len(token) > 40
    (tmp_path / "ui_token").chmod(0o644)
    with pytest.raises(StudyError, match="ui_token can be read by others; delete it"):
        token_of(tmp_path)


def test_no_webserver_without_a_token(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("FEATCX_UI_TOKEN", raising=False)
    with pytest.raises(ValueError, match="wanted a token of 16 characters or more, got 0"):
        guarded(_app)
