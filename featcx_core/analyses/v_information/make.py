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
from featcx_core.features.by_group import GroupedSums, outside_each
from featcx_core.features.moments import Moments
from featcx_core.features.probe_reader import HALVES, KINDS, ProbeReader
from featcx_core.measures.cross_fitted import cross_fitted_of_parts
from featcx_core.measures.v_information import as_printed
from featcx_core.networks.models import sums_device
from featcx_core.progress import silent

_BYTES_AT_ONCE = 1 << 30
_SUMMED, _OF_REFERENCE = ("concept", "random_direction"), ("concept", "shuffled")

Halves = tuple[GroupedSums[Moments], GroupedSums[Moments]]
"""Sums by group of the fit and of the score images."""


def inform(given: Given) -> Iterator[tuple[Partition, pd.DataFrame | None]]:
    """Measure V-information from layers of an epoch to the codes of its own dictionary, the reference epoch's, or both.

    The own dictionary comes with all controls, the other with shuffled codes; asked for together, they share each
    layer's sums and factorisations. At the penultimate layer the sums of concepts and random directions come along
    where somebody needs them. Raises ValueError where activations or codes are missing.
    """
    wanted = dict.fromkeys(given.partitions)
    for layer in (given.tools.progress or silent)(given.layers, desc=f"V-information, epoch {given.epoch}"):
        own, other, sums = (
            Partition(artefact.name, given.epoch, layer) for artefact in (V_INFORMATION, REFERENCE_V_INFORMATION, SUMS)
        )
        asked = [place for place in (own, other) if place in wanted]
        if asked:
            reading = _Reading(given, layer, [_Codes.read(given, layer, is_own=place == own) for place in asked])
            parts = reading.parts()
            if sums in wanted and own in wanted:
                parts = _written(given, sums, parts, n_codes=reading.codes[0].n_summed)
            yield from zip(asked, _frames(reading, parts), strict=True)
        if sums in wanted:
            if own not in wanted:  # the sums did not come with V-information
                alone = _Reading(given, layer, [_Codes.read(given, layer, is_own=True, kinds=_SUMMED)])
                for _ in _written(given, sums, alone.parts(), n_codes=alone.n_codes):
                    pass
            yield sums, None


class _Codes(NamedTuple):
    """A dictionary's codes, beside the activations of a layer."""

    epoch: int
    probe: ProbeReader

    @classmethod
    def read(cls, given: Given, layer: str, *, is_own: bool, kinds: tuple[str, ...] = KINDS) -> "_Codes":
        epoch = given.epoch if is_own else given.study.reference_epoch
        acts = given.arrays(ACTIVATIONS, epoch=given.epoch, layer=layer)
        return cls(epoch, read_probe(given, epoch=epoch, kinds=kinds if is_own else _OF_REFERENCE, acts=acts))

    @property
    def n_summed(self) -> int:
        """Concepts, and the random directions that follow them: the codes whose sums are kept."""
        return sum(self.probe.widths[kind] for kind in _SUMMED)

    @property
    def n_codes(self) -> int:
        return sum(self.probe.widths.values())


