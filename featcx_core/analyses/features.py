"""An epoch's dictionary and the codes of its probe images, with the controls that stand beside them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd
import torch
import zarr
from jaxtyping import Float

from featcx_core.checkpoints.survey import fingerprints, read_head
from featcx_core.features.activations import class_positions, open_activations
from featcx_core.features.dictionary import Dictionary, fit_class_dictionaries, random_atoms
from featcx_core.features.method import dictionary_method
from featcx_core.features.nnls import Encoder
from featcx_core.features.quality import CodeStatistics, code_statistics, dictionary_quality_streamed, hoyer
from featcx_core.images.data import load_data, refuse_too_many_atoms
from featcx_core.networks.models import sums_device
from featcx_core.store.places import Store, epoch_key
from featcx_core.store.tables import KINDS
from featcx_core.study.fields import Study

Stored: TypeAlias = "zarr.Array[Any]"

N_RANDOM_DIRECTIONS = 100
_IMAGES_AT_ONCE = 512
_ARRAYS = ("atoms", "class_of", "relative_error", "n_iterations", "dead")  # of a dictionary
_STORED_AS = {"shuffled": "concept"}


def make_dictionary(store: Store, *, epoch: int, device: str = "auto", batch_size: int = 256) -> Dictionary:
    """Fit an epoch's dictionary on the positions of its dictionary images and commit it.

    Raises StudyError where a class has fewer images than atoms, the layer fewer units, or the method cannot be used.
    """
    study, data, fingerprint = store.study, load_data(store.study), fingerprints(store).of("dictionary", epoch)
    refuse_too_many_atoms(study, data, units=store.anatomy.n_units)
    method = dictionary_method(study, store.anatomy)
    n_classes = len(data.class_names)
    classes = range(n_classes) if study.dictionary.scope == "class" else [-1]
    where, samples = sums_device(device), class_positions(store, epoch=epoch, device=device, batch_size=batch_size)
    dictionary = fit_class_dictionaries(
        (torch.from_numpy(rows).to(where) for rows in samples),
        n_atoms=study.dictionary.atoms_per_class,
        classes=list(classes),
        method=method,
        seed=study.seed,
    )
    arrays = {name: torch.as_tensor(getattr(dictionary, name)).cpu().numpy() for name in _ARRAYS}
    dictionary = Dictionary(method=dictionary.method, **arrays)
    with store.writing(store.dictionary(epoch), fingerprint=fingerprint) as draft:
        group = zarr.create_group(store=str(draft), attributes={"method": dictionary.method})
        for name, array in arrays.items():
            group.create_array(name, data=array)
    return dictionary


def read_dictionary(store: Store, *, epoch: int) -> Dictionary:
    """An epoch's committed dictionary. Raises ValueError when there is none."""
    group = _committed(store, "dictionary", epoch)
    arrays = {name: np.asarray(group[name]) for name in _ARRAYS}
    return Dictionary(method=str(group.attrs["method"]), **arrays)


def make_codes(store: Store, *, epoch: int, device: str = "auto") -> pd.DataFrame:
    """Encode the probe images in an epoch's dictionary, commit the codes and write `concepts` and `dictionaries`.

    Beside the concepts' codes: those of random directions (same encoder; of either sign where the atoms are) and the
    class logits. Returns the row of `dictionaries`.
    """
    study, anatomy, fingerprint = store.study, store.anatomy, fingerprints(store).of("codes", epoch)
    dictionary = read_dictionary(store, epoch=epoch)
    acts = open_activations(store, epoch=epoch, layer=anatomy.penultimate)
    weight, bias = read_head(store, epoch=epoch)
    n_fit, kkt, where = int(cast(int, acts.attrs["n_fit"])), 0.0, sums_device(device)
    encode, encode_random = encoders(study, dictionary, device=device).values()
    with store.writing(store.codes(epoch), fingerprint=fingerprint) as draft:
        group = zarr.create_group(store=str(draft), attributes={"n_fit": n_fit})
        widths = {"concept": len(dictionary.atoms), "random_direction": N_RANDOM_DIRECTIONS, "class_logit": len(bias)}
        for kind, width in widths.items():
            shape, chunks = (acts.shape[0], width), (min(_IMAGES_AT_ONCE, acts.shape[0]), width)
            group.create_array(kind, shape=shape, chunks=chunks, dtype="float32")
        stored = {kind: _array(group, kind) for kind in widths}
        for start in range(0, acts.shape[0], _IMAGES_AT_ONCE):
            chunk = np.asarray(acts[start : start + _IMAGES_AT_ONCE], dtype=np.float32)
            rows = slice(start, start + len(chunk))
            x = torch.from_numpy(chunk).to(where)
            concepts = encode(x)
            kkt = max(kkt, float(concepts.kkt_residual.max()))
            stored["concept"][rows] = concepts.codes.cpu().numpy()
            stored["random_direction"][rows] = encode_random(x).codes.cpu().numpy()
            stored["class_logit"][rows] = chunk @ weight + bias
    _write_concepts(store, epoch, dictionary, fingerprint=fingerprint)
    return _write_quality(store, epoch, dictionary, kkt=kkt, fingerprint=fingerprint)


