"""Figures as SVG for a page: text stays text, colours of ink and ground follow the page's colour scheme."""

import re
from io import StringIO
from typing import NamedTuple
from xml.sax.saxutils import escape, unescape

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import Collection
from matplotlib.figure import Figure

from featcx_core.figures.canvas import GRID, INK, MUTED, NO_VALUE

MOST_MARKS = 3000
"""Marks of one collection above which it is drawn as an image: each mark is an element of the page."""
_THEMED = {INK: "--ink", MUTED: "--muted", GRID: "--line", NO_VALUE: "--faint"}
_GROUND = ("#ffffff",)


class Drawing(NamedTuple):
    """A figure for a page."""

    question: str
    """Its title, which the page writes as HTML."""
    note: str
    """How to read it, likewise."""
    svg: str
    """The picture without the two."""


def svg(figure: Figure, *, name: str, dots_per_inch: int = 110) -> str:
    """Return a figure as SVG without its title and footnote, which become the elements `title` and `desc`.

    Ink, grid and ground are the page's CSS variables, with the printed colours where there is no page; every id begins
    with the name, so that a page holds many. The figure is changed: its title and footnote are taken off.
    """
    question, note = (_taken(figure, part) for part in ("_suptitle", "_supxlabel"))
    for collection in figure.findobj(Collection):
        if np.shape(collection.get_offsets())[0] > MOST_MARKS:
            collection.set_rasterized(True)
    buffer = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.set_dpi(dots_per_inch)
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        canvas = FigureCanvasSVG(figure)
        canvas.print_svg(buffer, metadata=metadata)  # type: ignore[no-untyped-call]
    text = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    text = _scaled(_named(_themed(text.strip()), name))
    head, _, body = text.partition(">")
    words = f"<title>{escape(question)}</title>\n<desc>{escape(note)}</desc>"
    return f'{head} role="img">\n{words}\n{body.lstrip()}'


def read_svg(text: str) -> Drawing:
    """Return a drawing from the SVG that `svg` returned; the page writes its words.

    >>> read_svg("<svg>\\n<title>Why?</title>\\n<desc></desc>\\n<g/></svg>")
    Drawing(question='Why?', note='', svg='<svg>\\n<g/></svg>')
    """
    found = re.search(r"<title>(.*?)</title>\n<desc>(.*?)</desc>\n", text, flags=re.DOTALL)
    if found is None:
        raise ValueError("wanted an SVG with title and desc, got none; draw the figures again")
    return Drawing(unescape(found[1]), unescape(found[2]), text.replace(found[0], ""))


def _taken(figure: Figure, part: str) -> str:
    """Take a figure's title or footnote off; return its text in one line."""
    text = getattr(figure, part)
    if text is None:
        return ""
    words = " ".join(text.get_text().split())
    text.remove()
    setattr(figure, part, None)
    return words


def _themed(text: str) -> str:
    """Return SVG whose ink and ground are those of the page."""
    for colour, variable in _THEMED.items():
        text = text.replace(colour, f"var({variable}, {colour})")
    for colour in _GROUND:
        text = text.replace(f"fill: {colour}", "fill: var(--card, #ffffff)")
        text = text.replace(f"stroke: {colour}", "stroke: var(--card, #ffffff)")
    return re.sub(r"'DejaVu Sans'[^;\"]*", "'DejaVu Sans', Verdana, sans-serif", text)


def _named(text: str, name: str) -> str:
    """Return SVG whose ids begin with a name; those that nothing refers to are left out."""
    used = {*re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)}
    wanted = {first or second for first, second in used}
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in wanted else "", text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)


def _scaled(text: str) -> str:
    """Return SVG that is as wide as its place, up to its own width."""
    head, _, body = text.partition(">")
    head = re.sub(r' (?:width|height|version)="[^"]*"', "", head)
    return f"{head}>{re.sub('<style.*?</style>', '', body, flags=re.DOTALL)}"
