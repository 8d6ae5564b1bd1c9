"""An epoch's V-information, complexity and importance."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import zarr

from featcx_core.analyses.features import CodeReader, read_dictionary
from featcx_core.checkpoints.survey import fingerprints, read_head
from featcx_core.features.activations import open_activations
from featcx_core.features.by_group import GroupedSums
from featcx_core.features.moments import Moments
from featcx_core.measures.complexity import complexity, complexity_standard_error
from featcx_core.measures.importance import importance_streamed
from featcx_core.measures.v_information import as_printed, v_information_streamed
from featcx_core.networks.models import sums_device
from featcx_core.progress import Progress, silent
from featcx_core.store.places import Store, epoch_key
from featcx_core.store.tables import KINDS, TABLES


def make_v_information(
    store: Store,
    *,
    epoch: int,
    layers: Sequence[str],
    dictionary_epochs: Sequence[int],
    device: str = "auto",
    progress: Progress | None = None,
) -> None:
    """V-information from layers of an epoch to the codes of its own dictionary, the reference epoch's, or both.

    Writes the rows; at the penultimate layer also the sums behind those of the own concepts and random directions
    (`open_sums`) and, at epochs whose redundancy the study asks for, the same without each group of images
    (`open_sums_without_groups`). The own dictionary comes with all controls, the other with shuffled codes; asked for
    together, they share each layer's sums and factorisation. Raises ValueError where activations or codes are missing,
    and for the dictionary of another epoch.
    """
    known = {epoch, store.study.reference_epoch}
    if not dictionary_epochs or len(set(dictionary_epochs) & known) < len(dictionary_epochs):
        raise ValueError(f"wanted dictionary_epochs out of {sorted(known)}, each once, got {list(dictionary_epochs)}")
    prints = fingerprints(store)
    dictionaries = [_Codes.open(store, epoch, dictionary_epoch) for dictionary_epoch in dictionary_epochs]
    penultimate, asked = store.anatomy.penultimate, "redundancy" in store.study.analyses.run
    is_detailed = asked and epoch in store.study.detailed_epochs(prints.digests)
    for layer in (progress or silent)(layers, desc=f"V-information, epoch {epoch}"):
        keeps_groups = is_detailed and layer == penultimate and epoch in dictionary_epochs
        grouped = GroupedSums(Moments, groups=store.study.probe.groups) if keeps_groups else None
        for read, frame, sums in _v_information(store, epoch, layer, dictionaries, device, grouped):
            asset, prefix = ("v_information", "") if read.epoch == epoch else ("reference_v_information", "reference-")
            partition, fingerprint = f"{prefix}{epoch_key(epoch)}-{layer}", prints.of(asset, epoch, layer)
            if layer == penultimate and read.epoch == epoch:
                _write_sums(store, epoch, sums, fingerprint=fingerprint)
                if grouped:
                    _write_sums_without_groups(store, epoch, grouped, fingerprint=prints.sums_without_groups(epoch))
            store.write_table("v_information", partition, frame, fingerprint=fingerprint)


def open_sums(store: Store, *, epoch: int) -> zarr.Group:
    """An epoch's sums over the probe images, centred: arrays `xx` (unit, unit) of the penultimate activations, `xz`
    (unit, concept) of these and the own codes, `zz` (concept,); attribute `n`, the images. Behind the concepts stand
    the random directions.

    Raises ValueError when there are none.
    """
    folder = store.sums(epoch)
    if store.committed(folder) is None:
        raise ValueError(f"epoch {epoch}: no sums yet at {folder}; materialise v_information first")
    return zarr.open_group(str(folder), mode="r")


def open_sums_without_groups(store: Store, *, epoch: int) -> zarr.Group:
    """The same sums over the images without each group, centred on these: arrays `xx` (group, unit, unit) and `xz`
    (group, unit, concept). Group g holds the images g, g + groups, … of either half.

    They come with V-information at epochs whose redundancy the study asks for; elsewhere they are made here, from the
    stored activations and codes, and kept: the caller holds the epoch's lock. Raises ValueError where one is missing.
    """
    folder, penultimate = store.sums_without_groups(epoch), store.anatomy.penultimate
    fingerprint = fingerprints(store).sums_without_groups(epoch)
    if store.committed(folder) != fingerprint:
        acts = open_activations(store, epoch=epoch, layer=penultimate)
        codes = CodeReader.open(store, epoch=epoch, kinds=("concept", "random_direction"))
        grouped = GroupedSums(Moments, groups=store.study.probe.groups)
        for half, first_of_half in (("fit", 0), ("score", codes.n_fit)):
            for a, b in codes.chunks(half):
                x = np.asarray(acts[a:b], dtype=np.float32)
                grouped.add(x, codes.rows(a, b), first_image=a - first_of_half)
        _write_sums_without_groups(store, epoch, grouped, fingerprint=fingerprint)
    return zarr.open_group(str(folder), mode="r")


def _write_sums(store: Store, epoch: int, moments: Moments, *, fingerprint: str) -> None:
    """In float32, which is enough once the means are taken off."""
    sums = moments.centred()
    with store.writing(store.sums(epoch), fingerprint=fingerprint) as draft:
        group = zarr.create_group(store=str(draft), attributes={"n": sums.n})
        for name in ("xx", "xz", "zz"):
            group.create_array(name, data=getattr(sums, name).float().cpu().numpy())


def _write_sums_without_groups(store: Store, epoch: int, grouped: GroupedSums[Moments], *, fingerprint: str) -> None:
    with store.writing(store.sums_without_groups(epoch), fingerprint=fingerprint) as draft:
        group = zarr.create_group(store=str(draft))
        arrays: dict[str, zarr.Array[Any]] = {}
        for place, left in enumerate(grouped.without_each()):
            sums = left.centred()
            for name in ("xx", "xz"):
                values = getattr(sums, name).float().cpu().numpy()
                if place == 0:
                    shape, chunks = (grouped.groups, *values.shape), (1, *values.shape)
                    arrays[name] = group.create_array(name, shape=shape, chunks=chunks, dtype=values.dtype)
                arrays[name][place] = values


class _Codes(NamedTuple):
    """A dictionary's codes."""

    epoch: int
    codes: CodeReader
    dead: np.ndarray  # (column,) too rarely active to be measured

    @classmethod
    def open(cls, store: Store, epoch: int, dictionary_epoch: int) -> "_Codes":
        kinds = KINDS if dictionary_epoch == epoch else ("concept", "shuffled")
        codes = CodeReader.open(store, epoch=dictionary_epoch, kinds=kinds)
        return cls(dictionary_epoch, codes, ~codes.alive())

    @property
    def n_concepts(self) -> int:
        return self.codes.widths["concept"]

    @property
    def n_summed(self) -> int:
        """Concepts, and the random directions that follow them: what sums of the penultimate layer are kept of."""
        return self.n_concepts + self.codes.widths.get("random_direction", 0)