class _Reading:
    """A layer's sums with the codes of some dictionaries, which stand side by side."""

    def __init__(self, given: Given, layer: str, codes: Sequence[_Codes]) -> None:
        self.given, self.layer, self.codes = given, layer, codes
        self.n_codes = sum(each.n_codes for each in codes)
        self.is_concept = np.concatenate([each.probe.columns["kind"] == "concept" for each in codes])

    def parts(self) -> Iterator[Halves]:
        """Yield the sums of some codes after those of others, as many as memory holds: all of them in most studies."""
        groups, units = self.given.study.probe.groups, self.codes[0].probe.acts.shape[1]
        at_once = max(1, _BYTES_AT_ONCE // (2 * groups * units * 8))
        for start in range(0, self.n_codes, at_once):
            fit, score = (self._sums(half, slice(start, start + at_once)) for half in HALVES)
            yield fit, score

    def _sums(self, half: str, columns: slice) -> GroupedSums[Moments]:
        sums, where = GroupedSums(Moments, groups=self.given.study.probe.groups), sums_device(self.given.tools.device)
        first = self.codes[0].probe
        for chunk in first.chunks(half):
            codes = np.concatenate([each.probe.codes_of(chunk) for each in self.codes], axis=1)[:, columns]
            sums.add(torch.from_numpy(first.acts_of(chunk)).to(where), torch.from_numpy(codes).to(where))
        return sums


def _frames(reading: _Reading, parts: Iterator[Halves]) -> Iterator[pd.DataFrame]:
    """Yield the rows of each dictionary."""
    given, printed = reading.given, list[np.ndarray]()

    def also_as_printed() -> Iterator[Halves]:
        start = 0
        for fit, score in parts:
            whole = fit.whole.merge(score.whole)
            chosen = torch.from_numpy(reading.is_concept[start : start + len(whole.zz)]).to(whole.zz.device)
            values = torch.full_like(whole.zz, np.nan)
            values[chosen] = as_printed(whole.only(chosen.nonzero()[:, 0]))
            printed.append(values.cpu().numpy())
            start += len(values)
            yield fit, score

    result = cross_fitted_of_parts(also_as_printed(), penalties=given.study.probe.penalties)
    columns = {name: np.asarray(part.cpu()) for name, part in result._asdict().items()}
    columns["v_information_as_printed"] = np.concatenate(printed)
    start = 0
    for codes in reading.codes:
        rows = slice(start, start + codes.n_codes)
        frame = _frame(codes, {name: column[rows] for name, column in columns.items()})
        yield frame.assign(epoch=given.epoch, layer=reading.layer, dictionary_epoch=codes.epoch)
        start += codes.n_codes


def _frame(codes: _Codes, columns: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return a row for every code; null where it is too rarely active."""
    dead, left_out = ~codes.probe.alive, columns.pop("jackknife")
    frame = codes.probe.columns.assign(**{name: np.where(dead, np.nan, column) for name, column in columns.items()})
    return frame.assign(n_fit=fitted_images(codes.probe), jackknife=jackknife_cells(left_out, unknown=dead))


def fitted_images(probe: ProbeReader) -> int:
    """Return the images that a reader was fitted on: of unequal halves the harmonic mean, since I_V is lost as 1/n."""
    halves = probe.n_fit, probe.n_images - probe.n_fit
    return round(2 / sum(1 / n for n in halves))


def _written(given: Given, place: Partition, parts: Iterator[Halves], *, n_codes: int) -> Iterator[Halves]:
    """Write the sums of the first codes on their way, in float32, which is enough once the means are taken off.

    One group at a time is held.
    """
    groups, start = given.study.probe.groups, 0
    group = zarr.create_group(store=str(given.draft(place)))
    for fit, score in parts:
        whole = fit.whole.merge(score.whole)
        units, columns = len(whole.x_sum), slice(start, min(n_codes, start + len(whole.zz)))
        if start == 0:
            group.attrs["n"] = whole.n
            for name, shape in (("xx", (units, units)), ("xz", (units, n_codes))):
                group.create_array(name, shape=shape, chunks=shape, dtype="float32")
                group.create_array(f"{name}_without", shape=(groups, *shape), chunks=(1, *shape), dtype="float32")
        if columns.start < columns.stop:
            _write(group, whole, columns)
            for number, left in enumerate(outside_each(fit, score)):
                _write(group, left, columns, without=(number,))
        start += len(whole.zz)
        yield fit, score


def _write(group: zarr.Group, sums: Moments, columns: slice, *, without: tuple[int, ...] = ()) -> None:
    """Write sums about the means of the first codes of a part, as these columns."""
    chosen = torch.arange(columns.stop - columns.start, device=sums.zz.device)
    centred, suffix, rows = sums.only(chosen).centred(), "_without" if without else "", slice(None)
    group[f"xx{suffix}"][(*without, rows, rows)] = centred.xx.float().cpu().numpy()  # type: ignore[index]
    group[f"xz{suffix}"][(*without, rows, columns)] = centred.xz.float().cpu().numpy()  # type: ignore[index]
