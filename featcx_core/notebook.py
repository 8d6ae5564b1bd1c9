"""A study's artefacts, and another program's checkpoints, from a notebook; no Dagster needed."""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr
from jaxtyping import Int64, UInt8

from featcx_core.analyses.activations import ACTIVATIONS, BRANCH_ACTIVATIONS
from featcx_core.analyses.codes import CODES
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.given import StudyReader
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.accounts import Account
from featcx_core.checkpoints.landing import whereabouts
from featcx_core.checkpoints.survey import survey
from featcx_core.features.dictionary import Dictionary
from featcx_core.images.data import load_data
from featcx_core.store.parquet import read_rows
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import Study, StudyError
from featcx_core.study.nearest import listed, nearest

logger = logging.getLogger("featcx")
PARTS = ("probe", "train", "fit", "score", "test")
"""Parts of the images; `probe` is `fit`, then `score`."""


class OpenStudy:
    """A registered study and its artefacts.

    Args:
        name: name of the study.
        home: folder of all studies.
    """

    def __init__(self, name: str, *, home: str | Path = ".featcx") -> None:
        self._store = open_store(home, name)
        self._accounts: dict[str, Account] = {}  # of checkpoints: looking at a study writes nothing

    def __repr__(self) -> str:
        return f"OpenStudy({self.study.name!r}, home={str(self._store.home)!r})"

    @property
    def _reader(self) -> StudyReader:
        return StudyReader(Snapshot(self._store, accounts=self._accounts))

    @property
    def study(self) -> Study:
        """The study: all its settings."""
        return self._store.study

    @property
    def layers(self) -> pd.DataFrame:
        """One row per recorded layer, in forward order."""
        return pd.DataFrame([row.model_dump() | {"branches": list(row.branches)} for row in self._store.anatomy.layers])

    @property
    def epochs(self) -> list[int]:
        """Epochs that have a checkpoint."""
        return list(self._reader.snapshot.epochs)

    def acts(self, *, epoch: int, layer: str) -> "zarr.Array[Any]":
        """Open the activations of the probe images, (image, unit).

        Attributes: layer, pooling, epoch, n_fit, images (a digest). Raises ValueError if they are not recorded.
        """
        self._check("layer", layer, self._store.anatomy.names)
        self._check("epoch", epoch, self.epochs)
        array: zarr.Array[Any] = self._reader.arrays(ACTIVATIONS, epoch=epoch, layer=layer)
        return array

    def branch(self, *, epoch: int, block: str, branch: str) -> "zarr.Array[Any]":
        """Open a branch of a residual block on the probe images, (image, unit): `residual`, `main`, …

        Branches are recorded at the epochs of `analyses.epochs`. Raises ValueError if this one is not.
        """
        self._check("block", block, [row.layer for row in self._store.anatomy.layers if row.branches])
        self._check("epoch", epoch, self.epochs)
        array: zarr.Array[Any] = self._reader.arrays(BRANCH_ACTIVATIONS, epoch=epoch, layer=block)[branch]
        return array

    def codes(self, *, epoch: int) -> "zarr.Array[Any]":
        """Open the codes of the probe images, (image, concept)."""
        self._check("epoch", epoch, self.epochs)
        array: zarr.Array[Any] = self._reader.arrays(CODES, epoch=epoch)["concept"]
        return array

    def dictionary(self, *, epoch: int) -> Dictionary:
        """Read the atoms (concept, unit), their classes `class_of` (concept,) and the quality of the fit."""
        self._check("epoch", epoch, self.epochs)
        return read_dictionary(self._reader, epoch=epoch)

    def split(self, half: str) -> Int64[np.ndarray, "image"]:
        """Return the rows of the probe images' arrays that belong to `fit` or `score`."""
        self._check("half", half, ("fit", "score"))
        split = load_data(self.study).split
        n_fit, n_score = len(split["fit"]), len(split["score"])
        return np.arange(n_fit) if half == "fit" else np.arange(n_fit, n_fit + n_score)

    def images(self, part: str = "probe") -> UInt8[np.ndarray, "image channel height width"]:
        """Return the pixels of `probe`, `train`, `fit`, `score` or `test`, in the order of every other array."""
        return load_data(self.study).images[self._indices(part)]

    def labels(self, part: str = "probe") -> Int64[np.ndarray, "image"]:
        """Return the classes of the same images."""
        return np.take(load_data(self.study).labels, self._indices(part), axis=0)

    def table(self, name: str) -> pd.DataFrame:
        """Return the current rows of a result table; all rows of an analysis that is not installed any more."""
        folders = {path.parent.name for path in self._store.root.glob("tables/*/*.parquet")}
        self._check("table", name, [*catalogue().tables, *sorted(folders - catalogue().tables.keys())])
        if name in catalogue().tables:
            return self._reader.table(name)
        paths = sorted((self._store.root / "tables" / name).glob("*.parquet"))
        return pd.concat([read_rows(path) for path in paths], ignore_index=True)

    def _indices(self, part: str) -> Int64[np.ndarray, "image"]:
        self._check("part", part, PARTS)
        data = load_data(self.study)
        return data.probe if part == "probe" else data.split[part]

    def _check(self, what: str, wanted: object, choices: Collection[object]) -> None:
        if wanted in choices:
            return
        hint = nearest(wanted, map(str, choices)) if isinstance(wanted, str) else listed(choices)
        raise ValueError(f"study {self.study.name}: no {what} {wanted!r}; {hint}")


def open_study(name: str, *, home: str | Path = ".featcx") -> OpenStudy:
    """Open a registered study read-only. Raises StudyError if the home has no such study."""
    return OpenStudy(name, home=home)


def use_checkpoints(study: Study, *, home: str | Path = ".featcx") -> Store:
    """Register a study whose checkpoints another program writes, and read them; returns the study's store, as `train`.

    Checkpoints that cannot be used are named in the log. Raises StudyError where featcx trains the network itself, or
    no checkpoint can be used; else as `register`.
    """
    if not study.checkpoints.folder:
        raise StudyError(f"study {study.name}: featcx trains its network; state checkpoints.folder, or call train")
    store = register(study, home=home)
    surveyed = survey(store)
    for reason in surveyed.bad.values():
        logger.warning("%s", reason)
    if not surveyed.digests:
        raise StudyError(f"study {study.name}: no checkpoint in {whereabouts(store)} can be used")
    return store
