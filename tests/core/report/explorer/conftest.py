from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.core.report.explorer.browsing import CHROMIUM, N_CONCEPTS
from tests.explorers import write_explorer

LEFT = "net::ERR_ABORTED"
"""Reason why a request failed that was under way when its page was left."""


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the explorer of a made-up study; return its address."""
    return write_explorer(tmp_path_factory.mktemp("explorer") / "all", n_concepts=N_CONCEPTS).as_uri()


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that writes no log."""

    def log_message(self, *args: object) -> None:
        """Write nothing."""


@pytest.fixture
def served(address: str) -> Iterator[str]:
    """Serve the same files over http, on this machine alone."""
    folder = Path(address.removeprefix("file://")).parent
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a browser that opens pages."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        chromium.new_context()
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Yield a page of a width, or of a width and a scheme; its complaints are a failure at the end of its test."""
    wanted = getattr(request, "param", 1280)
    width, scheme = wanted if isinstance(wanted, tuple) else (wanted, "light")
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("requestfailed", lambda asked: complaints.append(asked.url) if asked.failure != LEFT else None)
    own = ("file:", "http://127.0.0.1", "blob:", "data:")
    page.route(lambda url: not url.startswith(own), lambda route: complaints.append(route.request.url))
    yield page
    context.close()
    assert complaints == []
