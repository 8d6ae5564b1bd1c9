"""Quality of a dictionary and properties of its codes, each from one pass over the images in chunks.

Which concepts are alive is decided here and nowhere else.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int

from featcx_core.arrays import Array, as_tensors
from featcx_core.features.moments import Chunks

FEWEST_ACTIVE = 10
"""Images of each probe half on which an alive concept's code is not zero; on fewer, its R² means nothing."""
_ROWS = 4096  # images whose reconstruction is held at once


class DictionaryQuality(NamedTuple):
    """Loss when z D replaces the activations, and sparsity of z."""

    relative_error: float
    """||A - Z D||_F / ||A||_F; 0 = exact."""
    explained_variance: float
    """1 - ||A - Z D||² / ||A - mean||²; 1 = exact, 0 = no better than the mean activation."""
    predictions_kept_fraction: float
    """Share of images whose top-1 class stays the same, among all outputs; the paper keeps more than 0.99."""
    predictions_kept_classes_fraction: float
    """Share whose class stays among the study's classes alone; NaN where no output is one of them."""
    logit_by_concepts: float
    """Mean of z D W_c, the concepts' part of the logit of the predicted class c."""
    logit_by_rest: float
    """Mean of (x - z D) W_c, what the concepts leave of it; the bias belongs to neither."""
    logit_carried_fraction: float
    """Part of the concepts / (part of the concepts + rest): 1 = all; NaN where both add up to nothing."""
    l0: float
    """Mean number of codes above zero in an image."""
    code_hoyer: float
    """Mean Hoyer sparsity of an image's codes, in [0, 1]; 1 = one concept; images without any code are left out."""


class CodeStatistics(NamedTuple):
    """Spread of each concept's code over images."""

    prevalence_fraction: Float[Array, " concept"]
    """Share of images whose code is above zero."""
    variance: Float[Array, " concept"]
    """Population variance of the code, float64."""


def dictionary_quality(
    acts: Float[Array, "image unit"],
    codes: Float[Array, "image concept"],
    atoms: Float[Array, "concept unit"],
    head_weight: Float[Array, "unit class"],
    head_bias: Float[Array, " class"],
    *,
    class_outputs: Sequence[Sequence[int]] = (),
) -> DictionaryQuality:
    """Compare the activations with their reconstruction z D, and the head's predictions from both.

    Sums are float64 (on the CPU where a device has none). `class_outputs` are the outputs of each class.

    Raises:
        ValueError: If the numbers of images, units or concepts of the arrays do not fit together.

    Source: Fel et al. 2024, §2.

    >>> import numpy as np
    >>> acts, codes = np.eye(2), np.array([[1.0, 0.0], [0.0, 0.5]])
    >>> round(dictionary_quality(acts, codes, np.eye(2), np.eye(2), np.zeros(2)).relative_error, 3)   # 0.5 / √2
    0.354
    """
    starts = range(0, max(len(acts), len(codes)), _ROWS)
    chunks = ((acts[i : i + _ROWS], codes[i : i + _ROWS]) for i in starts)
    return dictionary_quality_streamed(chunks, atoms, head_weight, head_bias, class_outputs=class_outputs)


def dictionary_quality_streamed(
    chunks: Chunks,
    atoms: Float[Array, "concept unit"],
    head_weight: Float[Array, "unit class"],
    head_bias: Float[Array, " class"],
    *,
    class_outputs: Sequence[Sequence[int]] = (),
) -> DictionaryQuality:
    """`dictionary_quality` for more images than memory holds: chunks (acts, codes), one after the other."""
    (d, weight, bias), _ = as_tensors(atoms, head_weight, head_bias)
    device = torch.device("cpu") if d.device.type == "mps" else d.device
    d, weight, bias = (t.to(device, torch.float64) for t in (d, weight, bias))
    among = torch.tensor([output for held in class_outputs for output in held], dtype=torch.int64, device=device)
    sizes = torch.tensor([len(held) for held in class_outputs], dtype=torch.int64, device=device)
    class_of = torch.arange(len(sizes), device=device).repeat_interleave(sizes)
    error, energy, kept, of_classes, carried, rest, active, sparsity = torch.zeros(8, device=device, dtype=d.dtype)
    n_coded = n = 0
    mean, variance = torch.zeros(2, d.shape[1], device=device, dtype=torch.float64)
    for chunk in chunks:
        (x, z), _ = as_tensors(*chunk)
        if (len(x), len(d), x.shape[1], weight.shape[1]) != (len(z), z.shape[1], d.shape[1], len(bias)):
            shapes = [tuple(t.shape) for t in (x, z, d, weight, bias)]
            raise ValueError(
                f"wanted acts (image, unit), codes (image, concept), atoms (concept, unit), head, got {shapes}"
            )
        x, z = x.to(device, torch.float64), z.to(device, torch.float64)
        rebuilt = z @ d
        error += (x - rebuilt).square().sum()
        energy += x.square().sum()
        logits, of_rebuilt = x @ weight + bias, rebuilt @ weight + bias
        predicted = logits.argmax(dim=1)
        kept += (predicted == of_rebuilt.argmax(dim=1)).sum()
        if len(among):
            says, of_concepts = (class_of[part[:, among].argmax(dim=1)] for part in (logits, of_rebuilt))
            of_classes += (says == of_concepts).sum()
        of_predicted = weight.T[predicted]
        carried += (rebuilt * of_predicted).sum()
        rest += ((x - rebuilt) * of_predicted).sum()
        coded = z[(z > 0).any(dim=1)]
        active += (z > 0).sum()
        sparsity += hoyer(coded).sum()
        n_coded += len(coded)
        n, mean, variance = _merged(n, mean, variance, x)
    return DictionaryQuality(
        relative_error=float((error / energy).sqrt()),
        explained_variance=float(1 - error / (n * variance.sum())),
        predictions_kept_fraction=float(kept / n),
        predictions_kept_classes_fraction=float(of_classes / n) if len(among) else math.nan,
        logit_by_concepts=float(carried / n),
        logit_by_rest=float(rest / n),
        logit_carried_fraction=float(carried / (carried + rest)) if carried + rest else math.nan,
        l0=float(active / n),
        code_hoyer=float(sparsity / n_coded) if n_coded else float("nan"),
    )


