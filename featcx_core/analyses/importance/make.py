"""Importance Γ of an epoch's concepts."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from featcx_core.analyses.codes.make import directions_of, read_probe
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.analyses.jackknife import jackknife_cells
from featcx_core.artefacts.given import Given
from featcx_core.artefacts.partition import Partition
from featcx_core.images.outputs import class_outputs, right_outputs
from featcx_core.measures.importance import importance_streamed
from featcx_core.measures.removal import removal_streamed


def importance_rows(given: Given) -> Iterator[tuple[Partition, dict[str, pd.DataFrame]]]:
    """Yield Γ of every concept of an epoch's own dictionary, what removing it changes, and Γ of controls.

    Group g of the jackknife holds the images g, g + groups, … of either half: its score images are those of group g of
    the V-information.
    """
    atoms, (head, _) = read_dictionary(given, epoch=given.epoch).atoms, given.head(epoch=given.epoch)
    probe = read_probe(given, epoch=given.epoch, kinds=("concept", "class_logit"))
    n_concepts, groups = len(atoms), given.study.probe.groups
    right = _right_outputs(given)

    def chunks() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]]:
        for chunk in probe.chunks():
            rows = probe.codes_of(chunk)
            outputs = None if right is None else right[chunk.start : chunk.stop]
            yield rows[:, :n_concepts], rows[:, n_concepts:], outputs, chunk.groups(groups)

    decided = ((codes, logits.argmax(axis=1), group) for codes, logits, _, group in chunks())
    gamma = importance_streamed(decided, atoms, head, groups=groups)
    removed = removal_streamed(chunks(), atoms, head, groups=groups)
    of_concepts = pd.DataFrame(
        {
            "epoch": given.epoch,
            "concept": np.arange(n_concepts),
            "importance": np.asarray(gamma.importance),
            "signed_importance": np.asarray(gamma.signed),
            "prevalence_fraction": np.asarray(gamma.prevalence),
            "importance_when_active": np.asarray(gamma.when_active),
            "ablation_logit": np.asarray(removed.logit),
            "ablation_loss": np.asarray(removed.loss),
            "jackknife": _cells(gamma.jackknife),
            "jackknife_when_active": _cells(gamma.when_active_jackknife),
            "jackknife_logit": _cells(removed.logit_jackknife),
            "jackknife_loss": _cells(removed.loss_jackknife),
        }
    )
    controls = pd.concat(
        [_of_control(given, kind, part) for kind, part in directions_of(given, epoch=given.epoch).items()]
    )
    yield given.partitions[0], {"importance": of_concepts, "importance_of_controls": controls}


def _of_control(given: Given, kind: str, directions: np.ndarray) -> pd.DataFrame:
    """Return Γ of a control's directions, as if they were the dictionary; null where a code is too rarely active."""
    probe = read_probe(given, epoch=given.epoch, kinds=(kind, "class_logit"))
    n, groups, (head, _) = len(directions), given.study.probe.groups, given.head(epoch=given.epoch)
    chunks = ((probe.codes_of(chunk), chunk.groups(groups)) for chunk in probe.chunks())
    decided = ((codes[:, :n], codes[:, n:].argmax(axis=1), group) for codes, group in chunks)
    gamma, dead = importance_streamed(decided, directions, head, groups=groups), ~probe.alive[:n]
    return pd.DataFrame(
        {
            "epoch": given.epoch,
            "kind": kind,
            "concept": np.arange(n),
            "importance": np.where(dead, np.nan, np.asarray(gamma.importance)),
            "jackknife": jackknife_cells(np.asarray(gamma.jackknife), unknown=dead),
        }
    )


def _right_outputs(given: Given) -> np.ndarray | None:
    """Return the outputs that are right for each probe image; None where no output is a class."""
    data = given.data
    outputs = class_outputs(given.study.model, data.class_names)
    return right_outputs(outputs, data.labels[data.probe]) if outputs else None


def _cells(left_out: Any) -> np.ndarray:
    """Return a list for each concept; None where a group leaves it undefined."""
    values = np.asarray(left_out)
    return jackknife_cells(values, unknown=np.isnan(values).any(axis=1))
