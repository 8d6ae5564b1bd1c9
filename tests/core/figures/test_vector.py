import re

import numpy as np
import pytest

from featcx_core.figures.canvas import INK, canvas, dress, footnote, nothing_to_show
from featcx_core.figures.vector import MOST_MARKS, read_svg, svg


def scatter(n: int):
    """A figure with as many points."""
    figure = canvas("How <many>?", height=2.0)
    axes = dress(figure.add_subplot(), x="x & y", y="z")
    axes.scatter(np.arange(n), np.arange(n), color="#123456")
    footnote(figure, "A note.")
    return figure


def test_words_become_the_pages_and_colours_follow_its_scheme():
    text = svg(scatter(3), name="points")
    drawing = read_svg(text)
    assert (drawing.question, drawing.note) == ("How <many>?", "A note.")
    assert "How" not in drawing.svg
    assert f"var(--ink, {INK})" in drawing.svg
    assert "fill: #ffffff" not in drawing.svg
    assert "#123456" in drawing.svg
    assert ">x &amp; y</text>" in drawing.svg
    assert "<style" not in drawing.svg
    assert not re.search(r"<svg[^>]* width=", drawing.svg)


def test_ids_begin_with_the_name_and_are_the_same_each_time():
    text = svg(scatter(3), name="points")
    assert all(name.startswith("points-") for name in re.findall(r' id="([^"]+)"', text))
    used = {*re.findall(r'href="#([^"]+)"', text), *re.findall(r"url\(#([^)]+)\)", text)}
    assert used == {*re.findall(r' id="([^"]+)"', text)}
    assert text == svg(scatter(3), name="points")


def test_many_marks_are_an_image():
    assert "<image" not in svg(scatter(MOST_MARKS), name="few")
    many = svg(scatter(MOST_MARKS + 1), name="many")
    assert "<image" in many
    assert len(many) < 60_000


def test_what_is_no_drawing_is_refused():
    assert read_svg(svg(nothing_to_show("Why?", "no rows"), name="x")).question == "Why?"
    with pytest.raises(ValueError, match="wanted an SVG with title and desc, got none; draw the figures again"):
        read_svg("<svg></svg>")
