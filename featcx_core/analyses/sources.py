"""A checkpoint's row: its metrics, measured where the file does not carry them."""

import math

import pandas as pd

from featcx_core.checkpoints.survey import checkpoint_file, fingerprints, load_checkpoint, read_metrics
from featcx_core.store.places import Store, epoch_key

METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "learning_rate")


def make_checkpoint(store: Store, *, epoch: int, device: str = "auto") -> pd.DataFrame:
    """Write an epoch's row of `epochs`. Raises CheckpointError when the file cannot be used."""
    prints = fingerprints(store)
    metrics = read_metrics(store, epoch=epoch) or _measured(store, epoch, device)
    values = {name: [metrics.get(name)] for name in METRICS}
    frame = pd.DataFrame({"epoch": [epoch], **values, "digest": [prints.digests[epoch]]})
    store.write_table("epochs", epoch_key(epoch), frame, fingerprint=prints.of("checkpoint", epoch))
    return frame


def _measured(store: Store, epoch: int, device: str) -> dict[str, float | None]:
    from featcx_core.checkpoints.training import evaluate
    from featcx_core.images.classes import class_outputs
    from featcx_core.images.data import load_data
    from featcx_core.networks.models import build_model, torch_device

    found: dict[str, float | None] = dict.fromkeys(METRICS)
    data = load_data(store.study)
    if not (outputs := class_outputs(store.study.model, data.class_names)):
        return found
    model = build_model(store.study, n_classes=len(data.class_names), image_shape=data.image_shape, is_filled=True)
    load_checkpoint(store, model, epoch=epoch)
    model.to(torch_device(device))
    for part in ("train", "test"):
        loss, accuracy = evaluate(model, data, data.split[part], outputs=outputs)
        if not math.isfinite(loss):
            place = checkpoint_file(store, epoch=epoch).place
            raise ValueError(f"{place}: the loss is {loss}; the checkpoint's weights are broken: replace or delete it")
        found |= {f"{part}_loss": loss, f"{part}_accuracy": accuracy}
    return found
