"""The explorer's files: its page, scripts, library of charts, and the data that the scripts read."""

import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib import colormaps
from matplotlib.colors import to_hex

from featcx_core.figures.canvas import BLUE, GREEN, ORANGE, PURPLE, SEQUENCE, SKY, VERMILION
from featcx_core.figures.concepts import DARKEST, GLOW, STRONGEST
from featcx_core.report.explorer.charts import Chart
from featcx_core.report.explorer.columns import ConceptColumn, short

SCRIPTS = ("data.js", "format.js", "filters.js", "table.js", "charts.js", "scatter.js", "concept.js", "main.js")
"""Scripts of the page, in the order in which they build on each other; the concepts come before the last."""
CHART_LIBRARY = ("bokeh.min.js", "bokeh-api.min.js")
"""Files of the package bokeh, which is not imported."""
FILE_SIZE = 100
"""Concepts whose details are in one file."""
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


class Made(NamedTuple):
    """A picture that was made to excite a concept."""

    file: str
    """Beside the page."""
    activation: float
    """Its activation along the concept's atom."""
    best_image: float
    """The highest activation of any probe image."""


class Looks(NamedTuple):
    """The pictures and neighbours on a concept's page."""

    images: list[int]
    """The probe images on which it is strongest, strongest first."""
    labels: list[int]
    """Their classes."""
    strengths: list[float]
    """Its code on them, as a share of the highest."""
    heat_maps: str
    """Heat maps of where it is active in them, as `pictures.as_text` writes them; empty where there are none."""
    neighbours: list[tuple[int, float]]
    """The nearest concepts and the cosine of their atoms."""
    made: list[Made]
    """The pictures that were made to excite it."""


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


def fixed_files(setting: Setting, *, n_concepts: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the page, the style, the scripts and the library."""
    folder = Path(__file__).parent
    templates = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    scripts = [*SCRIPTS[:-1], "concepts.js", SCRIPTS[-1]]
    page = templates.get_template("index.html.j2").render(
        study=setting.study, reference_epoch=setting.reference_epoch, n_concepts=n_concepts, scripts=scripts
    )
    yield "index.html", page.encode()
    for name in ("explorer.css", *SCRIPTS):
        yield name, (folder / name).read_bytes()
    for name in CHART_LIBRARY:
        yield name, (files("bokeh") / "server" / "static" / "js" / name).read_bytes()


def concepts_script(
    setting: Setting, columns: Sequence[ConceptColumn], charts: Sequence[Chart], strongest: Sequence[int | None]
) -> str:
    """Return the script of the overview: every column, the charts' axes, and each concept's strongest image.

    Names are numbered, so that each is written once.
    """
    height, width = setting.image_shape
    heat = (colormaps["inferno"](np.linspace(0.35, 0.95, 64))[:, :3] * 255).round().astype(int).tolist()
    overview = {
        "name": setting.study,
        "epoch": setting.reference_epoch,
        "count": len(strongest),
        "file_size": FILE_SIZE,
        "class_names": setting.class_names,
        "n_images": setting.n_images,
        "aspect": width / height,
        "is_small": max(height, width) <= setting.smallest_smooth,
        "heat": setting.map_shape,
        "strongest": strongest,
        "columns": [_column(column) for column in columns],
        "chart_specs": [
            {"title": c.title, "across": c.across, "up": c.up, "places": c.places, "series": [*c.series],
             "is_share": c.is_share}
            for c in charts
        ],
        "palette": {
            "scale": [to_hex(SEQUENCE(share)) for share in np.linspace(0, 1, 64)],
            "groups": _GROUPS,
            "heat": heat,
            "opacity": STRONGEST,
            "lights": [DARKEST, GLOW] if setting.in_colour else None,
        },
    }  # fmt: skip
    return f"featcx.study({_json(overview)});\n"


def details_scripts(looks: Sequence[Looks], charts: Sequence[Chart]) -> Iterator[tuple[str, str]]:
    """Yield name and content of the files of the concepts' own pages."""
    for start in range(0, len(looks), FILE_SIZE):
        rows = [_details(look, charts, start + place) for place, look in enumerate(looks[start : start + FILE_SIZE])]
        number = start // FILE_SIZE
        yield f"details_{number:04d}.js", f"featcx.take({number},{_json(rows)});\n"


def _details(look: Looks, charts: Sequence[Chart], concept: int) -> dict[str, Any]:
    """Return the data of a concept's page."""
    return {
        "images": [list(row) for row in zip(look.images, look.labels, map(short, look.strengths), strict=True)],
        "heat": look.heat_maps,
        "near": [[other, short(cosine)] for other, cosine in look.neighbours],
        "made": [[made.file, short(made.activation), short(made.best_image)] for made in look.made],
        "charts": [
            [_numbers(line[concept]) for line in [*c.series.values(), *([] if c.errors is None else [c.errors])]]
            for c in charts
        ],
    }


def _column(column: ConceptColumn) -> dict[str, Any]:
    """Return a column's data; names are numbered."""
    data = column._asdict()
    if column.form != "text":
        return data
    names = sorted({str(value) for value in column.values if value is not None})
    place = {name: number for number, name in enumerate(names)}
    return data | {"names": names, "values": [place[str(v)] if v is not None else None for v in column.values]}


def _numbers(values: Float[np.ndarray, " place"]) -> list[float | int | None]:
    return [short(value) if np.isfinite(value) else None for value in values.tolist()]


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