def code_statistics(codes: Iterable[Float[Array, "_ concept"]]) -> CodeStatistics:
    """Return prevalence and variance of every concept from chunks of codes, cut anywhere.

    Raises:
        ValueError: If there is no chunk.

    >>> import numpy as np
    >>> statistics = code_statistics([np.array([[0.0]]), np.array([[2.0], [4.0]])])
    >>> statistics.prevalence_fraction.round(3).tolist(), statistics.variance.round(3).tolist()
    ([0.667], [2.667])
    """
    n, mean, variance, active = 0, torch.zeros(()), torch.zeros(()), torch.zeros((), dtype=torch.int64)
    restore = None
    for chunk in codes:
        (z,), restore = as_tensors(chunk)
        z = z.cpu().double()
        active = active + (z > 0).sum(dim=0)
        n, mean, variance = _merged(n, mean, variance, z)
    if restore is None:
        raise ValueError("wanted at least one chunk of codes, got none")
    return CodeStatistics(restore(active.double() / n), restore(variance))


def hoyer(atoms: Float[Array, "concept unit"]) -> Float[Array, " concept"]:
    """Return the sparsity of each row, (√n - ||d||₁ / ||d||₂) / (√n - 1), n its length.

    In [0, 1], 1 = a single entry, 0 = all entries equal in size; free of scale; NaN for a row of zeros.

    Raises:
        ValueError: If rows have fewer than two entries.

    Source: Hoyer 2004; Fel et al. 2024, App. I.

    >>> import numpy as np
    >>> hoyer(np.array([[0.0, 2.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [3.0, 4.0, 0.0, 0.0]])).round(3).tolist()
    [1.0, 0.0, 0.6]
    """
    (rows,), restore = as_tensors(atoms)
    if rows.shape[1] < 2:
        raise ValueError(f"wanted rows of at least two entries, got {tuple(rows.shape)}")
    root = rows.shape[1] ** 0.5
    ratio = torch.linalg.vector_norm(rows, ord=1, dim=1) / torch.linalg.vector_norm(rows, dim=1)
    return restore((root - ratio) / (root - 1))


def random_hoyer(n_units: int) -> float:
    """Return the mean of `hoyer` over directions drawn uniformly, non-negative or of either sign.

    (√n - E‖u‖₁) / (√n - 1), with E‖u‖₁ = n Γ(n/2) / (√π Γ((n+1)/2)) for u uniform on the sphere in n dimensions.

    Raises:
        ValueError: If there are fewer than two units.

    >>> round(random_hoyer(2), 3)   # over a quarter of a circle: (√2 - 4/π) / (√2 - 1)
    0.34
    """
    if n_units < 2:
        raise ValueError(f"wanted at least two units, got {n_units}")
    gammas = math.exp(math.lgamma(n_units / 2) - math.lgamma((n_units + 1) / 2))
    root = math.sqrt(n_units)
    return (root - n_units * gammas / math.sqrt(math.pi)) / (root - 1)


def alive(
    codes_fit: Float[Array, "image_fit concept"], codes_score: Float[Array, "image_score concept"]
) -> Bool[Array, " concept"]:
    """Return which concepts are alive, `is_alive`, from the codes of both halves."""
    return is_alive(count_active(codes_fit), count_active(codes_score))


def count_active(codes: Float[Array, "image concept"]) -> Int[Array, " concept"]:
    """Return on how many images each concept's code is not zero; counts of chunks add up.

    >>> import numpy as np
    >>> count_active(np.array([[1.0, 0.0], [2.0, 3.0]])).tolist()
    [2, 1]
    """
    (z,), restore = as_tensors(codes)
    return restore(z.count_nonzero(dim=0))


def is_alive(n_active_fit: Int[Array, " concept"], n_active_score: Int[Array, " concept"]) -> Bool[Array, " concept"]:
    """Return which concepts are alive: active on at least 10 images of the fit half and 10 of the score half.

    A dead concept has no meaningful R²: it keeps its rows, with null scores.

    Args:
        n_active_fit: Images of the fit half on which each code is not zero (`count_active`).
        n_active_score: The same of the score half.

    >>> import numpy as np
    >>> is_alive(np.array([10, 9, 400]), np.array([12, 50, 0])).tolist()
    [True, False, False]
    """
    (fit, score), restore = as_tensors(n_active_fit, n_active_score)
    return restore((fit >= FEWEST_ACTIVE) & (score >= FEWEST_ACTIVE))


def _merged(
    n: int, mean: torch.Tensor, variance: torch.Tensor, rows: torch.Tensor
) -> tuple[int, torch.Tensor, torch.Tensor]:
    """Return count, mean and population variance of all rows so far and these (Chan, Golub & LeVeque 1979)."""
    total = n + len(rows)
    change = rows.mean(dim=0) - mean
    spread = rows.var(dim=0, correction=0) * len(rows) + change.square() * (n * len(rows) / total)
    return total, mean + change * (len(rows) / total), (variance * n + spread) / total
