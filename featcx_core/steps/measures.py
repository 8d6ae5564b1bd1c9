"""An epoch's V-information, complexity and importance."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from featcx_core.features.activations import open_activations
from featcx_core.features.moments import Moments
from featcx_core.measures.complexity import complexity, complexity_standard_error
from featcx_core.measures.importance import importance
from featcx_core.measures.v_information import as_printed, v_information_streamed
from featcx_core.sources.checkpoints import fingerprints, read_head
from featcx_core.steps.features import CodeReader, read_dictionary
from featcx_core.store import Store, epoch_key
from featcx_core.tables import KINDS


def make_v_information(store: Store, *, epoch: int, layer: str) -> pd.DataFrame:
    """V-information from a layer to every code of the same epoch, controls included; writes its rows."""
    fingerprint = fingerprints(store).of("v_information", epoch, layer)
    frame = _v_information(store, epoch, layer, dictionary_epoch=epoch, kinds=KINDS)
    store.write_table("v_information", f"{epoch_key(epoch)}-{layer}", frame, fingerprint=fingerprint)
    return frame


def make_reference_v_information(store: Store, *, epoch: int, layer: str) -> pd.DataFrame:
    """V-information from a layer to the concepts of the reference epoch; writes its rows."""
    reference = store.study.reference_epoch
    fingerprint = fingerprints(store).of("reference_v_information", epoch, layer)
    frame = _v_information(store, epoch, layer, dictionary_epoch=reference, kinds=("concept", "shuffled"))
    store.write_table("v_information", f"reference-{epoch_key(epoch)}-{layer}", frame, fingerprint=fingerprint)
    return frame


def _v_information(
    store: Store, epoch: int, layer: str, *, dictionary_epoch: int, kinds: tuple[str, ...]
) -> pd.DataFrame:
    probe = store.study.probe
    acts = open_activations(store, epoch=epoch, layer=layer)
    codes = CodeReader.open(store, epoch=dictionary_epoch, kinds=kinds)

    def chunks(half: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return ((np.asarray(acts[a:b], dtype=np.float32), codes.rows(a, b)) for a, b in codes.chunks(half))

    fit = Moments.over(chunks("fit"))
    result = v_information_streamed(fit, chunks("score"), penalties=probe.penalties, groups=probe.groups)
    n_concepts = codes.widths["concept"]
    everything = fit.only(slice(n_concepts)).merge(Moments.over((x, z[:, :n_concepts]) for x, z in chunks("score")))
    printed = np.full(len(codes.columns), np.nan)
    printed[:n_concepts] = as_printed(everything)
    dead = ~codes.alive()
    frame = codes.columns.assign(
        epoch=epoch,
        layer=layer,
        dictionary_epoch=dictionary_epoch,
        v_information=np.where(dead, np.nan, result.v_information),
        standard_error=np.where(dead, np.nan, result.standard_error),
        penalty=np.where(dead, np.nan, result.penalty),
        v_information_as_printed=np.where(dead, np.nan, printed),
    )
    frame["jackknife"] = [None if d else row for d, row in zip(dead, result.jackknife.astype(np.float32), strict=True)]
    return frame


def make_complexity(store: Store, *, epoch: int) -> pd.DataFrame:
    """K of every code of an epoch's own dictionary, with its error; writes its rows."""
    layers = store.anatomy.in_complexity
    parts = [store.read_partition("v_information", f"{epoch_key(epoch)}-{layer}") for layer in layers]
    groups = store.study.probe.groups
    frame = parts[0][["epoch", "kind", "concept"]].assign(
        complexity=complexity(np.stack([part["v_information"] for part in parts])),
        standard_error=complexity_standard_error(np.stack([_jackknife(part, groups) for part in parts])),
        complexity_as_printed=complexity(np.stack([part["v_information_as_printed"] for part in parts])),
    )
    fingerprint = fingerprints(store).of("complexity", epoch)
    store.write_table("complexity", epoch_key(epoch), frame, fingerprint=fingerprint)
    return frame


def make_importance(store: Store, *, epoch: int) -> pd.DataFrame:
    """Γ of every concept of an epoch's own dictionary; writes its rows."""
    dictionary = read_dictionary(store, epoch=epoch)
    head, _ = read_head(store.checkpoint(epoch), store.anatomy)
    reader = CodeReader.open(store, epoch=epoch, kinds=("concept", "class_logit"))
    n_concepts, total = len(dictionary.atoms), reader.n_images
    sums = np.zeros((3, n_concepts))
    for half in ("fit", "score"):
        for start, stop in reader.chunks(half):
            rows = reader.rows(start, stop)
            codes, predicted = rows[:, :n_concepts], rows[:, n_concepts:].argmax(axis=1)
            sums += (stop - start) * np.stack(importance(codes, dictionary.atoms, head, predicted=predicted))
    gamma, signed, prevalence = sums / total
    frame = pd.DataFrame(
        {
            "epoch": epoch,
            "concept": np.arange(n_concepts),
            "importance": gamma,
            "signed_importance": signed,
            "prevalence_fraction": prevalence,
        }
    )
    fingerprint = fingerprints(store).of("importance", epoch)
    store.write_table("importance", epoch_key(epoch), frame, fingerprint=fingerprint)
    return frame


def _jackknife(part: pd.DataFrame, groups: int) -> np.ndarray:
    """(concept, group); NaN for a dead concept."""
    missing = np.full(groups, np.nan, dtype=np.float32)
    return np.stack([missing if row is None else row for row in part["jackknife"]])
