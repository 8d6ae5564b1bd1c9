"""Losses of an epoch's single training images."""

import pandas as pd

from featcx_core.artefacts.given import Given
from featcx_core.features.losses import image_losses
from featcx_core.images.data import batches
from featcx_core.images.outputs import class_outputs, right_outputs


def image_loss_rows(given: Given) -> pd.DataFrame:
    """Return loss, correctness and margin of the study's first training images at an epoch.

    Raises CheckpointError for an unusable checkpoint.
    """
    network = given.network(epoch=given.epoch, device=given.tools.device)
    data = network.data
    rows = data.split["train"][: given.study.memorisation.images]
    targets = right_outputs(class_outputs(given.study.model, data.class_names), data.labels[rows])
    at_once = data.at_once(given.tools.batch_size)
    losses = image_losses(network.model, batches(data, rows, batch_size=at_once, device=network.device), targets)
    return pd.DataFrame({"epoch": given.epoch, "image": rows, **losses._asdict()})
