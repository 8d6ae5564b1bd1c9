"""Pictures made to excite an epoch's concepts."""

from collections.abc import Iterator

import numpy as np
import torch
import zarr
from jaxtyping import Float
from PIL import Image

from featcx_core.analyses.features import read_dictionary
from featcx_core.checkpoints.survey import fingerprints
from featcx_core.features.activations import open_activations
from featcx_core.features.forward import Network, Tap, pooled
from featcx_core.features.visualisation import N_CROPS, Pictures, Spectrum, visualise
from featcx_core.findings.sheets import choose_concepts
from featcx_core.images.data import Data
from featcx_core.images.decoding import read_ahead
from featcx_core.images.visible import visible
from featcx_core.progress import Progress
from featcx_core.store.places import Store, epoch_key

SPECTRUM_IMAGES = 1000
"""Training images behind the fixed spectrum, at most."""
_AT_ONCE = 128  # crops in a batch, forwards and backwards
_ROWS_AT_ONCE = 4096  # probe images whose activations are held


def make_visualisation(
    store: Store, *, epoch: int, device: str = "auto", progress: Progress | None = None
) -> list[int]:
    """Make and commit a picture of concepts spread evenly over the ranks of the epoch's complexity; returns which.

    Raises ValueError where codes or complexity are missing, or no concept has a complexity; CheckpointError for an
    unusable checkpoint.
    """
    study, fingerprint = store.study, fingerprints(store).of("visualisation", epoch)
    scores = store.read_partition("complexity", epoch_key(epoch))
    chosen = choose_concepts(scores, epoch=epoch, n_concepts=study.visualisation.concepts)
    if not chosen:
        raise ValueError(
            f"epoch {epoch}: wanted a concept with a complexity to make a picture of, got none, all are active on too "
            'few probe images; try larger data.split.fit and data.split.score, or no "visualisation" in analyses.run'
        )
    atoms = read_dictionary(store, epoch=epoch).atoms[chosen]
    network = Network.load(store, epoch=epoch, device=device)
    found = _pictures(store, network, atoms, [study.seed * 1_000_003 + i for i in chosen], progress)
    arrays = {
        "concept": np.array(chosen, dtype=np.int64),
        **{name: np.asarray(part.cpu()) for name, part in found._asdict().items()},
        "best_image": _strongest(store, epoch, atoms),
    }
    with store.writing(store.visualisation(epoch), fingerprint=fingerprint) as draft:
        draft.mkdir()
        group = zarr.create_group(store=str(draft / "arrays.zarr"), attributes={"epoch": epoch})
        for name, array in arrays.items():
            group.create_array(name, data=array)
        for concept, pixels in zip(chosen, arrays["images"], strict=True):
            shown = (255 * visible(pixels).clip(0, 1)).round().astype(np.uint8)
            Image.fromarray(shown[0] if len(shown) == 1 else shown.transpose(1, 2, 0)).save(
                draft / f"{concept:06d}.png"
            )
    return chosen


def open_visualisation(store: Store, *, epoch: int) -> zarr.Group:
    """An epoch's pictures: arrays `images` (concept, channel, height, width), pixels about [0, 1] and not clipped,
    `concept`, `projection` and `start` (activations along the atom of the picture and of random phases) and
    `best_image` (the largest of the probe images).

    Raises ValueError when there are none.
    """
    folder = store.visualisation(epoch)
    if store.committed(folder) is None:
        raise ValueError(f"epoch {epoch}: no pictures yet at {folder}; materialise visualisation first")
    return zarr.open_group(str(folder / "arrays.zarr"), mode="r")


def _strongest(store: Store, epoch: int, atoms: Float[np.ndarray, "concept unit"]) -> Float[np.ndarray, "concept"]:
    """The largest activation along each atom over the probe images, some of which are held at a time."""
    acts = open_activations(store, epoch=epoch, layer=store.anatomy.penultimate)
    best = np.full(len(atoms), -np.inf, dtype=np.float32)
    for start in range(0, acts.shape[0], _ROWS_AT_ONCE):
        rows = np.asarray(acts[start : start + _ROWS_AT_ONCE], dtype=np.float32)
        best = np.maximum(best, (rows @ atoms.T).max(axis=0))
    return best


def _pictures(
    store: Store, network: Network, atoms: np.ndarray, seeds: list[int], progress: Progress | None
) -> Pictures:
    """Some concepts at a time, as many as fit in a batch."""
    data, where = network.data, network.device
    row = next(row for row in store.anatomy.layers if row.role == "penultimate")
    tap = Tap(row.layer, pooled(row, store.study.activations.pooling))
    mean, std = (torch.tensor(values, device=where)[:, None, None] for values in (data.mean, data.std))

    def acts(pixels: torch.Tensor) -> torch.Tensor:
        return network.through((pixels - mean) / std, tap)

    spectrum = Spectrum.of(lambda: _pixels(data))
    spectrum = Spectrum(*(part.to(where) for part in spectrum))
    network.model.requires_grad_(requires_grad=False)
    at_once = max(1, data.at_once(_AT_ONCE) // N_CROPS)
    parts = []
    for start in range(0, len(seeds), at_once):
        some = slice(start, start + at_once)
        directions, steps = torch.from_numpy(atoms[some]).to(where), store.study.visualisation.steps
        parts.append(visualise(acts, directions, spectrum, steps=steps, seeds=seeds[some], progress=progress))
    return Pictures(*(torch.cat(each) for each in zip(*parts, strict=True)))


def _pixels(data: Data) -> Iterator[torch.Tensor]:
    """Training images, pixels in [0, 1]."""
    rows, size = data.split["train"][:SPECTRUM_IMAGES], data.at_once(_AT_ONCE)
    for pixels in read_ahead(data.images, (rows[start : start + size] for start in range(0, len(rows), size))):
        yield torch.from_numpy(pixels).float() / 255
