"""The explorer's table: order, rows in view, heads, many concepts."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.core.report.explorer.browsing import IN_BROWSER, N_CONCEPTS, cards, column, concepts, opened
from tests.explorers import CLASSES, write_explorer

pytestmark = IN_BROWSER


def test_the_table_sorts_and_what_has_no_value_comes_last(page: Page, address: str):
    opened(page, address, "#table")
    expect(page.locator("#count")).to_have_text(f"{N_CONCEPTS} concepts")
    k = [float(text) for text in column(page, 4)]
    assert k == sorted(k)  # from simple to complex, to begin with
    page.get_by_role("button", name="complexity ↑").click()
    expect(page.locator('th[aria-sort="descending"]')).to_have_text("complexity ↓")
    k = [float(text) for text in column(page, 4)]
    assert k == sorted(k, reverse=True)
    page.locator("#rows").focus()
    page.keyboard.press("End")
    assert column(page, 4)[-4:] == ["–"] * 4
    page.get_by_role("button", name="shows", exact=True).click()
    page.keyboard.press("Home")
    assert column(page, 2)[0] == f"mostly {min(CLASSES, key=str.lower)}"


def test_only_rows_in_view_are_in_the_page(page: Page, address: str):
    opened(page, address, "#table")
    assert 10 < len(concepts(page)) < 60
    page.locator("#rows").evaluate("box => box.scrollTop = box.scrollHeight")
    expect(page.locator("#rows tr[data-concept]").last).to_have_attribute("aria-rowindex", str(N_CONCEPTS + 1))


def test_columns_are_explained_by_heads_and_below_the_table(page: Page, address: str):
    opened(page, address, "#table")
    head = page.get_by_role("button", name="complexity ↑")
    meaning = "K: 0 = simple (decodable everywhere), 1 = complex."
    expect(head).to_have_attribute("title", meaning)
    expect(head).to_have_accessible_description(meaning)
    assert all(page.eval_on_selector_all("#rows th button", "heads => heads.map(head => head.title)"))
    expect(page.get_by_text(meaning, exact=True)).to_be_hidden()
    page.get_by_text("What the columns mean").click()
    expect(page.get_by_text(meaning, exact=True)).to_be_visible()
    expect(page.get_by_text("Name of the class whose images it was fitted on.")).to_be_visible()
    assert "null" not in page.locator("#meanings").inner_text()


def test_ten_thousand_concepts_work(tmp_path: Path, page: Page):
    opened(page, write_explorer(tmp_path / "large", n_concepts=10_000).as_uri())
    expect(page.locator("#cards li").first.locator("canvas")).to_have_count(4)
    assert len(cards(page)) < 60
    page.keyboard.press("t")
    expect(page.locator("#count")).to_have_text("10,000 concepts")
    assert len(concepts(page)) < 60
    page.get_by_label("Search", exact=True).fill("plain")
    expect(page.locator("#count")).to_have_text("2,000 of 10,000 concepts")
    expect(page.locator("#scatter .bk-Figure")).to_be_visible()
    page.evaluate("location.hash = '#concept/9999'")
    strongest = page.locator("#concept .pictures").first.locator(".picture img")
    expect(page.get_by_text("It is active on no probe image.")).to_be_visible()  # 9999 % 25 == 24: dead
    expect(strongest).to_have_count(0)
    page.evaluate("location.hash = '#concept/9990'")
    expect(strongest).to_have_count(8)
