"""An epoch's redundancy, sensitivity and support."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import torch

from featcx_core.analyses.features import CodeReader, encoders, read_dictionary
from featcx_core.analyses.measures import jackknife_cells, open_sums, open_sums_without_groups
from featcx_core.arrays import as_tensors
from featcx_core.checkpoints.survey import fingerprints, read_head
from featcx_core.features.forward import Network, Tap, pooled
from featcx_core.images.classes import class_outputs
from featcx_core.images.data import StudyImages, load_data
from featcx_core.images.noise import noisy_batches
from featcx_core.measures.redundancy import Redundancy, redundancy
from featcx_core.measures.removal_orders import removal_orders
from featcx_core.measures.sensitivity import Responses
from featcx_core.measures.support import SupportCounts
from featcx_core.networks.models import sums_device
from featcx_core.progress import Progress
from featcx_core.store.places import Store, epoch_key


def make_redundancy(store: Store, *, epoch: int, device: str = "auto") -> pd.DataFrame:
    """What is left of every concept and random direction when units are masked, from the stored sums; writes the rows.

    Also without each group of images. Raises ValueError where there are no sums, or what those without groups are made
    from is missing.
    """
    settings, fingerprint = store.study.redundancy, fingerprints(store).of("redundancy", epoch)
    shares, coded = sorted(set(settings.masked_fractions)), _coded(store, epoch)
    dead, where = ~coded["alive"].to_numpy(dtype=bool), sums_device(device)

    def of(*sums: np.ndarray) -> list[Redundancy]:
        given = [torch.from_numpy(part).to(where) for part in sums]
        mask = {"n_masks": settings.masks, "seed": store.study.seed}
        found = (redundancy(*given, masked_fraction=share, **mask) for share in shares)
        return [Redundancy(*(np.asarray(part.cpu()) for part in each)) for each in found]

    whole = open_sums(store, epoch=epoch)
    without: Any = open_sums_without_groups(store, epoch=epoch)  # one group at a time: each is as large as the whole
    of_all = of(np.asarray(whole["xx"]), np.asarray(whole["xz"]))
    of_groups = [of(without["xx"][group], without["xz"][group]) for group in range(store.study.probe.groups)]
    parts = []
    for share, found, left in zip(shares, of_all, zip(*of_groups, strict=True), strict=True):
        rows = {name: np.where(dead, np.nan, values) for name, values in found._asdict().items()}
        for name, column in (("redundancy", "jackknife"), ("as_printed", "jackknife_as_printed")):
            left_out = np.stack([getattr(each, name) for each in left], axis=1)
            rows[column] = jackknife_cells(left_out, unknown=dead)
        parts.append(coded[["kind", "concept"]].assign(**rows, masked_fraction=share))
    frame = pd.concat(parts, ignore_index=True).rename(columns={"as_printed": "redundancy_as_printed"})
    frame = frame.assign(epoch=epoch, n_masks=settings.masks)
    return _write(store, "redundancy", epoch, frame, fingerprint)


def make_sensitivity(
    store: Store, *, epoch: int, device: str = "auto", batch_size: int = 256, progress: Progress | None = None
) -> pd.DataFrame:
    """How much noise in the pixels of some probe images, the first ones, moves every concept; writes the rows.

    Random directions are encoded by themselves, as their stored codes are, from the same forward passes.
    Raises ValueError where there are no codes; CheckpointError for an unusable checkpoint.
    """
    study, fingerprint = store.study, fingerprints(store).of("sensitivity", epoch)
    settings, coded = study.sensitivity, _coded(store, epoch)
    network = Network.load(store, epoch=epoch, device=device)
    by_kind = encoders(study, read_dictionary(store, epoch=epoch), device=device)
    images, sigmas = network.data.probe[: settings.images], sorted(set(settings.sigmas))
    draws = {"n_images": len(images), "n_draws": settings.draws}
    noisy = {
        sigma: Responses(
            n_draws=settings.draws,
            group=noisy_groups(network.data, len(images), groups=study.probe.groups),
            groups=study.probe.groups,
            n_bootstrap=study.analyses.bootstrap,
            seed=study.seed,
        )
        for sigma in sigmas
    }
    passes = _noisy_acts(store, network, images, sigmas, batch_size=batch_size, progress=progress)
    for sigma, acts in zip(cycle(sigmas), passes):
        seen = torch.from_numpy(acts)
        noisy[sigma].add(torch.cat([by_kind[kind](seen).codes for kind in coded["kind"].unique()], dim=1))
    parts = []
    for sigma, responses in noisy.items():
        found = responses.result(torch.tensor(coded["variance"].to_numpy()))
        rows = {name: np.where(coded["alive"], getattr(found, name), np.nan) for name in ("sensitivity", "low", "high")}
        rows["sensitivity_as_printed"] = np.asarray(found.as_printed)  # a dead concept has it too
        dead = ~coded["alive"].to_numpy(dtype=bool)
        rows["jackknife"] = jackknife_cells(np.asarray(found.jackknife), unknown=dead)
        parts.append(coded[["kind", "concept"]].assign(**rows, sigma=sigma))
    frame = pd.concat(parts, ignore_index=True).assign(epoch=epoch, **draws)
    return _write(store, "sensitivity", epoch, frame, fingerprint)


def noisy_groups(data: StudyImages, n: int, *, groups: int) -> np.ndarray:
    """The jackknife's group of each of the first n probe images: either half is counted from its own first image."""
    places = [np.arange(len(data.split[half])) for half in ("fit", "score")]
    return np.concatenate(places)[:n] % groups


