"""Support curves of an epoch: how far the decision stands on some of the concepts."""

import numpy as np
import pandas as pd

from featcx_core.analyses.codes.make import read_probe
from featcx_core.analyses.complexity.make import scored
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.arrays import as_tensors
from featcx_core.artefacts.given import Given
from featcx_core.images.outputs import class_outputs, right_outputs
from featcx_core.measures.removal_orders import removal_orders
from featcx_core.measures.support import SupportCounts
from featcx_core.networks.models import sums_device


def support_rows(given: Given) -> pd.DataFrame:
    """Return the predictions that are left as concepts are removed, in several orders, on all probe images."""
    study, n_steps, groups = given.study, given.study.support.steps, given.study.probe.groups
    scores = scored(given, given.epoch).merge(given.rows(IMPORTANCE, epoch=given.epoch), on="concept")
    orders = removal_orders(scores["complexity"].to_numpy(), scores["importance"].to_numpy(), seed=study.seed)
    shares = (n_steps - np.arange(n_steps + 1)) / n_steps
    model, _ = as_tensors(read_dictionary(given, epoch=given.epoch).atoms, *given.head(epoch=given.epoch))
    where = sums_device(given.tools.device)
    counts = SupportCounts(*(part.to(where) for part in model), orders=orders, shares=shares, groups=groups)
    probe, labels = read_probe(given, epoch=given.epoch, kinds=("concept", "class_logit")), _right_outputs(given)
    for chunk in probe.chunks():
        codes, logits = np.split(probe.codes_of(chunk), [len(scores)], axis=1)
        right = None if labels is None else labels[chunk.start : chunk.stop]
        counts.add(codes, predicted=logits.argmax(axis=1), labels=right)
    curves = counts.curves()
    parts = [pd.DataFrame(curve._asdict()).assign(order=name, kept_fraction=shares) for name, curve in curves.items()]
    frame = pd.concat(parts, ignore_index=True).rename(columns={"predictions_kept": "predictions_kept_fraction"})
    return frame.assign(epoch=given.epoch)


def _right_outputs(given: Given) -> np.ndarray | None:
    """Return the right outputs of each probe image; None where no output is a class."""
    data = given.data
    outputs = class_outputs(given.study.model, data.class_names)
    return right_outputs(outputs, data.labels[data.probe]) if outputs else None