def _v_information(
    store: Store,
    epoch: int,
    layer: str,
    dictionaries: list[_Codes],
    device: str,
    grouped: GroupedSums[Moments] | None,
) -> Iterator[tuple[_Codes, pd.DataFrame, Moments]]:
    """Each dictionary with its rows and its sums over both halves; their codes stand side by side.

    `grouped` takes up the sums of what is summed of the own ones by groups of images, in the same reading.
    """
    probe, first, where = store.study.probe, dictionaries[0].codes, sums_device(device)
    acts = open_activations(store, epoch=epoch, layer=layer)
    starts = np.cumsum([0, *(len(read.dead) for read in dictionaries)])
    summed = next(
        (slice(a, a + read.n_summed) for a, read in zip(starts, dictionaries, strict=False) if read.epoch == epoch),
        slice(0),
    )

    def chunks(half: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        first_of_half = 0 if half == "fit" else first.n_fit
        for a, b in first.chunks(half):
            codes = np.concatenate([read.codes.rows(a, b) for read in dictionaries], axis=1)
            x = torch.from_numpy(np.asarray(acts[a:b], dtype=np.float32)).to(where)
            z = torch.from_numpy(codes).to(where)
            if grouped is not None:
                grouped.add(x, z[:, summed], first_image=a - first_of_half)
            yield x, z

    widths = [read.n_summed if layer == store.anatomy.penultimate else read.n_concepts for read in dictionaries]
    chosen = torch.cat([torch.arange(a, a + n) for a, n in zip(starts, widths, strict=False)]).to(where)
    score: Moments | None = None

    def scored() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:  # one reading for the errors and for the sums
        nonlocal score
        for x, z in chunks("score"):
            if score is None:
                score = Moments.of(x, z[:, chosen])
            else:
                score.add(x, z[:, chosen])
            yield x, z

    fit = Moments.over(chunks("fit"))
    result = v_information_streamed(fit, scored(), penalties=probe.penalties, groups=probe.groups)
    assert score is not None
    both = fit.only(chosen).merge(score)
    members = torch.split(torch.arange(len(chosen), device=where), widths)
    concepts = torch.cat([own[: read.n_concepts] for read, own in zip(dictionaries, members, strict=True)])
    printed = np.full(starts[-1], np.nan)
    printed[chosen[concepts].cpu().numpy()] = as_printed(both.only(concepts)).cpu()
    columns = [np.asarray(part.cpu()) for part in result]
    for read, start, stop, own in zip(dictionaries, starts[:-1], starts[1:], members, strict=True):
        parts = [column[start:stop] for column in (*columns, printed)]
        frame = _frame(read, *parts).assign(epoch=epoch, layer=layer, dictionary_epoch=read.epoch)
        yield read, frame, both.only(own)


def _frame(
    read: _Codes, value: np.ndarray, error: np.ndarray, penalty: np.ndarray, jackknife: np.ndarray, printed: np.ndarray
) -> pd.DataFrame:
    """A row for every code; null where it is too rarely active."""
    frame = read.codes.columns.assign(
        v_information=np.where(read.dead, np.nan, value),
        standard_error=np.where(read.dead, np.nan, error),
        penalty=np.where(read.dead, np.nan, penalty),
        v_information_as_printed=np.where(read.dead, np.nan, printed),
    )
    return frame.assign(jackknife=jackknife_cells(jackknife, unknown=read.dead))


def make_complexity(store: Store, *, epoch: int) -> pd.DataFrame:
    """K of every code of an epoch's own dictionary, with its error; writes its rows."""
    layers, fingerprint = store.anatomy.in_complexity, fingerprints(store).of("complexity", epoch)
    parts = [store.read_partition("v_information", f"{epoch_key(epoch)}-{layer}") for layer in layers]
    groups = store.study.probe.groups
    frame = parts[0][["epoch", "kind", "concept"]].assign(
        complexity=complexity(np.stack([part["v_information"] for part in parts])),
        standard_error=complexity_standard_error(np.stack([jackknife_of(part, groups) for part in parts])),
        complexity_as_printed=complexity(np.stack([part["v_information_as_printed"] for part in parts])),
    )
    store.write_table("complexity", epoch_key(epoch), frame, fingerprint=fingerprint)
    return frame


def make_importance(store: Store, *, epoch: int) -> pd.DataFrame:
    """Γ of every concept of an epoch's own dictionary; writes its rows.

    Group g of the jackknife holds the images g, g + groups, … of either half: its score images are those of group g of
    the V-information.
    """
    dictionary, fingerprint = read_dictionary(store, epoch=epoch), fingerprints(store).of("importance", epoch)
    head, _ = read_head(store, epoch=epoch)
    reader = CodeReader.open(store, epoch=epoch, kinds=("concept", "class_logit"))
    n_concepts, groups = len(dictionary.atoms), store.study.probe.groups

    def decided() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for half, first in (("fit", 0), ("score", reader.n_fit)):
            for start, stop in reader.chunks(half):
                rows = reader.rows(start, stop)
                group = (np.arange(start, stop) - first) % groups
                yield rows[:, :n_concepts], rows[:, n_concepts:].argmax(axis=1), group

    found = importance_streamed(decided(), dictionary.atoms, head, groups=groups)
    gamma, signed, prevalence, left_out = (np.asarray(part) for part in found)
    frame = pd.DataFrame(
        {
            "epoch": epoch,
            "concept": np.arange(n_concepts),
            "importance": gamma,
            "signed_importance": signed,
            "prevalence_fraction": prevalence,
            "jackknife": list(left_out.astype(np.float32)),
        }
    )
    store.write_table("importance", epoch_key(epoch), frame, fingerprint=fingerprint)
    return frame


def together(parts: Sequence[pd.DataFrame], table: str) -> pd.DataFrame:
    """The rows of a table's parts; none, with its columns, where there is no part."""
    if parts:
        return pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns=[c.name for c in TABLES[table].columns if c.name not in ("study", "fingerprint")])


def jackknife_cells(left_out: np.ndarray, *, unknown: np.ndarray) -> np.ndarray:
    """What is known without each group, (row, group), as a table holds it: a list a row, None where it is `unknown`."""
    cells, values = np.full(len(unknown), None, dtype=object), left_out.astype(np.float32)
    for row in np.flatnonzero(~unknown):
        cells[row] = values[row]
    return cells


def jackknife_of(part: pd.DataFrame, groups: int, *, column: str = "jackknife") -> np.ndarray:
    """What is stored without each group, (row, group); NaN where it is unknown, as for a dead concept."""
    missing = np.full(groups, np.nan, dtype=np.float32)
    cells = [missing if row is None else row for row in part[column]]
    return np.array(cells, dtype=np.float32).reshape(-1, groups)
