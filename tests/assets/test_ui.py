import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from featcx_assets.dagster_home import environment
from tests.assets.servers import Servers, free_port

TOKEN = "a-token-of-the-tests"
ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
QUIET = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
ALONE = ["--no-sandbox", "--disable-sync"]  # root in a container has no sandbox; nothing else shares this browser

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium (Debian: chromium)"),
]


@pytest.fixture
def url(home: Path, tmp_path: Path) -> Iterator[str]:
    """The web UI of a finished study, from the `workspace.yaml` of this folder."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "featcx_assets.serving", "webserver", "--host", "127.0.0.1", "--port", str(port)]
    with Servers(tmp_path) as servers:
        servers.start("webserver", command, env={**environment(home), "FEATCX_UI_TOKEN": TOKEN}, cwd=ROOT)
        servers.wait_until(lambda: _answers(f"{address}/server_info"), what="the web UI answers", seconds=120)
        yield address


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a headless browser that speaks to this machine only."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *ALONE])
        page = browser.new_page(viewport={"width": 1600, "height": 1200})
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        page.route(lambda address: not address.startswith("http://127.0.0.1:"), lambda route: route.abort())
        yield page
        browser.close()


def test_the_ui_shows_graph_partitions_and_pictures(url: str, page: Page, tmp_path: Path) -> None:
    page.goto(f"{url}/?token={TOKEN}")
    assert "token" not in page.url
    page.goto(f"{url}/assets/tiny/training?view=lineage&lineageScope=downstream&lineageDepth=20")
    for asset in ("checkpoint", "activations", "dictionary", "complexity", "importance", "sedimentation", "report"):
        expect(page.get_by_text(asset, exact=True).first).to_be_visible()
    page.screenshot(path=tmp_path / "graph.png")

    page.goto(f"{url}/assets/tiny/activations?view=partitions")
    expect(page.get_by_text("Materialized (30)")).to_be_visible()  # 3 epochs x 10 layers
    for partition in ("000000", "000002", "stem", "layer3.2"):
        expect(page.get_by_text(partition, exact=True).first).to_be_visible()
    page.screenshot(path=tmp_path / "partitions.png")

    page.goto(f"{url}/assets/tiny/complexity?view=partitions&partition=000002")
    # The UI shows Markdown of 1,000 characters and more, so every picture, in a dialog.
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.get_by_role("dialog").locator("img[src^='data:image/png']")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 100
    page.screenshot(path=tmp_path / "picture.png")

    page.goto(f"{url}/assets/tiny/report?view=overview")
    page.get_by_role("link", name="Open the report").first.click()
    expect(page.locator("h1")).to_contain_text("The network relies on")
    page.goto(f"{url}/assets/tiny/figures?view=overview")
    served = page.locator("img[src^='/featcx/tiny/report/figures/']").first  # shown without a click
    expect(served).to_be_visible()
    assert served.evaluate("image => image.naturalWidth") > 100


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError):
        return False


ATTACK = """
<script>
const mutation = "mutation { reloadWorkspace { __typename } }"
const asked = [
  fetch(`${UI}/graphql`, {method: "POST", mode: "no-cors", credentials: "include", body: JSON.stringify({query: mutation})}),
  fetch(`${UI}/graphql?query=${encodeURIComponent(mutation)}`, {mode: "no-cors", credentials: "include"}),
  new Promise(done => {
    const socket = new WebSocket(UI.replace("http", "ws") + "/graphql", "graphql-ws")
    socket.onopen = () => { document.title = "in"; done() }
    socket.onerror = socket.onclose = done
  }),
]
Promise.allSettled(asked).then(() => { document.body.append("tried") })
</script>
"""


def test_another_page_in_the_same_browser_cannot_reach_the_ui(url: str, page: Page) -> None:
    page.goto(f"{url}/?token={TOKEN}")
    asked, answers = list[str](), list[int]()
    page.on("request", lambda request: asked.append(request.method) if "/graphql" in request.url else None)
    page.on("response", lambda response: answers.append(response.status) if "/graphql" in response.url else None)
    attack = f"<body></body><script>const UI = '{url}'</script>{ATTACK}"
    elsewhere = "http://127.0.0.1:9/attack.html"  # another port of the same host: the browser sends the cookie along
    page.route(elsewhere, lambda route: route.fulfill(body=attack, content_type="text/html"))
    page.goto(elsewhere)
    expect(page.get_by_text("tried")).to_be_visible()
    assert page.title() != "in"
    assert sorted(asked) == ["GET", "POST"]
    assert set(answers) <= {403, 405}
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(asking(url, Origin="http://127.0.0.1:9"), timeout=60)
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(asking(url, Host="evil.example"), timeout=60)
    with urllib.request.urlopen(asking(url, Origin=url), timeout=60) as answer:
        assert answer.status == 200


def asking(url: str, **headers: str) -> urllib.request.Request:
    """A question with the cookie, as a browser sends it."""
    stated = {"Cookie": f"featcx_ui={TOKEN}", "Content-Type": "application/json", **headers}
    return urllib.request.Request(f"{url}/graphql", b'{"query": "{version}"}', stated)
