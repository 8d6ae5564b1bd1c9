"""A concept's page in the explorer."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.core.report.explorer.browsing import IN_BROWSER, N_CONCEPTS, opened
from tests.explorers import write_explorer

pytestmark = IN_BROWSER


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
    expect(page.locator("#count")).to_have_text(f"17 of {N_CONCEPTS} concepts")
    opened(page, address, "#concept/24")
    expect(page.get_by_text("It is active on no probe image.")).to_be_visible()


@pytest.mark.parametrize("place", ["999", "-1", "x"])
def test_an_address_of_no_concept_says_which_there_are(page: Page, address: str, place: str):
    opened(page, address, f"#concept/{place}")
    expect(page.get_by_role("heading", level=2)).to_have_text(f"There is no concept {place}")
    expect(page.get_by_text(f"made_up has the concepts 0 to {N_CONCEPTS - 1}.")).to_be_visible()
    page.keyboard.press("h")  # keys of a concept's page do nothing
    page.keyboard.press("j")
    page.get_by_role("main").get_by_role("link", name="All concepts").click()
    expect(page.locator("#rows")).to_be_focused()
    expect(page.locator("#count")).to_have_text(f"{N_CONCEPTS} concepts")


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


def test_without_positions_the_page_says_that_there_are_no_heat_maps(tmp_path: Path, page: Page):
    opened(page, write_explorer(tmp_path / "flat", n_concepts=9, has_maps=False).as_uri(), "#concept/1")
    expect(page.get_by_text("there are no heat maps")).to_be_visible()
    expect(page.get_by_label("heat maps")).to_be_hidden()
