"""Data that the explorer's scripts read when it is asked for, in files of some concepts or images each."""

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from featcx_core.report.explorer.charts import Chart
from featcx_core.report.explorer.columns import short
from featcx_core.report.explorer.looks import Ablated, ImageLook, Looks, Memorised

FILE_SIZE = 100
"""Concepts, or images, whose details are in one file."""
GALLERY_SIZE = 48
"""Concepts of the gallery in one file, in the order of their complexity."""
GALLERY_IMAGES = 4
"""Images of a concept in the gallery."""


def details_scripts(looks: Sequence[Looks], charts: Sequence[Chart]) -> Iterator[tuple[str, str]]:
    """Yield name and content of the files of the concepts' own pages."""
    for number, start in enumerate(range(0, len(looks), FILE_SIZE)):
        rows = [_details(look, charts, start + place) for place, look in enumerate(looks[start : start + FILE_SIZE])]
        yield _script(f"details_{number:04d}", rows)


def gallery_scripts(looks: Sequence[Looks], order: Sequence[int], *, places: int) -> Iterator[tuple[str, str]]:
    """Yield name and content of the gallery's files, concepts in `order`; a heat map has so many places."""
    for number, start in enumerate(range(0, len(order), GALLERY_SIZE)):
        rows = [_card(looks[concept], places) for concept in order[start : start + GALLERY_SIZE]]
        yield _script(f"gallery_{number:04d}", rows)


def image_scripts(images: Sequence[ImageLook]) -> Iterator[tuple[str, str]]:
    """Yield name and content of the files of the images' pages."""
    for number, start in enumerate(range(0, len(images), FILE_SIZE)):
        yield _script(f"images_{number:04d}", [_image(look) for look in images[start : start + FILE_SIZE]])


def ablation_script(ablated: Ablated) -> tuple[str, str]:
    """Return name and content of the file from which predictions without concepts are computed."""
    values = ablated._asdict() | {"logits": _packed(ablated.logits, "<f4")}
    return _script("ablation", values)


def memorised_script(rows: Sequence[Memorised]) -> tuple[str, str]:
    """Return name and content of the file of memorised images."""
    return _script("memorised", _shortened(rows))


def _details(look: Looks, charts: Sequence[Chart], concept: int) -> dict[str, Any]:
    """Return the data of a concept's page."""
    return {
        "images": _shortened(look.images),
        "middle": _shortened(look.middle),
        "least": _shortened(look.least),
        "heat": look.heat_maps,
        "bins": _shortened(look.bins),
        "logits": _shortened(look.logits),
        "effect": None if look.effect is None else _shortened([look.effect])[0],
        "flips": [list(flip) for flip in look.flips],
        "path": [[*_shortened([step[:-1]])[0], [list(pair) for pair in step.images]] for step in look.path],
        "weights": _packed(look.weights, "<f4"),
        "places": _packed(look.places, "<u4"),
        "codes": _packed(look.codes, "<f4"),
        "near": _shortened(look.neighbours),
        "made": _shortened(look.made),
        "charts": [
            [_numbers(line[concept]) for line in [*c.series.values(), *([] if c.errors is None else [c.errors])]]
            for c in charts
        ],
    }


def _card(look: Looks, places: int) -> list[Any]:
    """Return a concept's images in the gallery and their heat maps."""
    shown = look.images[:GALLERY_IMAGES]
    maps = base64.b64decode(look.heat_maps)[: len(shown) * places]
    return [[each.image for each in shown], base64.b64encode(maps).decode("ascii")]


def _image(look: ImageLook) -> list[Any]:
    return [*_shortened([look[:-1]])[0], _shortened(look.concepts)]


def _shortened(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Return rows with short numbers, without empty names at their end."""
    lists = [[short(value) if isinstance(value, float) else value for value in row] for row in rows]
    return [row[:-1] if row[-1] == "" else row for row in lists]


def _packed(values: np.ndarray, dtype: str) -> str:
    """Return numbers as bytes in base64: exactly those that the tables were made from."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode("ascii")


def _numbers(values: Float[np.ndarray, " place"]) -> list[float | int | None]:
    return [short(value) if np.isfinite(value) else None for value in values.tolist()]


def _script(name: str, value: object) -> tuple[str, str]:
    return f"{name}.js", f'featcx.take("{name}",{as_json(value)});\n'


def as_json(value: object) -> str:
    """Return a value as JSON without spaces. Raises ValueError for NaN."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
