"""The sheet of concepts: top images with heat maps, one row a concept, from simple to complex."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Num
from matplotlib import colormaps
from matplotlib.figure import Figure

from featcx_core.arrays import Array, as_tensors
from featcx_core.figures.canvas import INK, canvas, footnote, nothing_to_show
from featcx_core.images.visible import is_coloured, visible

QUESTION = "What do the concepts look like, from simple to complex?"
LEAST_PIXELS = 96  # small images are enlarged to at least this, so that heat maps stay smooth on them
STRONGEST = 0.7  # opacity of the heat map at its highest place: the image stays visible
# A tint would change the colours of coloured images. They keep this share of their light where the concept is not
# active, so that a photograph stays one, and gain this much white where it is, so that black places show it too.
DARKEST, GLOW = 0.45, 0.15


def concept_sheet(
    images: Num[Array, "concept rank channel height width"],
    heat_maps: Float[Array, "concept rank map_height map_width"],
    *,
    labels: Sequence[str],
    title: str = QUESTION,
    order: str = "strongest image first",
    remark: str = "",
) -> Figure:
    """Draw one row a concept: its label, then its top images with the heat map laid over them.

    images: bytes 0 … 255 or floats 0 … 1, of any channels (`visible`); NaN where a concept has fewer images.
    heat_maps: >= 0, of any size, enlarged bilinearly; scaled by the row's highest value, so they compare within it.
    order: meaning of the order from left to right.
    remark: sentences below the sheet, such as those of `how_chosen`.

    Raises: ValueError when the numbers of concepts or images differ.
    """
    if images.shape[:2] != heat_maps.shape[:2] or len(labels) != len(images):
        raise ValueError(
            f"wanted as many heat maps and labels as images, got images {tuple(images.shape)}, heat maps "
            f"{tuple(heat_maps.shape)} and {len(labels)} labels; try the same concepts and ranks for all three"
        )
    if not images.shape[0] * images.shape[1]:
        return nothing_to_show(title, "no concept has an image on which it is active")
    [tensor], _ = as_tensors(images)
    in_colour = is_coloured(tensor.detach().cpu().numpy())
    rows = [_strip(i, h, in_colour=in_colour) for i, h in zip(_pixels(images), _unit_heat(heat_maps), strict=True)]
    cell = 6.7 / images.shape[1]  # inches that a picture of a row is wide, at most
    height = min(1.3, cell * images.shape[3] / images.shape[4]) + 0.12
    figure = canvas(title, height=0.8 + height * len(rows))
    panels = figure.subplots(len(rows), 2, squeeze=False, width_ratios=[2.1, 6.7])
    for (left, right), row, label in zip(panels, rows, labels, strict=True):
        left.set_axis_off()
        left.text(0.0, 0.5, label, fontsize=9, color=INK, va="center", ha="left", linespacing=1.4)
        right.set_axis_off()
        right.imshow(row, interpolation="nearest", aspect="equal")
        right.set_anchor("W")
    has_places = heat_maps.shape[2] * heat_maps.shape[3] > 1
    where = f"{'Bright' if in_colour else 'Bright colours'}: where the concept is active."
    nowhere = "No heat maps: the dictionary is fitted on one vector an image."
    footnote(figure, f"Left to right: {order}. {where if has_places else nowhere} {remark}".rstrip())
    return figure


def _pixels(images: Num[Array, "concept rank channel height width"]) -> Float[torch.Tensor, "concept rank 3 h w"]:
    """Return images as three channels in 0 … 1, enlarged where small; NaN is white."""
    [tensor], _ = as_tensors(images)
    is_bytes = not tensor.is_floating_point()
    floats = tensor.detach().cpu().float() / (255.0 if is_bytes else 1.0)
    times = max(1, -(-LEAST_PIXELS // min(floats.shape[3:])))
    floats = torch.from_numpy(visible(floats.numpy()))
    large = floats.repeat_interleave(times, dim=3).repeat_interleave(times, dim=4)
    return torch.nan_to_num(large, nan=1.0).clamp(0, 1).expand(-1, -1, 3, -1, -1)


def _unit_heat(
    heat_maps: Float[Array, "concept rank height width"],
) -> Float[torch.Tensor, "concept rank height width"]:
    """Return heat maps as shares of the concept's highest value."""
    [tensor], _ = as_tensors(heat_maps)
    heat = torch.nan_to_num(tensor.detach().cpu().float(), nan=0.0).clamp(min=0)
    highest = heat.amax(dim=(1, 2, 3), keepdim=True)
    return heat / torch.where(highest > 0, highest, 1.0)


def _strip(
    images: Float[torch.Tensor, "rank 3 h w"], heat: Float[torch.Tensor, "rank mh mw"], *, in_colour: bool
) -> Float[np.ndarray, "h row 3"]:
    """Return a concept's pictures side by side: where it is active, grey ones are tinted and coloured ones lit."""
    size = (images.shape[2], images.shape[3])
    smooth = torch.nn.functional.interpolate(heat[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
    if in_colour:
        is_none = (images == 1).all(dim=1).all(dim=(1, 2)) & (smooth == 0).all(dim=(1, 2))  # fewer images: white
        light = torch.where(is_none[:, None, None], 1.0, DARKEST + (1 - DARKEST - GLOW) * smooth)
        return _side_by_side(images.permute(0, 2, 3, 1) * light[..., None] + GLOW * smooth[..., None])
    warm = torch.from_numpy(colormaps["inferno"](0.35 + 0.6 * smooth.numpy())[..., :3]).float()
    opacity = STRONGEST * smooth[..., None]
    mixed = (1 - opacity) * images.permute(0, 2, 3, 1) + opacity * warm
    return _side_by_side(mixed)


def _side_by_side(mixed: Float[torch.Tensor, "rank h w 3"]) -> Float[np.ndarray, "h row 3"]:
    """Return pictures in a row, with a white gap after each."""
    gap = mixed.new_ones(mixed.shape[1], max(2, mixed.shape[2] // 24), 3)
    return torch.cat([part for picture in mixed for part in (picture, gap)], dim=1).numpy()
