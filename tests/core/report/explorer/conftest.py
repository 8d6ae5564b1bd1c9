from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.core.report.explorer.browsing import CHROMIUM, N_CONCEPTS
from tests.explorers import write_explorer


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the explorer of a made-up study; return its address."""
    return write_explorer(tmp_path_factory.mktemp("explorer") / "all", n_concepts=N_CONCEPTS).as_uri()


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
    """Yield a page; its complaints are a failure at the end of the test that opened it."""
    width = getattr(request, "param", 1280)
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("requestfailed", lambda asked: complaints.append(asked.url))
    page.route(lambda url: not url.startswith("file:"), lambda route: complaints.append(route.request.url))
    yield page
    page.close()
    assert complaints == []
