"""V-information of an epoch's layers about its own concepts and the reference epoch's."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.codes.make import read_probe
from featcx_core.analyses.jackknife import jackknife_cells
from featcx_core.analyses.v_information import REFERENCE_V_INFORMATION, V_INFORMATION
from featcx_core.artefacts.given import Given
from featcx_core.artefacts.partition import Partition
from featcx_core.features.by_group import GroupedSums
from featcx_core.features.moments import Moments
from featcx_core.features.probe_reader import HALVES, KINDS, ProbeReader
from featcx_core.measures.cross_fitted import cross_fitted_of_parts
from featcx_core.measures.v_information import as_printed
from featcx_core.networks.models import sums_device
from featcx_core.progress import silent

_BYTES_AT_ONCE = 1 << 30
_OF_REFERENCE = ("concept", "shuffled")

Halves = tuple[GroupedSums[Moments], GroupedSums[Moments]]
"""Sums by group of the fit and of the score images."""


def inform(given: Given) -> Iterator[tuple[Partition, pd.DataFrame]]:
    """Measure V-information from layers of an epoch to the codes of its own dictionary, the reference epoch's, or both.

    The own dictionary comes with all controls, the other with shuffled codes; asked for together, they share each
    layer's sums and factorisations. Raises ValueError where activations or codes are missing.
    """
    wanted = dict.fromkeys(given.partitions)
    for layer in (given.tools.progress or silent)(given.layers, desc=f"V-information, epoch {given.epoch}"):
        own, other = (Partition(a.name, given.epoch, layer) for a in (V_INFORMATION, REFERENCE_V_INFORMATION))
        if asked := [place for place in (own, other) if place in wanted]:
            reading = Reading(given, layer, [LayerCodes.read(given, layer, is_own=place == own) for place in asked])
            yield from zip(asked, _frames(reading, reading.parts()), strict=True)


class LayerCodes(NamedTuple):
    """A dictionary's codes, beside the activations of a layer."""

    epoch: int
    """Epoch of the dictionary."""
    probe: ProbeReader
    """Its codes, and the activations."""

    @classmethod
    def read(cls, given: Given, layer: str, *, is_own: bool, kinds: tuple[str, ...] = KINDS) -> "LayerCodes":
        """Open the codes of the epoch's own dictionary, or concepts and shuffled codes of the reference epoch's."""
        epoch = given.epoch if is_own else given.study.reference_epoch
        acts = given.arrays(ACTIVATIONS, epoch=given.epoch, layer=layer)
        return cls(epoch, read_probe(given, epoch=epoch, kinds=kinds if is_own else _OF_REFERENCE, acts=acts))

    @property
    def n_codes(self) -> int:
        """Codes of all kinds."""
        return sum(self.probe.widths.values())


class Reading:
    """A layer's sums with the codes of some dictionaries, which stand side by side."""

    def __init__(self, given: Given, layer: str, codes: Sequence[LayerCodes]) -> None:
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


def _frames(reading: Reading, parts: Iterator[Halves]) -> Iterator[pd.DataFrame]:
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


def _frame(codes: LayerCodes, columns: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return a row for every code; null where it is too rarely active."""
    dead, left_out = ~codes.probe.alive, columns.pop("jackknife")
    frame = codes.probe.columns.assign(**{name: np.where(dead, np.nan, column) for name, column in columns.items()})
    return frame.assign(n_fit=fitted_images(codes.probe), jackknife=jackknife_cells(left_out, unknown=dead))


def fitted_images(probe: ProbeReader) -> int:
    """Return the images that a reader was fitted on: of unequal halves the harmonic mean, since I_V is lost as 1/n."""
    halves = probe.n_fit, probe.n_images - probe.n_fit
    return round(2 / sum(1 / n for n in halves))
