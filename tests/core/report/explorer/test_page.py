"""The explorer in a browser, opened from disk: table, filters, scatter, a concept's page, keys, narrow screens."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.explorers import CLASSES, write_explorer

CHROMIUM = Path("/usr/bin/chromium")
N = 120

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium (Debian: chromium)"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_explorer(tmp_path_factory.mktemp("explorer") / "all", n_concepts=N).as_uri()


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its classes are named by numbers."""
    classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "10")
    return write_explorer(tmp_path_factory.mktemp("explorer") / "numbered", n_concepts=N, classes=classes).as_uri()


@pytest.fixture(scope="module")
def pages() -> Iterator[list[Page]]:
    """Opens pages; what any of them complained of is a failure at the end of the test that opened it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        browser.new_context()
        yield browser
        browser.close()


@pytest.fixture
def page(pages, request: pytest.FixtureRequest) -> Iterator[Page]:
    width = getattr(request, "param", 1280)
    page = pages.new_page(viewport={"width": width, "height": 800})
    page.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("requestfailed", lambda asked: complaints.append(asked.url))
    page.route(lambda url: not url.startswith("file:"), lambda route: complaints.append(route.request.url))
    yield page
    page.close()
    assert complaints == []


def opened(page: Page, address: str, place: str = "") -> Page:
    page.goto("about:blank")  # an address that differs in its hash alone would not be loaded anew
    page.goto(address + place)
    page.wait_for_selector("html[data-ready]")
    return page


def concepts(page: Page) -> list[int]:
    return page.eval_on_selector_all("#rows tr[data-concept]", "rows => rows.map(row => Number(row.dataset.concept))")


def column(page: Page, number: int) -> list[str]:
    return page.locator(f"#rows tr[data-concept] td:nth-child({number})").all_inner_texts()


def test_the_table_sorts_and_what_has_no_value_comes_last(page: Page, address: str):
    opened(page, address)
    expect(page.locator("#count")).to_have_text(f"{N} concepts")
    k = [float(text) for text in column(page, 4)]
    assert k == sorted(k)  # from simple to complex, to begin with
    page.get_by_role("button", name="K ↑").click()
    expect(page.locator('th[aria-sort="descending"]')).to_have_text("K ↓")
    k = [float(text) for text in column(page, 4)]
    assert k == sorted(k, reverse=True)
    page.locator("#rows").focus()
    page.keyboard.press("End")
    assert column(page, 4)[-4:] == ["–"] * 4
    page.get_by_role("button", name="class", exact=True).click()
    page.keyboard.press("Home")
    assert column(page, 2)[0] == min(CLASSES, key=str.lower)


def test_only_rows_in_view_are_in_the_page(page: Page, address: str):
    opened(page, address)
    assert 10 < len(concepts(page)) < 60
    page.locator("#rows").evaluate("box => box.scrollTop = box.scrollHeight")
    expect(page.locator("#rows tr[data-concept]").last).to_have_attribute("aria-rowindex", str(N + 1))


def test_filters_by_name_number_and_range(page: Page, address: str):
    opened(page, address)
    page.get_by_label("Filter", exact=True).fill("A & b")
    expect(page.locator("#count")).to_have_text(f"24 of {N} concepts")
    assert set(column(page, 2)) == {"a & b"}
    page.get_by_label("Filter", exact=True).fill("animal <B>")
    expect(page.locator("#count")).to_have_text(f"24 of {N} concepts")
    page.get_by_label("Filter", exact=True).fill("17")
    expect(page.locator("#count")).to_have_text(f"1 of {N} concepts")
    assert concepts(page) == [17]
    expect(page.locator("#key")).to_contain_text("all 0.")  # one value, one colour
    expect(page.locator("#key .ramp")).to_have_count(0)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#count")).to_have_text(f"{N} concepts")
    page.get_by_text("Ranges").click()
    page.get_by_label("prevalence, lowest").fill("50")
    page.get_by_label("prevalence, highest").fill("80")
    shares = [float(text.removesuffix(" %")) for text in column(page, 8)]
    assert shares
    assert min(shares) >= 50
    assert max(shares) <= 80
    page.get_by_label("prevalence, lowest").fill("99.9999")
    expect(page.get_by_text("No concept fits these filters.")).to_be_visible()


def test_a_number_is_a_concept_or_a_whole_name(page: Page, numbered: str):
    opened(page, numbered)
    expect(page.get_by_label("Filter", exact=True)).to_have_accessible_description(re.compile("#3: the concept alone"))
    of_class_3 = set(range(36, 48))
    for asked, wanted in {
        "3": {3} | of_class_3,
        "#3": {3},
        "class:3": of_class_3,
        "Class: 3": of_class_3,
        "#3 class:0": {3},
        "#3 class:1": set(),
        "1": {1} | set(range(12, 24)),  # not class 10
    }.items():
        page.get_by_label("Filter", exact=True).fill(asked)
        expect(page.locator("#count")).to_have_text(f"{len(wanted)} of {N} concepts")
        assert set(concepts(page)) == wanted


def test_columns_are_explained_by_heads_and_below_the_table(page: Page, address: str):
    opened(page, address)
    head = page.get_by_role("button", name="K ↑")
    said = "K: 0 = simple (decodable everywhere), 1 = complex."
    expect(head).to_have_attribute("title", said)
    expect(head).to_have_accessible_description(said)
    assert all(page.eval_on_selector_all("#rows th button", "heads => heads.map(head => head.title)"))
    expect(page.get_by_text(said, exact=True)).to_be_hidden()
    page.get_by_text("What the columns mean").click()
    expect(page.get_by_text(said, exact=True)).to_be_visible()
    expect(page.get_by_text("Name of the class whose images it was fitted on.")).to_be_visible()
    assert "null" not in page.locator("#meanings").inner_text()


@pytest.mark.parametrize("place", ["999", "-1", "x"])
def test_an_address_of_no_concept_says_which_there_are(page: Page, address: str, place: str):
    opened(page, address, f"#concept/{place}")
    expect(page.get_by_role("heading", level=2)).to_have_text(f"There is no concept {place}")
    expect(page.get_by_text(f"made_up has the concepts 0 to {N - 1}.")).to_be_visible()
    page.keyboard.press("h")  # keys of a concept's page do nothing
    page.keyboard.press("j")
    page.get_by_role("main").get_by_role("link", name="All concepts").click()
    expect(page.locator("#rows")).to_be_focused()
    expect(page.locator("#count")).to_have_text(f"{N} concepts")


def test_concepts_of_all_classes_say_so(tmp_path: Path, page: Page):
    opened(page, write_explorer(tmp_path / "all", n_concepts=9, has_classes=False).as_uri(), "#concept/1")
    expect(page.get_by_role("heading", level=2)).to_have_text("Concept 1")
    expect(page.get_by_text("It was fitted on the images of all classes together.")).to_be_visible()
    expect(page.locator(".cards small").filter(has_text="class")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_label("Filter", exact=True)).to_have_attribute("placeholder", "super-class, concept number")
    expect(page.locator("#searched")).to_be_hidden()


def test_names_are_text_and_never_markup(page: Page, address: str):
    opened(page, address, "#concept/0")
    expect(page.get_by_role("heading", level=2)).to_have_text("Concept 0 · class <b>cat</b> (animal)")
    opened(page, address, "#concept/60")
    expect(page.get_by_role("heading", level=2)).to_have_text('Concept 60 · class the "dog"')
    assert page.locator("main b").count() == 0


def test_a_point_of_the_scatter_opens_its_concept(page: Page, address: str):
    opened(page, address)
    expect(page.locator("#scatter .bk-Figure")).to_be_visible()
    page.wait_for_function("document.querySelector('#scatter canvas, #scatter *') !== null")
    box = page.locator("#scatter").bounding_box()
    assert box is not None
    page.get_by_label("Filter", exact=True).fill("17")  # one point: it stands in the middle
    expect(page.locator("#count")).to_have_text(f"1 of {N} concepts")
    page.wait_for_timeout(300)
    places = page.evaluate(
        """() => { const view = [...Bokeh.index.roots][0]; const frame = view.frame ?? view.plot_view?.frame;
        const {left, top} = view.el.getBoundingClientRect(); const source = view.model.renderers[0].data_source;
        return [left + frame.x_scale.compute(source.data.x[0]) + frame.bbox.left * 0,
                top + frame.y_scale.compute(source.data.y[0])]; }"""
    )
    page.mouse.click(*places)
    expect(page).to_have_url(address + "#concept/17")
    expect(page.get_by_role("heading", level=2)).to_contain_text("Concept 17")


def test_axes_and_colours_can_be_chosen(page: Page, address: str):
    opened(page, address)
    expect(page.locator("#scatter .bk-Figure")).to_be_visible()
    page.locator("#colour").select_option("class_name")
    expect(page.locator("#key")).to_contain_text("<b>cat</b>")
    page.locator("#up").select_option("signed_importance")
    expect(page.locator("#unplotted")).to_contain_text("without a value above zero")
    page.get_by_label("logarithmic").uncheck()
    expect(page.locator("#unplotted")).to_have_text("4 without a value: not in the chart.")  # the dead ones have no K


def test_a_concepts_page_shows_it_and_leads_on(page: Page, address: str):
    opened(page, address, "#concept/3")
    expect(page.locator("#concept .pictures .picture img").first).to_be_visible()
    assert page.locator("#concept .pictures").first.locator("canvas").count() == 8
    expect(page.get_by_text("It was fitted on the images of class <b>cat</b>")).to_be_visible()
    expect(page.get_by_text("Bright: where in the image")).to_be_visible()
    page.get_by_label("heat maps").uncheck()
    expect(page.locator("#concept .pictures canvas").first).to_be_hidden()
    expect(page.get_by_text("Bright: where in the image")).to_be_hidden()
    expect(page.get_by_text("Made by optimisation")).to_be_visible()
    expect(page.get_by_text("activation 12.3; best probe image 7")).to_be_visible()
    expect(page.locator("#concept .charts .bk-Figure")).to_have_count(5)
    chart = page.locator("#concept .charts > div").filter(has_text="Was it there?")
    expect(chart.locator(".key span")).to_have_text(["matched", "chance"])
    plot, key = (chart.locator(part).bounding_box() for part in (".chart", ".key"))
    assert plot is not None
    assert key is not None
    assert key["y"] >= plot["y"] + plot["height"]  # it covers no line
    page.get_by_role("link", name="Concept 4").first.click()
    expect(page).to_have_url(address + "#concept/4")
    page.go_back()
    expect(page.get_by_role("heading", level=2)).to_contain_text("Concept 3")
    page.get_by_text("All 17 concepts of cluster 3 in the table").click()
    expect(page.locator("#count")).to_have_text(f"17 of {N} concepts")
    opened(page, address, "#concept/24")
    expect(page.get_by_text("It is active on no probe image.")).to_be_visible()


def test_keys_lead_through_table_and_concepts(page: Page, address: str):
    opened(page, address)
    first, second, third = concepts(page)[:3]
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    expect(page.locator('#rows tr[aria-selected="true"]')).to_have_attribute("data-concept", str(second))
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{address}#concept/{second}")
    expect(page.locator("#concept .keys")).to_contain_text("h heat maps on, off")
    page.keyboard.press("h")
    expect(page.get_by_label("heat maps")).not_to_be_checked()
    page.keyboard.press("j")
    expect(page).to_have_url(f"{address}#concept/{third}")
    page.keyboard.press("Escape")
    expect(page.locator("#rows")).to_be_focused()
    expect(page.locator('#rows tr[aria-selected="true"]')).to_have_attribute("data-concept", str(third))
    page.keyboard.press("/")
    expect(page.get_by_label("Filter", exact=True)).to_be_focused()
    page.keyboard.type(str(first))
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{address}#concept/{first}")
    page.go_back()
    expect(page.locator("#count")).to_have_text(f"1 of {N} concepts")  # as it was left


def test_every_control_is_reached_by_tab_and_has_a_name(page: Page, address: str):
    opened(page, address)
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"text", "across", "up", "colour", "log", "rows", "Clear", "K ↑"} <= reached
    for control in page.locator("input, select, button").all():
        assert control.evaluate("e => e.labels?.length || e.ariaLabel || e.textContent.trim()")


@pytest.mark.parametrize("page", [360, 768, 1280], indirect=True)
def test_no_page_is_wider_than_the_screen(page: Page, address: str):
    for place in ("", "#concept/3"):
        opened(page, address, place)
        if place:
            expect(page.locator("#concept .charts .bk-Figure")).to_have_count(5)
        page.get_by_text("Ranges").click() if not place else None
        wide, there = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= there


def test_without_positions_the_page_says_that_there_are_no_heat_maps(tmp_path: Path, page: Page):
    opened(page, write_explorer(tmp_path / "flat", n_concepts=9, has_maps=False).as_uri(), "#concept/1")
    expect(page.get_by_text("there are no heat maps")).to_be_visible()
    expect(page.get_by_label("heat maps")).to_be_hidden()


def test_ten_thousand_concepts_work(tmp_path: Path, page: Page):
    opened(page, write_explorer(tmp_path / "large", n_concepts=10_000).as_uri())
    expect(page.locator("#count")).to_have_text("10,000 concepts")
    assert len(concepts(page)) < 60
    page.get_by_label("Filter", exact=True).fill("plain")
    expect(page.locator("#count")).to_have_text("2,000 of 10,000 concepts")
    expect(page.locator("#scatter .bk-Figure")).to_be_visible()
    page.evaluate("location.hash = '#concept/9999'")
    expect(page.locator("#concept .pictures .picture img")).to_have_count(0)  # 9999 % 25 == 24: dead
    page.evaluate("location.hash = '#concept/9990'")
    expect(page.locator("#concept .pictures .picture img")).to_have_count(8)
