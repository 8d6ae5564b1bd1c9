"""The explorer's files: its page, scripts, library of charts, and the overview of all concepts."""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib import colormaps
from matplotlib.colors import to_hex

from featcx_core.figures.canvas import BLUE, GREEN, ORANGE, PURPLE, SEQUENCE, SKY, VERMILION
from featcx_core.figures.concepts import DARKEST, GLOW, STRONGEST
from featcx_core.report.explorer.charts import Chart
from featcx_core.report.explorer.columns import BARELY, ConceptColumn
from featcx_core.report.explorer.scripts import FILE_SIZE, GALLERY_SIZE, as_json

SCRIPTS = (
    *("data.js", "format.js", "list.js", "notes.js", "filters.js", "pictures.js", "gallery.js", "table.js"),
    *("charts.js", "scatter.js", "ablate.js", "range.js", "training.js", "concept.js", "image.js", "memorised.js"),
    "main.js",
)
"""Scripts of the page, in the order in which they build on each other; the concepts come before the last."""
CHART_LIBRARY = ("bokeh.min.js", "bokeh-api.min.js")
"""Files of the package bokeh, which is not imported."""
_GROUPS = (
    BLUE,
    ORANGE,
    GREEN,
    VERMILION,
    SKY,
    PURPLE,
    "#7a5195",
    "#8c6d31",
    "#393b79",
    "#a05d56",
    "#17808a",
    "#6b6b6b",
)


class Setting(NamedTuple):
    """Facts that all concepts share."""

    study: str
    """Name of the study."""
    reference_epoch: int
    """The concepts' epoch."""
    class_names: tuple[str, ...]
    """Name of each class of the data."""
    image_shape: tuple[int, int]
    """Height and width of the images."""
    map_shape: tuple[int, int] | None
    """Height and width of a heat map; None where the dictionary has one vector an image."""
    n_images: int
    """Images on a concept's page, at most."""
    smallest_smooth: int
    """Longest side, in pixels, up to which images are enlarged with sharp edges."""
    in_colour: bool = False
    """Whether images have colours: a tint would change them, so heat maps darken the rest instead."""
    of_patches: bool = False
    """Whether heat maps are of patches that the head does not read, because it reads a class token."""
    output_names: tuple[str, ...] = ()
    """Name of each output of the network."""
    moment: str = "epoch"
    """Word for a stored state of the network: some lie within a pass over the data where it is `checkpoint`."""
    made_from: str = ""
    """Digest of the concepts: names and notes of one's own belong to it."""


class Listed(NamedTuple):
    """Facts about all concepts and images, for the overview."""

    strongest: Sequence[int | None]
    """Each concept's strongest image."""
    order: Sequence[int]
    """Concepts in the order of the gallery's files."""
    images: Sequence[int]
    """The images that have a page, by their index in the data, rising."""
    n_memorised: int = 0
    """Memorised images that are listed."""
    can_ablate: bool = False
    """Whether there is a file from which predictions without concepts are computed."""


def fixed_files(setting: Setting, *, n_concepts: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the page, the style, the scripts and the library."""
    folder = Path(__file__).parent
    templates = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    scripts = [*SCRIPTS[:-1], "concepts.js", SCRIPTS[-1]]
    page = templates.get_template("index.html.j2").render(
        study=setting.study,
        moment=f"{setting.moment} {setting.reference_epoch}",
        n_concepts=n_concepts,
        scripts=scripts,
    )
    yield "index.html", page.encode()
    for name in ("explorer.css", *SCRIPTS):
        yield name, (folder / name).read_bytes()
    for name in CHART_LIBRARY:
        yield name, (files("bokeh") / "server" / "static" / "js" / name).read_bytes()


def concepts_script(setting: Setting, columns: Sequence[ConceptColumn], charts: Sequence[Chart], listed: Listed) -> str:
    """Return the script of the overview: every column, the charts' axes, the gallery's order and the images' numbers.

    Names are numbered, so that each is written once.
    """
    height, width = setting.image_shape
    overview = {
        "name": setting.study,
        "epoch": setting.reference_epoch,
        "moment": setting.moment,
        "made_from": setting.made_from,
        "count": len(listed.strongest),
        "file_size": FILE_SIZE,
        "gallery_size": GALLERY_SIZE,
        "class_names": setting.class_names,
        "output_names": setting.output_names,
        "n_images": setting.n_images,
        "aspect": width / height,
        "is_small": max(height, width) <= setting.smallest_smooth,
        "heat": setting.map_shape,
        "of_patches": setting.of_patches,
        "barely": BARELY,
        **listed._asdict(),
        "columns": [_column(column) for column in columns],
        "chart_specs": [
            {"title": c.title, "across": c.across, "up": c.up, "places": c.places, "series": [*c.series],
             "is_share": c.is_share}
            for c in charts
        ],
        "palette": _palette(in_colour=setting.in_colour),
    }  # fmt: skip
    return f"featcx.study({as_json(overview)});\n"


def _palette(*, in_colour: bool) -> dict[str, Any]:
    """Return the colours: of complexity alone, of other numbers, of groups, and of heat maps."""
    places = np.linspace(0, 1, 64)
    heat = (colormaps["inferno"](np.linspace(0.35, 0.95, 64))[:, :3] * 255).round().astype(int).tolist()
    return {
        "complexity": [to_hex(SEQUENCE(share)) for share in places],
        "others": [to_hex(colormaps["Oranges"](0.25 + 0.7 * share)) for share in places],
        "groups": _GROUPS,
        "heat": heat,
        "opacity": STRONGEST,
        "lights": [DARKEST, GLOW] if in_colour else None,
    }


def _column(column: ConceptColumn) -> dict[str, Any]:
    """Return a column's data; names are numbered, and there are ends of intervals where they are known."""
    data = {name: value for name, value in column._asdict().items() if value is not None}
    if column.form != "text":
        return data
    names = sorted({str(value) for value in column.values if value is not None})
    place = {name: number for number, name in enumerate(names)}
    return data | {"names": names, "values": [place[str(v)] if v is not None else None for v in column.values]}
