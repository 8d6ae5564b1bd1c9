"""Ablation by whole forward passes: a network is run on all images again for every ablation."""

import numpy as np
import torch


def logits(model, images, layer, edit):
    """Logits with the layer's output, units last, as the edit makes it."""
    module = model.get_submodule(layer)

    def replace(_, __, output):
        if output.ndim == 4:
            return edit(output.movedim(1, -1)).movedim(-1, 1)
        return edit(output)

    handle = module.register_forward_hook(replace)
    try:
        with torch.inference_mode():
            return model(images)
    finally:
        handle.remove()


def clamped(units, value):
    """Edit that sets some units to a value, one after the other."""

    def edit(acts):
        new = acts.clone()
        for unit in units:
            new[..., unit] = value[unit]
        return new

    return edit


def projected(directions, value):
    """Edit that takes off the part in the span of some directions, by least squares, and puts in that of a value."""

    def part(acts):
        flat = acts.reshape(-1, acts.shape[-1]).double().numpy()
        weights = np.linalg.lstsq(directions.T, flat.T, rcond=1e-9)[0]
        return torch.from_numpy((directions.T @ weights).T).reshape(acts.shape).to(acts)

    return lambda acts: acts - part(acts) + part(value.expand_as(acts))


def curve(predicted, labels):
    """Accuracy at each step of (step, image) predictions."""
    return [sum(int(p == l) for p, l in zip(row, labels, strict=True)) / len(labels) for row in predicted]  # noqa: E741
