"""The explorer's scatter plot."""

from playwright.sync_api import Page, expect

from tests.core.report.explorer.browsing import IN_BROWSER, N_CONCEPTS, opened

pytestmark = IN_BROWSER


def test_a_point_of_the_scatter_opens_its_concept(page: Page, address: str):
    opened(page, address, "#table")
    expect(page.locator("#scatter .bk-Figure")).to_be_visible()
    page.wait_for_function("document.querySelector('#scatter canvas, #scatter *') !== null")
    box = page.locator("#scatter").bounding_box()
    assert box is not None
    page.get_by_label("Search", exact=True).fill("17")  # one point: it stands in the middle
    expect(page.locator("#count")).to_have_text(f"1 of {N_CONCEPTS} concepts")
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
    opened(page, address, "#table")
    expect(page.locator("#scatter .bk-Figure")).to_be_visible()
    page.locator("#colour").select_option("class_name")
    expect(page.locator("#key")).to_contain_text("<b>cat</b>")
    page.locator("#up").select_option("signed_importance")
    expect(page.locator("#unplotted")).to_contain_text("without a value above zero")
    page.get_by_label("logarithmic").uncheck()
    expect(page.locator("#unplotted")).to_have_text("4 without a value: not in the chart.")  # the dead ones have no K
