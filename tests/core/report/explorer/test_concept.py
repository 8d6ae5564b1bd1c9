"""A concept's page in the explorer."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.core.report.explorer.browsing import IN_BROWSER, N_CONCEPTS, opened
from tests.explorers import concept_effects, made_up_world, write_explorer

pytestmark = IN_BROWSER


def test_a_concepts_page_begins_with_its_images_and_leads_on(page: Page, address: str):
    opened(page, address, "#concept/3")
    expect(page.locator("#concept h3").first).to_have_text("Where it is strongest")
    strongest = page.locator("#concept .pictures").first
    expect(strongest.locator(".picture img").first).to_be_visible()
    assert strongest.locator("canvas").count() == 8
    expect(strongest.get_by_text("some/long/folder/")).to_have_count(8)
    expect(page.get_by_text("Bright: where in the image")).to_be_visible()
    page.locator("#concept").get_by_label("heat maps").uncheck()
    expect(strongest.locator("canvas").first).to_be_hidden()
    expect(page.get_by_text("Bright: where in the image")).to_be_hidden()
    expect(page.get_by_text("It was fitted on the images of class <b>cat</b>")).to_be_visible()
    expect(page.get_by_text("Made by optimisation")).to_be_visible()
    expect(page.get_by_text("activation 12.3; best probe image 7")).to_be_visible()
    score = page.locator("#concept .numbers > div").filter(has=page.get_by_text("importance", exact=True))
    expect(score.locator(".ends-of")).to_contain_text("95 %: ")
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
    page.get_by_text("All 17 concepts of cluster 3 in the gallery").click()
    expect(page.locator("#count")).to_have_text(f"17 of {N_CONCEPTS} concepts")
    opened(page, address, "#concept=24")  # both ways to write an address
    expect(page.get_by_text("It is active on no probe image.")).to_be_visible()
    expect(page.locator("#concept .histogram")).to_be_hidden()


def test_its_range_has_every_image_and_one_of_each_part(page: Page, address: str):
    opened(page, address, "#concept/5")
    bins = page.locator("#concept .histogram li")
    expect(bins).to_have_count(11)
    codes = made_up_world(N_CONCEPTS).codes[:, 5]
    counts = [int(text) for text in bins.locator("b").all_inner_texts()]
    assert counts[0] == (codes == 0).sum()
    assert sum(counts) == len(codes)
    assert bins.locator("img").count() == sum(count > 0 for count in counts)


def test_predictions_without_concepts_are_computed_here(page: Page, address: str):
    world = made_up_world(N_CONCEPTS)
    row = concept_effects(world, ("a", "b", "c", "d", "e")).iloc[3]
    opened(page, address, "#concept/3")
    said = f"accuracy {100 * row['accuracy_without']:.3g} % instead of {100 * row['accuracy']:.3g} %"
    expect(page.get_by_text("Without this concept alone")).to_contain_text(f"{row['n_flipped']} predictions change")
    page.get_by_role("button", name="Ablate here").click()
    bar = page.locator("#gone")
    expect(bar).to_contain_text(f"Without concept 3: {said}; {row['n_flipped']} of 40 predictions change.")
    expect(page.get_by_text("Exact at the layer before the head")).to_be_visible()
    page.keyboard.press("j")
    other = int(page.url.rpartition("/")[2])
    expect(page.get_by_role("heading", level=2)).to_contain_text(f"Concept {other}")  # the address changes first
    page.keyboard.press("a")
    left = world.logits - sum(world.codes[:, [c]] * world.effects[c] for c in (3, other))
    changed = int((left.argmax(axis=1) != world.logits.argmax(axis=1)).sum())
    expect(bar).to_contain_text(f"Without concepts 3, {other}: ")
    expect(bar).to_contain_text(f"{changed} of 40 predictions change.")
    page.get_by_role("button", name="Put all back").click()
    expect(bar).to_be_hidden()
    expect(page.get_by_role("button", name="Ablate here")).to_be_visible()


def test_the_slider_shows_its_match_at_each_epoch(page: Page, address: str):
    opened(page, address, "#concept/3")
    slider = page.get_by_label("Checkpoint")
    shown = page.locator("#concept section").filter(has=slider)
    expect(shown.get_by_text("Epoch 3: concept 6 of that epoch, cosine 0.90 (random atoms reach 0.40)")).to_be_visible()
    expect(shown.locator("img")).to_have_count(4)
    slider.focus()
    page.keyboard.press("Home")
    expect(shown.get_by_text("Epoch 0: no match: cosine 0.30, random atoms reach 0.40.")).to_be_visible()
    expect(shown.locator("img")).to_have_count(0)
    expect(page).to_have_url(address + "#concept/3")  # keys of the slider do not leaf


def test_an_image_leads_to_its_concepts_and_they_to_it(page: Page, address: str):
    opened(page, address, "#concept/3")
    page.locator("#concept .framed").first.click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("Image ")
    number = int(page.url.rpartition("/")[2])
    world = made_up_world(N_CONCEPTS)
    predicted = int(world.logits[number].argmax())
    parts = world.codes[number] * world.effects[:, predicted]
    first = int(abs(parts).argmax())
    rows = page.locator("#image .of-concepts li")
    expect(rows).to_have_count(12)
    expect(rows.first.locator("b")).to_have_text(f"{parts[first]:+.3g}".replace("-", "−"))
    expect(page.locator("#image .facts")).to_contain_text(f"some/long/folder/{number:03d}.png")
    page.keyboard.press("j")
    expect(page).to_have_url(f"{address}#image/{number + 1}")
    page.keyboard.press("k")
    rows.first.get_by_role("link").click()
    expect(page).to_have_url(f"{address}#concept/{first}")


def test_names_and_notes_are_kept_found_and_exported(page: Page, address: str, tmp_path: Path):
    opened(page, address, "#concept/7")
    page.get_by_label("Your name for it").fill('<i>a "round" thing</i>, really')
    page.get_by_label("Your note").fill("two\nlines")
    page.get_by_label("Your note").blur()
    expect(page.get_by_role("heading", level=2)).to_contain_text('Concept 7 · <i>a "round" thing</i>, really')
    opened(page, address)  # anew
    page.get_by_label("Search", exact=True).fill("thing really")
    expect(page.locator("#count")).to_have_text(f"1 of {N_CONCEPTS} concepts")
    expect(page.locator("#cards li strong")).to_have_text('7 · <i>a "round" thing</i>, really')
    page.get_by_text("Your names and notes").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as CSV").click()
    file = Path(download.value.path()).read_bytes().decode()
    assert file == (
        'study,epoch,dictionary,concept,name,note\r\nmade_up,3,d1,7,"<i>a ""round"" thing</i>, really","two\nlines"\r\n'
    )
    other = tmp_path / "other.csv"
    other.write_text(file + "made_up,3,d1,8,eight,\r\nmade_up,3,d0,9,nine,\r\n")
    page.evaluate("localStorage.clear()")
    opened(page, address)
    page.get_by_text("Your names and notes").click()
    page.get_by_label("Import a CSV").set_input_files(other)
    expect(page.locator("#kept")).to_have_text("2 taken over; 1 left out: they are of another dictionary.")
    page.get_by_label("Search", exact=True).fill("eight")
    expect(page.locator("#count")).to_have_text(f"1 of {N_CONCEPTS} concepts")
    other.write_text("a,b\r\n1,2\r\n")
    page.get_by_label("Import a CSV").set_input_files(other)
    expect(page.locator("#kept")).to_have_text("Wanted a file with the columns concept and name, got a, b.")


@pytest.mark.parametrize("place", ["999", "-1", "x"])
def test_an_address_of_no_concept_says_which_there_are(page: Page, address: str, place: str):
    opened(page, address, f"#concept/{place}")
    expect(page.get_by_role("heading", level=2)).to_have_text(f"There is no concept {place}")
    expect(page.get_by_text(f"made_up has the concepts 0 to {N_CONCEPTS - 1}.")).to_be_visible()
    page.keyboard.press("h")  # keys of a concept's page do nothing
    page.keyboard.press("j")
    page.get_by_role("main").get_by_role("link", name="All concepts").click()
    expect(page.locator("#overview")).to_be_focused()
    expect(page.locator("#count")).to_have_text(f"{N_CONCEPTS} concepts")


def test_concepts_of_all_classes_say_so(tmp_path: Path, page: Page):
    opened(page, write_explorer(tmp_path / "all", n_concepts=9, has_classes=False).as_uri(), "#concept/1")
    expect(page.get_by_role("heading", level=2)).to_contain_text("Concept 1 ·")
    expect(page.get_by_text("It was fitted on the images of all classes together.")).to_be_visible()


def test_names_are_text_and_never_markup(page: Page, address: str):
    opened(page, address, "#concept/0")
    expect(page.get_by_role("heading", level=2)).to_have_text("Concept 0 · mostly <b>cat</b>")
    opened(page, address, "#concept/60")
    expect(page.get_by_role("heading", level=2)).to_have_text('Concept 60 · mostly the "dog"')
    assert page.locator("main h2 b, main figcaption b, main .logits span b").count() == 0


def test_without_positions_the_page_says_that_there_are_no_heat_maps(tmp_path: Path, page: Page):
    opened(page, write_explorer(tmp_path / "flat", n_concepts=9, has_maps=False).as_uri(), "#concept/1")
    expect(page.get_by_text("there are no heat maps")).to_be_visible()
    expect(page.locator("#concept").get_by_label("heat maps")).to_be_hidden()
