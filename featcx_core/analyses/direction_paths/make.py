"""Signal and noise directions of every layer, followed over all epochs."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from featcx_core.analyses.direction_paths import DIRECTION_PATHS
from featcx_core.analyses.similarity.make import decomposed
from featcx_core.artefacts.given import Given
from featcx_core.measures.cca import IMAGES_A_UNIT
from featcx_core.measures.decomposed import Decomposed
from featcx_core.measures.direction_paths import direction_paths
from featcx_core.store.parquet import without_rows
from featcx_core.study.fields import Study, StudyError

_MOST = 10


def direction_rows(given: Given) -> pd.DataFrame:
    """Return the correlations of both sets of directions with every layer at every epoch.

    Layers with fewer than 5 images a unit, or fewer than two directions, are left out.
    """
    study, epochs = given.study, list(given.epochs)
    parts, end = [without_rows(DIRECTION_PATHS.tables[0])], study.reference_epoch
    if end in epochs and (chosen_at := choosing_epoch(study, epochs)) is not None:
        for layer in given.anatomy.names:
            over_time = [decomposed(given, epoch, [layer], labels=None)[0] for epoch in epochs]
            parts.append(_of_layer(study, over_time, epochs, chosen_at).assign(layer=layer))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def choosing_epoch(study: Study, epochs: Sequence[int]) -> int | None:
    """Return the epoch at which the directions are told apart; None where there is none but the reference epoch.

    Raises StudyError for an epoch that has no checkpoint, and for the reference epoch itself.
    """
    wanted, end = study.similarity.directions_from, study.reference_epoch
    others = [epoch for epoch in epochs if epoch < end]
    if wanted == "middle":
        return min(others, key=lambda epoch: (abs(epoch - end / 2), epoch), default=None)
    if wanted not in others:
        listed = ", ".join(map(str, others)) or "none"
        raise StudyError(
            f'similarity.directions_from: wanted "middle" or an epoch before the reference epoch {end}, got {wanted}; '
            f"there are {listed}"
        )
    return wanted


def _of_layer(study: Study, over_time: list[Decomposed], epochs: list[int], chosen_at: int) -> pd.DataFrame:
    end, chosen = over_time[epochs.index(study.reference_epoch)], over_time[epochs.index(chosen_at)]
    n_directions = _number(study, min(len(end.strengths), len(chosen.strengths)))
    if end.n_images < IMAGES_A_UNIT * end.n_units or n_directions == 0:
        return pd.DataFrame()
    paths = direction_paths(over_time, end, chosen_at=epochs.index(chosen_at), n_directions=n_directions)
    time, rank = (part.ravel() for part in np.indices(paths.signal.shape))
    return pd.DataFrame(
        {
            "epoch": np.array(epochs)[time],
            "rank": rank + 1,
            "signal": paths.signal.ravel(),
            "noise": paths.noise.ravel(),
            "chance": paths.chance[time].clip(max=1),
            "chosen_at": chosen_at,
            "n_directions": n_directions,
            "n_images": end.n_images,
        }
    )


def _number(study: Study, n_dimensions: int) -> int:
    """Return how many directions either set has: two sets never share one."""
    wanted = study.similarity.directions
    return min(n_dimensions // 2, max(1, min(_MOST, n_dimensions // 4)) if wanted == "auto" else wanted)
