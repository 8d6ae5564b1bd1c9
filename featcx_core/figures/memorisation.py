"""Memorised images: how training images were learned, and the ones that were learned worst."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featcx_core.figures.canvas import BLUE, INK, VERMILION, canvas, dress, footnote, nothing_to_show, point_area
from featcx_core.images.visible import visible

SHEET = "Which training images were memorised rather than learned?"
COLUMNS = 8


def memorisation_figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Draw when images were learned, and the cumulative loss against the margin at the end."""
    return {"learning_of_images": learning_of_images(tables["memorisation"])}


def learning_of_images(rows: pd.DataFrame) -> Figure:
    """Draw the share of images by the epoch at which they were learned, and cumulative loss against margin."""
    question = "When was each training image learned, and how surely?"
    is_wrong = rows["label"] != rows["label_before"]
    kinds = [("label as before" if is_wrong.any() else "", ~is_wrong, BLUE), ("wrong label", is_wrong, VERMILION)]
    kinds = [kind for kind in kinds if kind[1].any()]
    figure = canvas(question, height=4.2)
    when, how = figure.subplots(1, 2)
    for name, chosen, colour in kinds:
        _draw_learned(when, rows[chosen], name, colour)
        how.scatter(rows.loc[chosen, "cumulative_loss"] + 1e-9, rows.loc[chosen, "margin"], color=colour, label=name,
                    s=point_area(len(rows)), linewidths=0, alpha=0.7)  # fmt: skip
    how.axhline(0, color=INK, linewidth=1, linestyle=":")
    how.set_xscale("log")
    dress(when, x="checkpoint", y="share of images right from here on  (%)")
    dress(how, x="cumulative loss over training  (nats)", y="margin at the end  (logits; below 0 = wrong)")
    when.set_ylim(0, 102)
    if len(kinds) > 1:
        when.legend(frameon=False, fontsize=9)
    never = int(rows["epoch_learned"].isna().sum())
    footnote(figure, f"{len(rows)} training images, {int(rows['n_checkpoints'].iloc[0])} trained checkpoints; {never} "
                     f"images are wrong at the last. {int((rows['n_forgotten'] > 0).sum())} were forgotten at least "
                     "once.")  # fmt: skip
    return figure


def most_memorised(
    images: Float[np.ndarray, "image channel height width"], *, labels: Sequence[str], remark: str = ""
) -> Figure:
    """Draw training images, each with its label above, the most memorised first; pixels are clipped to [0, 1].

    Raises: ValueError when there is not one label an image.
    """
    if len(images) != len(labels):
        raise ValueError(f"wanted a label for each of {len(images)} images, got {len(labels)}; try the same images")
    if not len(images):
        return nothing_to_show(SHEET, "no training image was followed over a trained checkpoint")
    n_rows = -(-len(images) // COLUMNS)
    figure = canvas(SHEET, height=0.9 + n_rows * 1.6)
    panels = figure.subplots(n_rows, COLUMNS, squeeze=False).ravel()
    for axes, label, pixels in zip(panels, labels, images, strict=False):
        shown = visible(pixels).clip(0, 1).transpose(1, 2, 0)
        axes.imshow(np.broadcast_to(shown, (*pixels.shape[1:], 3)), interpolation="nearest")
        axes.set_title(label, fontsize=8, loc="left", color=INK)
    for axes in panels:
        axes.set_axis_off()
    footnote(figure, f"The largest cumulative losses, in nats (Σ). {remark}".strip())
    return figure


def _draw_learned(axes: Axes, rows: pd.DataFrame, name: str, colour: str) -> None:
    epochs = np.sort(rows["epoch_learned"].dropna().to_numpy())
    shares = 100 * np.arange(1, len(epochs) + 1) / len(rows)
    axes.step([0, *epochs], [0, *shares], where="post", color=colour, label=name)
