"""The guard of the web UI: a web page that is open in the same browser cannot reach it, nor can another user.

Dagster's webserver asks nobody who they are, and its GraphQL starts runs. Before a request reaches it:

- its `Host` is this machine's (or one of FEATCX_UI_HOSTS): a page whose name is made to point here is refused;
- its `Origin`, where it has one, is the UI's own: another page's scripts and WebSockets are refused;
- GraphQL is asked by POST only: a link or a picture starts nothing;
- it carries the token, as a cookie or as `Authorization: Bearer`. `?token=…` in the address that `featcx ui` prints is
  exchanged for the cookie.
"""

import hmac
import json
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from featcx_core.study.fields import StudyError

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Mapping[str, Any]], Awaitable[None]]], Awaitable[None]]

TOKEN = "FEATCX_UI_TOKEN"
"""Environment variable: the token of the webserver that is started."""
HOSTS = "FEATCX_UI_HOSTS"
"""Environment variable: further names, with commas, under which a proxy reaches the UI."""
COOKIE = "featcx_ui"
_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_OPEN = "/server_info"  # versions only, for health checks


def token_of(folder: Path) -> str:
    """Return the token of a home's UI, which its owner alone can read; made once."""
    path = folder / "ui_token"
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(32), encoding="utf-8")
        draft.replace(path)
    if path.stat().st_mode & 0o077:
        raise StudyError(f"{path} can be read by others; delete it, and the next `featcx ui` writes another")
    return path.read_text(encoding="utf-8").strip()


class Guard:
    """An ASGI application in front of another.

    Args:
        app: the application that is guarded.
        token: the token that requests have to carry.
        hosts: names under which it is served, beside this machine's own.
    """

    def __init__(self, app: App, *, token: str, hosts: tuple[str, ...] = ()) -> None:
        if len(token) < 16:
            raise ValueError(f"wanted a token of 16 characters or more, got {len(token)}; try secrets.token_urlsafe()")
        self.app, self.token, self.hosts = app, token, {*_LOCAL, *(host.lower() for host in hosts if host)}

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Mapping[str, Any]], Awaitable[None]]
    ) -> None:
        """Refuse a request, exchange the token of an address for the cookie, or let it through."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if refusal := self._refusal(scope, headers):
            await _answer(scope, send, *refusal)
        elif scope["path"] == _OPEN or self._is_known(headers):
            await self.app(scope, receive, send)
        else:
            await self._let_in(scope, send)

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Return status and text where a request does not come from the UI's own pages."""
        host = headers.get("host", "").lower()
        if _without_port(host) not in self.hosts:
            return 400, f"this is not served as {host!r}; {HOSTS} names further hosts"
        origin = headers.get("origin", "").lower()
        if origin and not self._is_own(urlsplit(origin).netloc, host):
            return 403, f"pages of {origin!r} may not ask here"
        is_graphql = scope["path"].rstrip("/").endswith("/graphql")
        if is_graphql and scope["type"] == "http" and scope["method"] not in ("POST", "OPTIONS"):
            return 405, "GraphQL is asked by POST"
        return None

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether an origin is the UI's own address, or that of a proxy in front of it."""
        return origin == host or _without_port(origin) in self.hosts.difference(_LOCAL)

    def _is_known(self, headers: Mapping[str, str]) -> bool:
        given = headers.get("authorization", "").removeprefix("Bearer ")
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        return any(self._is_token(text) for text in (given, cookie.value if cookie else ""))

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.token.encode())

    async def _let_in(self, scope: Scope, send: Callable[[Mapping[str, Any]], Awaitable[None]]) -> None:
        """Answer a request without the cookie: with it, where the address carries the token."""
        asked = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        is_page = scope["type"] == "http" and scope["method"] == "GET"
        if not is_page or not self._is_token(dict(asked).get("token", "")):
            await _answer(scope, send, 401, "this UI asks for its token: open the address that `featcx ui` prints")
            return
        rest = urlencode([(name, value) for name, value in asked if name != "token"])
        place = f"{scope['path']}?{rest}" if rest else scope["path"]
        place = "/" + place.lstrip("/")  # never another host
        cookie = f"{COOKIE}={self.token}; Path=/; HttpOnly; SameSite=Strict"
        headers = [(b"location", place.encode("latin-1", "replace")), (b"set-cookie", cookie.encode())]
        headers.append((b"cache-control", b"no-store"))
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def guarded(app: App) -> Guard:
    """Return an application behind the guard, as the environment says. Raises ValueError where it says no token."""
    hosts = tuple(host.strip() for host in os.environ.get(HOSTS, "").split(","))
    return Guard(app, token=os.environ.get(TOKEN, ""), hosts=hosts)


async def _answer(scope: Scope, send: Callable[[Mapping[str, Any]], Awaitable[None]], status: int, text: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": text[:100]})
        return
    body = json.dumps({"error": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
