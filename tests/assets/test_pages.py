"""Pages of studies over http: what is served, and what is not."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from featcx_assets.pages import PREFIX, Pages, address_of, page_file


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A home with the pages of one study, and what must stay."""
    for name in ("mnist/report/index.html", "mnist/report/explorer/main.js", "mnist/study.toml", "ui_token"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"this is {name}")
    (tmp_path / "mnist" / "report" / "leak").symlink_to(tmp_path / "ui_token")
    return tmp_path


def ask(home: Path, path: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
    """Status, headers and text of an answer."""
    sent: list[Any] = []

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"the UI"})

    async def receive() -> Any:
        await asyncio.Event().wait()  # nobody hangs up

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    asyncio.run(Pages(behind, home=home)(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, body.decode()


def test_pages_are_served_and_can_ask_nothing(desk: Path):
    status, headers, text = ask(desk, address_of(desk, desk / "mnist" / "report" / "index.html"))
    assert (status, text) == (200, "this is mnist/report/index.html")
    assert headers["content-type"].startswith("text/html")
    assert "connect-src 'none'" in headers["content-security-policy"]
    assert ask(desk, f"{PREFIX}mnist/report/explorer/main.js")[0] == 200


def test_everything_else_is_handed_on(desk: Path):
    assert ask(desk, "/assets/mnist/report")[::2] == (200, "the UI")


@pytest.mark.parametrize(
    "path",
    [
        "mnist/study.toml",
        "ui_token",
        "mnist/report/../study.toml",
        "mnist/report/../../ui_token",
        "mnist/report/leak",
        "mnist/report",
        "mnist/report/explorer",
        "other/report/index.html",
        "/etc/passwd",
        "",
    ],
)
def test_nothing_else_of_a_home_is_served(desk: Path, path: str):
    assert page_file(desk, path) is None
    status, _, text = ask(desk, PREFIX + path)
    assert (status, text) == (404, "no such page; `featcx run` makes it")


def test_pages_are_read_only(desk: Path):
    assert ask(desk, f"{PREFIX}mnist/report/index.html", "POST")[0] == 404
