"""The report in a browser: its first screen, its width and its colours, on a desk and on a phone, light and dark."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from featcx_core.figures.canvas import nothing_to_show
from featcx_core.figures.properties import support_curves
from featcx_core.figures.reliance import reliance_curves
from featcx_core.figures.vector import read_svg, svg
from featcx_core.report.explorer.pictures import thumbnail
from featcx_core.report.report import ALTERNATIVE_TEXTS, Look, Strip, render_report
from tests.core.findings.synthetic import REFERENCE
from tests.core.findings.synthetic_properties import ENDS, study_with_properties
from tests.core.report.explorer.browsing import CHROMIUM, IN_BROWSER

pytestmark = IN_BROWSER
SCREENS = [(1280, 900), (390, 844)]
OUTSIDE = """() => [...document.querySelectorAll("body *")].filter(element => {
  const box = element.getBoundingClientRect();
  return box.width > 0 && box.right > innerWidth + 1 && !element.closest(".picture, .scroll, pre");
}).map(element => element.outerHTML.slice(0, 120))"""
"""Elements that reach beyond the screen, but for those in a part that scrolls by itself."""
CONTRAST = """() => {
  const light = colour => { const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = light(getComputedStyle(document.querySelector(".picture")).backgroundColor);
  return [...document.querySelectorAll(".picture text")].filter(text => text.getBoundingClientRect().width).map(text => {
    const ink = light(getComputedStyle(text).fill);
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05); });
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the report of a made-up study with real curves; return its address."""
    tables = study_with_properties()
    figures = {name: nothing_to_show("Why?", "a test") for name in ALTERNATIVE_TEXTS}
    for name, is_narrow in (("reliance", False), ("reliance_narrow", True)):
        figures[name] = reliance_curves(tables.support, epoch=REFERENCE, is_narrow=is_narrow)
    figures["support_curves"] = support_curves(tables.support, epochs=ENDS)
    picture = thumbnail(np.zeros((1, 28, 28), dtype=np.uint8))
    strips = [Strip(i, f"mostly {'long_name_' * 4}{i} (6 of 8)", "0.30", "0.20", [_uri(picture)] * 4) for i in range(6)]
    html = render_report(
        tables,
        study="mnist",
        facts={"data": "a/very/long/path" * 20},
        reference_epoch=REFERENCE,
        figures={name: read_svg(svg(figure, name=name)) for name, figure in figures.items()},
        look=Look({}, strips, in_pixels=True),
    )
    page = tmp_path_factory.mktemp("report") / "index.html"
    page.write_text(html, encoding="utf-8")
    return page.as_uri()


def _uri(picture: bytes) -> str:
    import base64

    return f"data:image/webp;base64,{base64.b64encode(picture).decode('ascii')}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a browser that opens pages."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=Path(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SCREENS, ids=["desk", "phone"])
def page(browser: Browser, address: str, scheme: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Yield the report on a screen, in a colour scheme; its complaints are a failure."""
    width, height = request.param
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("requestfailed", lambda asked: complaints.append(asked.url))
    page.goto(address)
    yield page
    page.close()
    assert complaints == []


def test_the_report_fits_every_screen_and_its_first_screen_answers(page: Page):
    screen = page.viewport_size
    answer = page.locator("h1").bounding_box()
    assert answer["y"] + answer["height"] < screen["height"] / 2
    how_sure = page.get_by_text("How sure:").bounding_box()
    assert how_sure["y"] < screen["height"]
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
    assert page.evaluate(OUTSIDE) == []


def test_words_in_figures_stand_out_and_the_first_figure_is_read_without_scrolling(page: Page):
    assert min(page.evaluate(CONTRAST)) >= 4.5
    shown = page.locator("#reliance svg:visible")
    assert shown.count() == 1
    assert shown.bounding_box()["width"] <= page.viewport_size["width"]
    heights = shown.locator("text").evaluate_all("texts => texts.map(text => text.getBoundingClientRect().height)")
    assert min(heights) >= 8  # pixels


def test_marks_open_to_the_number(page: Page):
    row = page.locator("#claim-support")
    row.locator("summary").click()
    assert "more than a random half" in row.locator(".marks").inner_text()
    assert "(95\N{NO-BREAK SPACE}%: " in row.inner_text()
