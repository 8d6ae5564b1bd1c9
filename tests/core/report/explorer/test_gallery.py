"""The explorer's gallery, and a walk through all its pages."""

import pytest
from playwright.sync_api import Page, expect

from tests.core.report.explorer.browsing import IN_BROWSER, N_CONCEPTS, cards, is_whole, opened

pytestmark = IN_BROWSER
SCREENS = [(width, scheme) for width in (390, 1280) for scheme in ("light", "dark")]


@pytest.mark.parametrize("page", SCREENS, indirect=True, ids=str)
def test_a_walk_through_all_pages_is_whole_on_every_screen(page: Page, address: str):
    opened(page, address)
    first = page.locator("#cards li").first
    expect(first.locator("canvas")).to_have_count(4)
    assert is_whole(page)
    page.get_by_role("link", name="Table and plot").click()
    expect(page.locator("#scatter .bk-Figure")).to_be_visible()
    assert is_whole(page)
    page.get_by_role("link", name="Memorised images").click()
    expect(page.get_by_text("given label <b>cat</b>")).to_be_visible()
    expect(page.get_by_text('given label a & b, was the "dog"')).to_be_visible()
    assert is_whole(page)
    page.get_by_role("link", name="Gallery").click()
    first.get_by_role("link").click()
    expect(page.locator("#concept .charts .bk-Figure")).to_have_count(5)
    page.get_by_role("button", name="Ablate here").click()
    expect(page.locator("#gone")).to_be_visible()
    page.get_by_label("Checkpoint").fill("1")
    expect(page.get_by_text("Epoch 1: concept")).to_be_visible()
    assert is_whole(page)
    page.locator("#concept .framed").first.click()
    expect(page.locator("#image .of-concepts li")).to_have_count(12)
    assert is_whole(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", level=2)).to_contain_text("Concept ")
    page.keyboard.press("Escape")
    expect(page.locator("#cards li").first).to_be_visible()


def test_cards_go_from_simple_to_complex_and_in_other_orders(page: Page, address: str):
    opened(page, address)
    values = page.evaluate("featcx.list.concepts().map(c => featcx.value('complexity', c))")
    assert values[:-4] == sorted(values[:-4])
    assert values[-4:] == [None] * 4
    assert cards(page) == page.evaluate("featcx.list.concepts()")[: len(cards(page))]
    assert 10 < len(cards(page)) < 60  # those near the screen
    expect(page.locator("#axis .ends")).to_contain_text("simple")
    slider = page.locator("#axis input")
    slider.fill("700")
    expect(page.locator("#cards li").first).not_to_have_attribute("aria-posinset", "1")
    page.locator("#order").select_option("importance")
    expect(page.locator("#turn")).to_have_text("highest first")
    expect(page.locator("#axis .ends span").first).to_contain_text("importance 2.")
    page.locator("#turn").click()
    expect(page.locator("#turn")).to_have_text("lowest first")
    page.locator("#order").select_option("class_name")
    expect(page.locator("#axis")).to_be_hidden()


def test_keys_go_through_the_cards(page: Page, address: str):
    opened(page, address)
    order = page.evaluate("featcx.list.concepts()")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    across = page.evaluate("featcx.gallery.columns()")
    expect(page.locator("#cards li.current")).to_have_attribute("data-concept", str(order[across]))
    page.keyboard.press("End")
    expect(page.locator("#cards li.current")).to_have_attribute("data-concept", str(order[-1]))
    expect(page.locator("#cards li.current")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{address}#concept/{order[-1]}")
    page.keyboard.press("/")
    expect(page.get_by_label("Search", exact=True)).to_be_focused()
    page.keyboard.type("nothing at all")
    expect(page.get_by_text("No concept fits these filters.").first).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(page).to_have_url(f"{address}#table")
    expect(page.locator("#count")).to_have_text(f"0 of {N_CONCEPTS} concepts")


def test_it_opens_over_http_too(page: Page, served: str):
    opened(page, served, "#concept/3")
    expect(page.locator("#concept .charts .bk-Figure")).to_have_count(5)
    page.keyboard.press("a")
    expect(page.locator("#gone")).to_contain_text("Without concept 3")
