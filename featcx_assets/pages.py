"""Reports and explorers over http, beside the web UI and behind its guard.

A page of a study lies at `/featcx/STUDY/…`, below the folder of its home. Nothing else of a home is served, and a page
may ask no other address: what it shows lies beside it.
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from starlette.responses import FileResponse, PlainTextResponse

from featcx_assets.guard import App, Scope
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.declaration import Folder, Page

PREFIX = "/featcx/"
"""Begins the addresses of pages."""
_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'none'; form-action 'none'; frame-ancestors 'self'; base-uri 'none'"
)
"""A page runs its own scripts, and none of them can ask the UI to start a run."""


class Pages:
    """An ASGI application that serves the pages of a home and hands everything else on.

    Args:
        app: the application behind it.
        home: the folder of all studies.
    """

    def __init__(self, app: App, *, home: Path) -> None:
        self.app, self.home = app, home

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Mapping[str, Any]], Awaitable[None]]
    ) -> None:
        """Answer with a file below a study's pages, or hand the request on."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        file = page_file(self.home, scope["path"].removeprefix(PREFIX))
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        if file is None or scope["method"] not in ("GET", "HEAD"):
            answer: Any = PlainTextResponse("no such page; `featcx run` makes it", status_code=404, headers=headers)
        else:
            answer = FileResponse(file, headers=headers)
        await answer(scope, receive, send)


def address_of(home: Path, file: Path) -> str:
    """Return the address of a page of a home within the web UI."""
    return PREFIX + quote(file.relative_to(home).as_posix())


def page_file(home: Path, path: str) -> Path | None:
    """Return the file of an address behind the prefix; None for what is no page, or lies elsewhere."""
    parts = PurePosixPath(path).parts
    if len(parts) < 3 or parts[1] not in _folders() or ".." in parts:
        return None
    root, file = (home / parts[0] / parts[1]).resolve(), home.joinpath(*parts).resolve()
    return file if file.is_file() and file.is_relative_to(root) else None


def _folders() -> set[str]:
    """Return the folders of a study, or of a group of studies, that hold pages."""
    pages = [holding for artefact in catalogue() for holding in artefact.holds if isinstance(holding, Page)]
    of_groups = [holding for artefact in catalogue().of_groups for holding in artefact.holds]
    return {PurePosixPath(each.path).parts[0] for each in (*pages, *of_groups) if isinstance(each, Page | Folder)}