def _noisy_acts(
    store: Store,
    network: Network,
    images: np.ndarray,
    sigmas: list[float],
    *,
    batch_size: int,
    progress: Progress | None,
) -> Iterator[np.ndarray]:
    """Penultimate activations of noisy images, a batch a level, again and again."""
    n_draws, at_once = store.study.sensitivity.draws, network.data.at_once(batch_size)
    row = next(row for row in store.anatomy.layers if row.role == "penultimate")
    batches = noisy_batches(
        network.data,
        images,
        n_draws=n_draws,
        sigmas=sigmas,
        seed=store.study.seed,
        batch_size=at_once,
        device=network.device,
    )
    n_batches = -(-len(images) * n_draws // at_once) * len(sigmas)
    taps = [Tap(row.layer, pooled(row, store.study.activations.pooling))]
    for (acts,) in network.over(batches, taps, n_batches=n_batches, desc="noisy images", progress=progress):
        yield acts


def make_support(store: Store, *, epoch: int, device: str = "auto") -> pd.DataFrame:
    """What is left of the predictions as concepts are removed, in several orders, on all probe images; writes the rows.

    Raises ValueError where codes, complexity or importance are missing.
    """
    study, fingerprint = store.study, fingerprints(store).of("support", epoch)
    key, n_steps = epoch_key(epoch), study.support.steps
    own = store.read_partition("complexity", key, columns=["kind", "concept", "complexity"])
    scores = own[own["kind"] == "concept"].merge(store.read_partition("importance", key), on="concept")
    orders = removal_orders(scores["complexity"].to_numpy(), scores["importance"].to_numpy(), seed=study.seed)
    shares = (n_steps - np.arange(n_steps + 1)) / n_steps
    model, _ = as_tensors(read_dictionary(store, epoch=epoch).atoms, *read_head(store, epoch=epoch))
    where, groups = sums_device(device), study.probe.groups
    counts = SupportCounts(*(part.to(where) for part in model), orders=orders, shares=shares, groups=groups)
    reader, labels = CodeReader.open(store, epoch=epoch, kinds=("concept", "class_logit")), _right_outputs(store)
    for half in ("fit", "score"):
        for start, stop in reader.chunks(half):
            codes, logits = np.split(reader.rows(start, stop), [len(scores)], axis=1)
            right = None if labels is None else labels[start:stop]
            counts.add(codes, predicted=logits.argmax(axis=1), labels=right)
    found = counts.curves(n_bootstrap=study.analyses.bootstrap, seed=study.seed)
    curves = [pd.DataFrame(curve._asdict()).assign(order=name) for name, curve in found.items()]
    parts = [curve.assign(kept_fraction=shares) for curve in curves]
    frame = pd.concat(parts, ignore_index=True).rename(columns={"predictions_kept": "predictions_kept_fraction"})
    return _write(store, "support", epoch, frame.assign(epoch=epoch), fingerprint)


def _right_outputs(store: Store) -> np.ndarray | None:
    """The right output of each probe image; None where no output is a class."""
    data = load_data(store.study)
    outputs = np.array(class_outputs(store.study.model, data.class_names), dtype=np.int64)
    return outputs[data.labels[data.probe]] if len(outputs) else None


def _coded(store: Store, epoch: int) -> pd.DataFrame:
    """Variance of their codes, and whether these are alive, of an epoch's concepts and, behind them, random directions.

    The control has no rows in the table of concepts; what is there of these is asked of its stored codes.
    """
    columns = ["kind", "concept", "variance", "alive"]
    own = store.read_partition("concepts", epoch_key(epoch), columns=columns[1:]).assign(kind="concept")
    reader = CodeReader.open(store, epoch=epoch, kinds=("random_direction",))
    control = reader.columns.assign(variance=np.asarray(reader.statistics().variance), alive=reader.alive())
    return pd.concat([own[columns], control[columns]], ignore_index=True)


def _write(store: Store, table: str, epoch: int, frame: pd.DataFrame, fingerprint: str) -> pd.DataFrame:
    store.write_table(table, epoch_key(epoch), frame, fingerprint=fingerprint)
    return frame
