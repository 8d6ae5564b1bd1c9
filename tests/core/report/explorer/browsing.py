"""The explorer's page in a browser, opened from disk."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

CHROMIUM = Path("/usr/bin/chromium")
N_CONCEPTS = 120
IN_BROWSER = [
    pytest.mark.chromium,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium (Debian: chromium)"),
]
"""Marks of a module whose tests need a browser."""


def opened(page: Page, address: str, place: str = "") -> Page:
    """Open the explorer at a place, ready to be used."""
    page.goto("about:blank")  # an address that differs in its hash alone would not be loaded anew
    page.goto(address + place)
    page.wait_for_selector("html[data-ready]")
    return page


def concepts(page: Page) -> list[int]:
    """Return the concepts whose rows are in the page."""
    return page.eval_on_selector_all("#rows tr[data-concept]", "rows => rows.map(row => Number(row.dataset.concept))")


def column(page: Page, number: int) -> list[str]:
    """Return the texts of a column of the table."""
    return page.locator(f"#rows tr[data-concept] td:nth-child({number})").all_inner_texts()
