"""The explorer as a whole: keys, accessible names, narrow screens."""

import pytest
from playwright.sync_api import Page, expect

from tests.core.report.explorer.browsing import IN_BROWSER, N_CONCEPTS, concepts, is_whole, opened

pytestmark = IN_BROWSER


def test_keys_lead_through_table_and_concepts(page: Page, address: str):
    opened(page, address, "#table")
    first, second, third = concepts(page)[:3]
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    expect(page.locator('#rows tr[aria-selected="true"]')).to_have_attribute("data-concept", str(second))
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{address}#concept/{second}")
    expect(page.locator("#concept .keys")).to_contain_text("h heat maps on, off")
    page.keyboard.press("h")
    expect(page.locator("#concept").get_by_label("heat maps")).not_to_be_checked()
    page.keyboard.press("j")
    expect(page).to_have_url(f"{address}#concept/{third}")
    page.keyboard.press("Escape")
    expect(page.locator("#rows")).to_be_focused()
    expect(page.locator('#rows tr[aria-selected="true"]')).to_have_attribute("data-concept", str(third))
    page.keyboard.press("/")
    expect(page.get_by_label("Search", exact=True)).to_be_focused()
    page.keyboard.type(str(first))
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{address}#concept/{first}")
    page.go_back()
    expect(page.locator("#count")).to_have_text(f"1 of {N_CONCEPTS} concepts")  # as it was left


def test_every_control_is_reached_by_tab_and_has_a_name(page: Page, address: str):
    opened(page, address, "#table")
    reached = set()
    for _ in range(48):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"text", "order", "turn", "across", "up", "colour", "log", "rows", "Clear", "complexity ↑"} <= reached
    for control in page.locator("input, select, button").all():
        assert control.evaluate("e => e.labels?.length || e.ariaLabel || e.textContent.trim()")


@pytest.mark.parametrize("page", [360, 768], indirect=True)
def test_no_page_is_wider_than_the_screen(page: Page, address: str):
    for place in ("", "#table", "#concept/3", "#image/3"):
        opened(page, address, place)
        if not place:
            page.get_by_text("Ranges and search terms").click()
        assert is_whole(page)
