"""Examples of a concept: the images on which it is strongest, and the positions where it is active.

Letters: x activations of an image's positions (position, unit), D atoms (concept, unit), z codes (image, concept).
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.nnls import Encoder


class TopImages(NamedTuple):
    """Images on which each concept is strongest, strongest first."""

    images: Int[Array, "concept rank"]
    """Row of the image; -1 where the concept is active on fewer."""
    codes: Float[Array, "concept rank"]
    """Code of the concept on that image; 0 where there is none."""


def top_images(chunks: Iterable[Float[Array, "_ concept"]], *, n_images: int) -> TopImages:
    """Return each concept's strongest images from chunks of codes; of equal codes the earlier image counts.

    Memory holds one chunk and the strongest images so far, never all codes. The result is of the kind of the first
    chunk.

    Raises:
        ValueError: Without any chunk.

    >>> import numpy as np
    >>> top_images([np.array([[0.5, 0.0]]), np.array([[2.0, 0.0], [0.5, 1.0]])], n_images=2).images.tolist()
    [[1, 0], [2, -1]]
    """
    strongest: tuple[torch.Tensor, torch.Tensor] | None = None
    start = 0
    for chunk in chunks:
        (codes,), restore = as_tensors(chunk)
        rows = torch.arange(start, start + len(codes), device=codes.device)[:, None].expand_as(codes)
        if strongest is not None:
            codes, rows = torch.cat([strongest[0], codes]), torch.cat([strongest[1], rows])
        codes, order = codes.sort(dim=0, descending=True, stable=True)
        strongest = codes[:n_images], rows.gather(0, order)[:n_images]
        start += len(chunk)
    if strongest is None:
        raise ValueError("wanted codes of at least one image, got none")
    top, images = strongest[0].T, strongest[1].T
    return TopImages(restore(torch.where(top > 0, images, -1)), restore(top.clamp_min(0)))


def position_codes(
    acts: Float[Array, "image position unit"],
    atoms: Float[Array, "concept unit"],
    codes: Float[Array, "image concept"],
    pairs: Int[Array, "pair 2"],
    *,
    l1: float = 1e-3,
    l2: float = 1e-6,
) -> Float[Array, "pair position"]:
    """Return the code of a concept at every position of an image, for pairs of image and concept.

    Every position x of an image is encoded, min_{z >= 0} ½||x - z D||² + l1·||x||·Σ z + ½·l2·||z||², by the concepts
    that are active on the image. So a map locates the part of the image that its own code assigns to the concept, and
    the cost is that of the few active concepts, not of all 10,000.

    Args:
        acts: Activations of the images' positions.
        atoms: Atoms of unit norm.
        codes: The images' codes; positions are encoded by the concepts above zero.
        pairs: Row of `acts` and `codes`, and concept.
        l1: Sparsity penalty relative to ||x||; the same as of the codes.
        l2: Ridge penalty.

    Returns:
        Codes >= 0; zero where the concept is not active on the image. Higher = more of the concept at the position.

    Raises:
        ValueError: As `nnls`.

    Source: Fel et al. 2023, CRAFT (concept attribution maps).

    >>> import numpy as np
    >>> acts, codes = np.array([[[2.0, 0.0], [1.0, 3.0]]]), np.array([[1.5, 0.0]])
    >>> position_codes(acts, np.eye(2), codes, np.array([[0, 0], [0, 1]]), l1=0.0, l2=0.0).round(6).tolist()
    [[2.0, 1.0], [0.0, 0.0]]
    """
    (x, d, z, wanted), restore = as_tensors(acts, atoms, codes, pairs)
    maps = x.new_zeros(len(wanted), x.shape[1])
    is_active = z[wanted[:, 0], wanted[:, 1]] > 0
    for image in sorted(set(wanted[is_active, 0].tolist())):
        rows = (is_active & (wanted[:, 0] == image)).nonzero().flatten()
        active = z[image].nonzero().flatten()
        position_by_concept = Encoder(d[active], l1=l1, l2=l2)(x[image]).codes
        maps[rows] = position_by_concept[:, torch.searchsorted(active, wanted[rows, 1])].T
    return restore(maps)
