"""The explorer's filters."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.core.report.explorer.browsing import IN_BROWSER, N_CONCEPTS, column, concepts, opened
from tests.explorers import write_explorer

pytestmark = IN_BROWSER


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write an explorer whose classes are named by numbers."""
    classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "10")
    return write_explorer(
        tmp_path_factory.mktemp("explorer") / "numbered", n_concepts=N_CONCEPTS, classes=classes
    ).as_uri()


def test_filters_by_name_number_and_range(page: Page, address: str):
    opened(page, address, "#table")
    page.get_by_label("Search", exact=True).fill("A & b")
    expect(page.locator("#count")).to_have_text(f"24 of {N_CONCEPTS} concepts")
    assert set(column(page, 2)) == {"mostly a & b"}
    page.get_by_label("Search", exact=True).fill("animal <B>")
    expect(page.locator("#count")).to_have_text(f"24 of {N_CONCEPTS} concepts")
    page.get_by_label("Search", exact=True).fill("17")
    expect(page.locator("#count")).to_have_text(f"1 of {N_CONCEPTS} concepts")
    assert concepts(page) == [17]
    page.locator("#colour").select_option("importance")
    expect(page.locator("#key")).to_contain_text("all 0.")  # one value, one colour
    expect(page.locator("#key .ramp")).to_have_count(0)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#count")).to_have_text(f"{N_CONCEPTS} concepts")
    page.get_by_text("Ranges and search terms").click()
    page.get_by_label("on images, lowest").fill("50")
    page.get_by_label("on images, highest").fill("80")
    shares = [float(text.removesuffix(" %")) for text in column(page, 9)]
    assert shares
    assert min(shares) >= 50
    assert max(shares) <= 80
    page.get_by_label("on images, lowest").fill("99.9999")
    expect(page.locator("#rows").get_by_text("No concept fits these filters.")).to_be_visible()


def test_a_number_is_a_concept_or_a_whole_name(page: Page, numbered: str):
    opened(page, numbered, "#table")
    expect(page.get_by_label("Search", exact=True)).to_have_accessible_description(re.compile("#3: the concept alone"))
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
        page.get_by_label("Search", exact=True).fill(asked)
        expect(page.locator("#count")).to_have_text(f"{len(wanted)} of {N_CONCEPTS} concepts")
        assert set(concepts(page)) == wanted
