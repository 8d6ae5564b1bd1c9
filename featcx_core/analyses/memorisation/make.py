"""Memorisation of single training images, from their losses at every checkpoint."""

import numpy as np
import pandas as pd

from featcx_core.analyses.image_losses import IMAGE_LOSSES
from featcx_core.artefacts.given import Given
from featcx_core.measures.memorisation import Memorisation, detection, memorisation


def memorisation_rows(given: Given) -> dict[str, pd.DataFrame]:
    """Return how each image was learned and, where labels were corrupted, how well that tells the wrong ones.

    The untrained network counts for nothing; without a trained checkpoint there are no rows.
    """
    epochs = [epoch for epoch in given.epochs if epoch > 0]
    if not epochs:
        return {table.name: pd.DataFrame(columns=[c.name for c in table.columns[1:-1]])
                for table in given.artefact.tables}  # fmt: skip
    parts = [given.rows(IMAGE_LOSSES, epoch=epoch).sort_values("image") for epoch in epochs]
    images, data = parts[0]["image"].to_numpy(), given.data
    learned = memorisation(
        np.stack([part["loss"].to_numpy() for part in parts]),
        np.stack([part["is_correct"].to_numpy(dtype=bool) for part in parts]),
        parts[-1]["margin"].to_numpy(),
        epochs=epochs,
    )
    label = data.labels[images]
    before = data.labels_before[images]
    rows = pd.DataFrame({"image": images, **learned._asdict()})
    rows = rows.assign(
        n_checkpoints=len(epochs),
        label=label,
        class_name=[data.class_names[class_id] for class_id in label],
        label_before=before,
    )
    return {"memorisation": rows, "memorisation_detection": _detection(learned, label != before)}


def _detection(learned: Memorisation, is_noisy: np.ndarray) -> pd.DataFrame:
    names = ["score", "roc_auc", "low", "high", "n_noisy", "n_images"]
    if not is_noisy.any() or is_noisy.all():
        return pd.DataFrame(columns=names)
    n = len(is_noisy)
    areas = detection(learned, is_noisy).items()
    return pd.DataFrame([(name, a.value, a.low, a.high, a.n_cases, n) for name, a in areas], columns=names)
