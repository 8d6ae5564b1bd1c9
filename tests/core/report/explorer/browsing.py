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
CLIPPED = """() => [...document.querySelectorAll('main:not([hidden]) *')]
    .filter(e => !e.children.length && e.textContent.trim() && e.offsetParent && !e.matches('.quiet, option'))
    .filter(e => getComputedStyle(e).overflow !== 'visible')
    .filter(e => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
    .map(e => `${e.tagName} ${e.textContent}`)"""
"""Script that returns the texts of which a part is hidden."""


def opened(page: Page, address: str, place: str = "") -> Page:
    """Open the explorer at a place, ready to be used."""
    page.goto("about:blank")  # an address that differs in its hash alone would not be loaded anew
    page.goto(address + place)
    page.wait_for_selector("html[data-ready]")
    return page


def is_whole(page: Page) -> bool:
    """Return whether nothing is wider than the screen, and no text is cut off."""
    page_width, screen_width = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert page_width <= screen_width
    assert page.evaluate(CLIPPED) == []
    return True


def concepts(page: Page) -> list[int]:
    """Return the concepts whose rows are in the page."""
    return page.eval_on_selector_all("#rows tr[data-concept]", "rows => rows.map(row => Number(row.dataset.concept))")


def cards(page: Page) -> list[int]:
    """Return the concepts whose cards are in the page, in their order."""
    return page.eval_on_selector_all("#cards li", "cards => cards.map(card => Number(card.dataset.concept))")


def column(page: Page, number: int) -> list[str]:
    """Return the texts of a column of the table."""
    return page.locator(f"#rows tr[data-concept] td:nth-child({number})").all_inner_texts()
