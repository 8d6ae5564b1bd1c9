"""Pictures made to excite an epoch's concepts."""

from collections.abc import Iterator

import numpy as np
import torch
import zarr
from jaxtyping import Float
from PIL import Image

from featcx_core.analyses.activations import ACTIVATIONS
from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.artefacts.given import Given
from featcx_core.artefacts.partition import Partition
from featcx_core.features.forward import Network, Tap, pooled
from featcx_core.features.visualisation import N_CROPS, MagnitudeSpectrum, Pictures, visualise
from featcx_core.findings.sheets import choose_concepts
from featcx_core.images.data import StudyImages
from featcx_core.images.decoding import read_ahead
from featcx_core.images.visible import visible

SPECTRUM_IMAGES = 1000
"""Training images behind the fixed spectrum, at most."""
_AT_ONCE = 128  # crops in a batch, forwards and backwards
_ROWS_AT_ONCE = 4096  # probe images whose activations are held


def make_pictures(given: Given) -> Iterator[tuple[Partition, None]]:
    """Make a picture of concepts spread evenly over the ranks of the epoch's complexity.

    Written: `arrays.zarr` with `images` (concept, channel, height, width), pixels about [0, 1] and not clipped,
    `concept`, `projection` and `start` (activations along the atom of the picture and of random phases) and
    `best_image` (the largest of the probe images); a PNG file a concept.
    Raises ValueError where no concept has a complexity; CheckpointError for an unusable checkpoint.
    """
    study, epoch, (place,) = given.study, given.epoch, given.partitions
    scores = given.rows(COMPLEXITY, epoch=epoch)
    chosen = choose_concepts(scores, epoch=epoch, n_concepts=study.visualisation.concepts)
    if not chosen:
        raise ValueError(
            f"epoch {epoch}: wanted a concept with a complexity to make a picture of, got none, all are active on too "
            f"few probe images; try larger data.split.fit and data.split.score, or take it out of analyses.run"
        )
    atoms = read_dictionary(given, epoch=epoch).atoms[chosen]
    network = given.network(epoch=epoch, device=given.tools.device)
    pictures = _pictures(given, network, atoms, [study.seed * 1_000_003 + i for i in chosen])
    arrays = {
        "concept": np.array(chosen, dtype=np.int64),
        **{name: np.asarray(part.cpu()) for name, part in pictures._asdict().items()},
        "best_image": _strongest(given, atoms),
    }
    draft = given.draft(place)
    draft.mkdir()
    group = zarr.create_group(store=str(draft / "arrays.zarr"), attributes={"epoch": epoch})
    for name, array in arrays.items():
        group.create_array(name, data=array)
    for concept, pixels in zip(chosen, arrays["images"], strict=True):
        shown = (255 * visible(pixels).clip(0, 1)).round().astype(np.uint8)
        picture = Image.fromarray(shown[0] if len(shown) == 1 else shown.transpose(1, 2, 0))
        picture.save(draft / f"{concept:06d}.png")
    yield place, None


def _strongest(given: Given, atoms: Float[np.ndarray, "concept unit"]) -> Float[np.ndarray, "concept"]:
    """Return the largest activation along each atom over the probe images, some of which are held at a time."""
    acts = given.arrays(ACTIVATIONS, epoch=given.epoch, layer=given.anatomy.penultimate)
    best = np.full(len(atoms), -np.inf, dtype=np.float32)
    for start in range(0, acts.shape[0], _ROWS_AT_ONCE):
        rows = np.asarray(acts[start : start + _ROWS_AT_ONCE], dtype=np.float32)
        best = np.maximum(best, (rows @ atoms.T).max(axis=0))
    return best


def _pictures(given: Given, network: Network, atoms: np.ndarray, seeds: list[int]) -> Pictures:
    """Optimise some concepts at a time, as many as fit in a batch."""
    data, where = network.data, network.device
    row = next(row for row in given.anatomy.layers if row.role == "penultimate")
    tap = Tap(row.layer, pooled(row, given.study.activations.pooling))
    mean, std = (torch.tensor(values, device=where)[:, None, None] for values in (data.mean, data.std))

    def acts(pixels: torch.Tensor) -> torch.Tensor:
        return network.through((pixels - mean) / std, tap)

    spectrum = MagnitudeSpectrum.of(lambda: _pixels(data))
    spectrum = MagnitudeSpectrum(*(part.to(where) for part in spectrum))
    network.model.requires_grad_(requires_grad=False)
    at_once = max(1, data.at_once(_AT_ONCE) // N_CROPS)
    parts = []
    for start in range(0, len(seeds), at_once):
        some = slice(start, start + at_once)
        directions, steps = torch.from_numpy(atoms[some]).to(where), given.study.visualisation.steps
        parts.append(
            visualise(acts, directions, spectrum, steps=steps, seeds=seeds[some], progress=given.tools.progress)
        )
    return Pictures(*(torch.cat(each) for each in zip(*parts, strict=True)))


def _pixels(data: StudyImages) -> Iterator[torch.Tensor]:
    """Yield training images, pixels in [0, 1]."""
    rows, size = data.split["train"][:SPECTRUM_IMAGES], data.at_once(_AT_ONCE)
    for pixels in read_ahead(data.images, (rows[start : start + size] for start in range(0, len(rows), size))):
        yield torch.from_numpy(pixels).float() / 255
