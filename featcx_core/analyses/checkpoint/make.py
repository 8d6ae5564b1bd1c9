"""A checkpoint's row: its metrics, measured where the file does not carry them."""

import math

import pandas as pd

from featcx_core.artefacts.given import Given
from featcx_core.checkpoints.survey import checkpoint_file, load_checkpoint, read_metrics

METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "learning_rate", "passes")


def epoch_row(given: Given) -> pd.DataFrame:
    """Return an epoch's row of `epochs`. Raises CheckpointError when the file cannot be used."""
    metrics = read_metrics(given.store, epoch=given.epoch) or _measured(given)
    values = {name: [metrics.get(name)] for name in METRICS}
    digest = given.snapshot.survey.digests[given.epoch]
    frame = pd.DataFrame({"epoch": [given.epoch], **values, "digest": [digest]})
    return frame.astype(dict.fromkeys(METRICS, float))


def _measured(given: Given) -> dict[str, float | None]:
    from featcx_core.checkpoints.training import evaluate
    from featcx_core.images.outputs import class_outputs
    from featcx_core.networks.models import build_model, torch_device

    metrics: dict[str, float | None] = dict.fromkeys(METRICS)
    study, data = given.study, given.data
    if not (outputs := class_outputs(study.model, data.class_names)):
        return metrics
    model = build_model(study, n_classes=len(data.class_names), image_shape=data.image_shape, is_filled=True)
    load_checkpoint(given.store, model, epoch=given.epoch)
    model.to(torch_device(given.tools.device))
    for part in ("train", "test"):
        loss, accuracy = evaluate(model, data, data.split[part], outputs=outputs)
        if not math.isfinite(loss):
            place = checkpoint_file(given.store, epoch=given.epoch).place
            raise ValueError(f"{place}: the loss is {loss}; the checkpoint's weights are broken: replace or delete it")
        metrics |= {f"{part}_loss": loss, f"{part}_accuracy": accuracy}
    return metrics
