"""What is written on a figure, and whether it can be drawn."""

from matplotlib.figure import Figure

from featcx_core.figures.canvas import png


def texts(figure: Figure) -> str:
    """Return everything that is written on a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text")))


def is_png(data: bytes) -> bool:
    """Return whether bytes are a picture of some size."""
    return data.startswith(b"\x89PNG\r\n") and len(data) > 2000


def is_drawn(figure: Figure) -> bool:
    """Return whether a figure can be drawn; the layout, half of the work, is left out."""
    figure.set_layout_engine("none")
    return is_png(png(figure, dots_per_inch=50))
