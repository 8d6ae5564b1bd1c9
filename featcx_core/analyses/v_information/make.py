"""V-information of an epoch's layers about its own concepts and the reference epoch's, and the sums behind it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import zarr

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.codes.make import read_probe
from featcx_core.analyses.jackknife import jackknife_cells
from featcx_core.analyses.v_information import REFERENCE_V_INFORMATION, SUMS, V_INFORMATION
from featcx_core.artefacts.given import Given
from featcx_core.artefacts.partition import Partition
from featcx_core.features.by_group import GroupedSums
from featcx_core.features.moments import Moments
from featcx_core.features.probe_reader import KINDS, ProbeReader
from featcx_core.measures.v_information import as_printed, v_information_streamed
from featcx_core.networks.models import sums_device
from featcx_core.progress import silent


def inform(given: Given) -> Iterator[tuple[Partition, pd.DataFrame | None]]:
    """Measure V-information from layers of an epoch to the codes of its own dictionary, the reference epoch's, or both.

    The own dictionary comes with all controls, the other with shuffled codes; asked for together, they share each
    layer's sums and factorisation. At the penultimate layer the sums of concepts and random directions come along where
    somebody needs them. Raises ValueError where activations or codes are missing.
    """
    wanted = dict.fromkeys(given.partitions)
    for layer in (given.tools.progress or silent)(given.layers, desc=f"V-information, epoch {given.epoch}"):
        own, other, sums = (
            Partition(a.name, given.epoch, layer) for a in (V_INFORMATION, REFERENCE_V_INFORMATION, SUMS)
        )
        grouped = GroupedSums(Moments, groups=given.study.probe.groups) if sums in wanted else None
        epochs = {own: given.epoch, other: given.study.reference_epoch}
        asked = [place for place in (own, other) if place in wanted]
        if asked:
            readers = [_Codes.read(given, layer, epochs[place]) for place in asked]
            frames = _v_information(given, layer, readers, grouped if own in wanted else None)
            yield from zip(asked, frames, strict=True)
        if grouped is not None:
            if own not in wanted:
                _add_all(given, layer, grouped)
            _write_sums(given, sums, grouped)
            yield sums, None


class _Codes(NamedTuple):
    """A dictionary's codes, beside the activations of a layer."""

    epoch: int
    probe: ProbeReader

    @classmethod
    def read(cls, given: Given, layer: str, dictionary_epoch: int) -> "_Codes":
        kinds = KINDS if dictionary_epoch == given.epoch else ("concept", "shuffled")
        acts = given.arrays(ACTIVATIONS, epoch=given.epoch, layer=layer)
        return cls(dictionary_epoch, read_probe(given, epoch=dictionary_epoch, kinds=kinds, acts=acts))

    @property
    def n_concepts(self) -> int:
        return self.probe.widths["concept"]

    @property
    def n_summed(self) -> int:
        """Concepts, and the random directions that follow them: the codes whose sums are kept."""
        return self.n_concepts + self.probe.widths.get("random_direction", 0)

    @property
    def n_codes(self) -> int:
        return sum(self.probe.widths.values())


def _v_information(
    given: Given, layer: str, readers: Sequence[_Codes], grouped: GroupedSums[Moments] | None
) -> Iterator[pd.DataFrame]:
    """Yield the rows of each dictionary; their codes stand side by side.

    `grouped` takes up the sums of concepts and random directions of the own ones by groups, in the same reading.
    """
    settings, where = given.study.probe, sums_device(given.tools.device)
    starts = np.cumsum([0, *(codes.n_codes for codes in readers)])
    concepts = torch.cat([torch.arange(a, a + c.n_concepts) for a, c in zip(starts, readers, strict=False)]).to(where)
    reading = _Reading(readers, grouped, where)
    fit = Moments.over(reading.pairs("fit"))
    score: list[Moments] = []

    def scored() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:  # one reading for the errors and for the sums
        for x, z in reading.pairs("score"):
            if score:
                score[0].add(x, z[:, concepts])
            else:
                score.append(Moments.of(x, z[:, concepts]))
            yield x, z

    result = v_information_streamed(fit, scored(), penalties=settings.penalties, groups=settings.groups)
    printed = np.full(starts[-1], np.nan)
    printed[concepts.cpu().numpy()] = as_printed(fit.only(concepts).merge(score[0])).cpu()
    columns = [*(np.asarray(part.cpu()) for part in result), printed]
    for codes, start, stop in zip(readers, starts[:-1], starts[1:], strict=True):
        frame = _frame(codes, *(column[start:stop] for column in columns))
        yield frame.assign(epoch=given.epoch, layer=layer, dictionary_epoch=codes.epoch)


class _Reading(NamedTuple):
    """The probe images, read once for all dictionaries."""

    readers: Sequence[_Codes]
    grouped: GroupedSums[Moments] | None
    where: torch.device

    def pairs(self, half: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield activations and codes of one half, chunk by chunk."""
        first = self.readers[0]
        for chunk in first.probe.chunks(half):
            x = torch.from_numpy(first.probe.acts_of(chunk)).to(self.where)
            parts = [torch.from_numpy(codes.probe.codes_of(chunk)).to(self.where) for codes in self.readers]
            if self.grouped is not None:
                self.grouped.add(x, parts[0][:, : first.n_summed], first_image=chunk.first_image)
            yield x, torch.cat(parts, dim=1)


def _frame(
    codes: _Codes, value: np.ndarray, error: np.ndarray, penalty: np.ndarray, jackknife: np.ndarray, printed: np.ndarray
) -> pd.DataFrame:
    """Return a row for every code; null where it is too rarely active."""
    dead = ~codes.probe.alive
    numbers = {
        "v_information": value,
        "standard_error": error,
        "penalty": penalty,
        "v_information_as_printed": printed,
    }
    frame = codes.probe.columns.assign(**{name: np.where(dead, np.nan, column) for name, column in numbers.items()})
    return frame.assign(jackknife=jackknife_cells(jackknife, unknown=dead))


def _add_all(given: Given, layer: str, grouped: GroupedSums[Moments]) -> None:
    """Read the sums that did not come with V-information."""
    acts = given.arrays(ACTIVATIONS, epoch=given.epoch, layer=layer)
    probe = read_probe(given, epoch=given.epoch, kinds=("concept", "random_direction"), acts=acts)
    for chunk in probe.chunks():
        grouped.add(*probe.tensors(chunk, sums_device(given.tools.device)), first_image=chunk.first_image)


def _write_sums(given: Given, place: Partition, grouped: GroupedSums[Moments]) -> None:
    """Write the sums in float32, which is enough once the means are taken off; one group at a time is held."""
    whole = grouped.whole.centred()
    group = zarr.create_group(store=str(given.draft(place)), attributes={"n": whole.n})
    for name in ("xx", "xz"):
        values = getattr(whole, name).float().cpu().numpy()
        group.create_array(name, data=values)
        shape, chunks = (grouped.groups, *values.shape), (1, *values.shape)
        group.create_array(f"{name}_without", shape=shape, chunks=chunks, dtype=values.dtype)
    for number, left in enumerate(grouped.without_each()):
        sums = left.centred()
        group["xx_without"][number] = sums.xx.float().cpu().numpy()  # type: ignore[index]
        group["xz_without"][number] = sums.xz.float().cpu().numpy()  # type: ignore[index]