def encoders(study: Study, dictionary: Dictionary, *, device: str = "auto") -> dict[str, Encoder]:
    """What finds an image's codes, by kind: of the concepts, and of the random directions, each kind by itself.

    The directions follow from the seed and the number of units, so they are the same whenever they are asked for.
    """
    is_signed, n_units = bool((dictionary.atoms < 0).any()), dictionary.atoms.shape[1]
    directions = random_atoms(N_RANDOM_DIRECTIONS, n_units, seed=study.seed, is_signed=is_signed)
    penalties, where = {"l1": study.dictionary.l1, "l2": study.dictionary.l2}, sums_device(device)
    atoms = {"concept": dictionary.atoms, "random_direction": directions}
    return {kind: Encoder(torch.from_numpy(rows).to(where), **penalties) for kind, rows in atoms.items()}


def open_codes(store: Store, *, epoch: int) -> Stored:
    """Codes of the probe images, (image, concept); the first `n_fit` rows are the fit half."""
    return _array(_committed(store, "codes", epoch), "concept")


@dataclass(frozen=True)
class CodeReader:
    """Codes of every kind, side by side, rows by rows."""

    stored: dict[str, Stored]
    """The epoch's committed codes, by kind; `shuffled` reads the concepts', `unit` the penultimate activations."""
    n_fit: int
    """Images of the fit half."""
    kinds: tuple[str, ...]
    """Which kinds, in order."""
    shift: int
    """`shuffled`: image i gets the code of the image `shift` further, within its half (their order is random)."""

    @classmethod
    def open(cls, store: Store, *, epoch: int, kinds: tuple[str, ...] = KINDS) -> "CodeReader":
        """The committed codes of an epoch. Raises ValueError when there are none."""
        group = _committed(store, "codes", epoch)
        units = open_activations(store, epoch=epoch, layer=store.anatomy.penultimate)
        n_fit = int(cast(int, group.attrs["n_fit"]))
        shortest = min(n_fit, units.shape[0] - n_fit)
        shift = int(np.random.default_rng(store.study.seed).integers(shortest // 4 + 1, 3 * shortest // 4 + 1))
        stored = {kind: units if kind == "unit" else _array(group, _STORED_AS.get(kind, kind)) for kind in kinds}
        return cls(stored, n_fit, kinds, shift)

    @property
    def n_images(self) -> int:
        """Probe images."""
        return int(self.stored[self.kinds[0]].shape[0])

    @property
    def widths(self) -> dict[str, int]:
        """Codes of each kind."""
        return {kind: int(self.stored[kind].shape[1]) for kind in self.kinds}

    @property
    def columns(self) -> pd.DataFrame:
        """Kind and number of every column."""
        parts = [pd.DataFrame({"kind": kind, "concept": np.arange(width)}) for kind, width in self.widths.items()]
        return pd.concat(parts, ignore_index=True)

    def rows(self, start: int, stop: int) -> Float[np.ndarray, "image concept"]:
        """Codes of the images from start up to stop, which lie in one half."""
        return np.concatenate([self._rows(kind, start, stop) for kind in self.kinds], axis=1)

    def _rows(self, kind: str, start: int, stop: int) -> np.ndarray:
        codes = self.stored[kind]
        if kind != "shuffled":
            return np.asarray(codes[start:stop], dtype=np.float32)
        low, high = self._half(start)
        first = low + (start - low + self.shift) % (high - low)
        ahead = np.asarray(codes[first : min(high, first + stop - start)])
        return np.concatenate([ahead, np.asarray(codes[low : low + stop - start - len(ahead)])])

    def _half(self, image: int) -> tuple[int, int]:
        return (0, self.n_fit) if image < self.n_fit else (self.n_fit, self.n_images)

    def chunks(self, half: str) -> Iterator[tuple[int, int]]:
        """Rows of the `fit` or `score` half, a chunk at a time."""
        low, high = (0, self.n_fit) if half == "fit" else (self.n_fit, self.n_images)
        return ((start, min(high, start + _IMAGES_AT_ONCE)) for start in range(low, high, _IMAGES_AT_ONCE))

    def alive(self) -> np.ndarray:
        """(column,) whether a code is non-zero on enough images of both halves to be measured."""
        active = {
            half: sum(np.count_nonzero(self.rows(*chunk), axis=0) for chunk in self.chunks(half))
            for half in ("fit", "score")
        }
        return np.asarray((active["fit"] >= 10) & (active["score"] >= 10))

    def statistics(self) -> CodeStatistics:
        """Prevalence and variance of every column over all images."""
        return code_statistics(self.rows(*chunk) for half in ("fit", "score") for chunk in self.chunks(half))


def _write_concepts(store: Store, epoch: int, dictionary: Dictionary, *, fingerprint: str) -> None:
    names = load_data(store.study).class_names
    reader = CodeReader.open(store, epoch=epoch, kinds=("concept",))
    statistics = reader.statistics()
    frame = pd.DataFrame(
        {
            "epoch": epoch,
            "concept": np.arange(len(dictionary.atoms)),
            "class_id": dictionary.class_of,
            "class_name": ["all" if c < 0 else names[c] for c in dictionary.class_of],
            "prevalence_fraction": statistics.prevalence_fraction,
            "variance": statistics.variance,
            "hoyer": hoyer(dictionary.atoms),
            "alive": reader.alive(),
        }
    )
    store.write_table("concepts", epoch_key(epoch), frame, fingerprint=fingerprint)


def _write_quality(store: Store, epoch: int, dictionary: Dictionary, *, kkt: float, fingerprint: str) -> pd.DataFrame:
    weight, bias = read_head(store, epoch=epoch)
    acts = open_activations(store, epoch=epoch, layer=store.anatomy.penultimate)
    reader = CodeReader.open(store, epoch=epoch, kinds=("concept",))
    chunks = (
        (np.asarray(acts[slice(*chunk)], dtype=np.float32), reader.rows(*chunk))
        for half in ("fit", "score")
        for chunk in reader.chunks(half)
    )
    quality = dictionary_quality_streamed(chunks, dictionary.atoms, weight, bias)
    concepts = store.read_partition("concepts", epoch_key(epoch))
    frame = pd.DataFrame(
        {
            "epoch": [epoch],
            "method": [dictionary.method],
            "n_concepts": [len(dictionary.atoms)],
            "relative_error": [quality.relative_error],
            "explained_variance": [quality.explained_variance],
            "predictions_kept_fraction": [quality.predictions_kept_fraction],
            "l0": [quality.l0],
            "code_hoyer": [quality.code_hoyer],
            "dead": [int((~concepts["alive"]).sum())],
            "kkt_residual": [kkt],
            "fit_relative_error": [float(np.sqrt(np.mean(np.square(dictionary.relative_error))))],
        }
    )
    store.write_table("dictionaries", epoch_key(epoch), frame, fingerprint=fingerprint)
    return frame


def _array(group: zarr.Group, name: str) -> Stored:
    return cast(Stored, group[name])


def _committed(store: Store, asset: str, epoch: int) -> zarr.Group:
    folder = store.dictionary(epoch) if asset == "dictionary" else store.codes(epoch)
    if store.committed(folder) is None:
        raise ValueError(f"epoch {epoch}: no {asset} yet at {folder}; materialise {asset} first")
    return zarr.open_group(str(folder), mode="r")
