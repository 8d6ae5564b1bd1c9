"""Samples of classes on their way into a dictionary: checked, and grouped to a bounded size."""

from collections.abc import Iterable, Iterator, Sequence

import torch

from featcx_core.arrays import Array, as_tensors

# Classes are factorised together up to this size: small classes share every step, large ones are streamed.
_GROUP_BYTES = 2**30


def checked(acts_by_class: Iterable[Array], *, classes: Sequence[int], n_atoms: int, method: str) -> Iterator[Array]:
    """Yield each class's samples once they can be fitted.

    Raises:
        ValueError: If activations are not finite, or negative for `nmf`, or there are more atoms than units or samples.
    """
    for label, acts in zip(classes, acts_by_class, strict=True):
        (samples,), _ = as_tensors(acts)
        name = "all images" if label == -1 else f"class {label}"
        broken = int((~torch.isfinite(samples)).sum())
        if broken:
            raise ValueError(f"wanted finite activations, got {broken} NaN or infinite values in {name}")
        negative = int((samples < 0).sum()) if method == "nmf" else 0
        if negative:
            raise ValueError(
                f"wanted activations >= 0 for nmf, got {negative} negative values in {name}; try the method semi_nmf"
            )
        if n_atoms > samples.shape[1]:
            raise ValueError(
                f"wanted at most as many atoms as units ({samples.shape[1]}), got {n_atoms} in {name}; try fewer atoms"
            )
        if n_atoms > len(samples):
            raise ValueError(
                f"wanted at least {n_atoms} samples in {name}, one per atom, got {len(samples)}; "
                "try fewer atoms or more images"
            )
        yield acts


def grouped(acts_by_class: Iterable[Array]) -> Iterator[list[Array]]:
    """Yield the arrays in order, in groups of at most 1 GB; a larger array is a group by itself."""
    group: list[Array] = []
    n_bytes = 0
    for acts in acts_by_class:
        if group and n_bytes + acts.nbytes > _GROUP_BYTES:
            yield group
            group, n_bytes = [], 0
        group.append(acts)
        n_bytes += acts.nbytes
    if group:
        yield group
