"""(j) The paper's size from measured rates: disk, memory and hours, on this machine and on one H100, step by step."""

from typing import NamedTuple

import torch
from torchvision.models import resnet50

from featcx_core.features.nmf import nmf
from featcx_core.features.nnls import Encoder
from tests.benchmarks.coding import of_classes
from tests.benchmarks.factorisation import planted as planted_acts
from tests.benchmarks.pairs import best, product_rate, timed
from tests.benchmarks.table import Row

EPOCHS, LAYERS, CONCEPTS, PROBE, CLASSES, ATOMS = 90, 17, 10_000, 20_000, 1_000, 10
GROUPS = 20
"""Of probe images, in the jackknife."""
SETS = 2 * (1 + GROUPS + 2)
"""Sets of images on which readers are fitted: either half, without each group, and its two halves."""
UNITS = (64, *[256] * 3, *[512] * 4, *[1024] * 6, *[2048] * 3)
"""Stem and the 16 blocks of ResNet-50; the last, pooled, is what the head reads."""
PER_CLASS, POSITIONS = 500, 49
COLUMNS = 4 * CONCEPTS + UNITS[-1] + CLASSES
"""Codes of the epoch's own and the reference concepts, shuffled too, and the other controls."""
FORWARD = 2 * 4.09e9
"""Operations of ResNet-50 on an image of 224 px (torchvision's count of 4.09 G multiply-adds)."""


class H100(NamedTuple):
    """NVIDIA's data sheet, SXM, dense; a step is taken to reach half of each, an eigendecomposition a twentieth."""

    fp32: float = 67e12
    fp64: float = 67e12
    memory: float = 3.35e12


class Step(NamedTuple):
    """A step of one epoch."""

    name: str
    here: float
    """Seconds on this machine, from measured rates."""
    there: float
    """Seconds on an H100, from counted operations and bytes."""


def measure(device: str) -> list[Row]:
    """Hours of each step over all epochs, and what lies on disk and in memory."""
    steps = [_forward(device), _nmf(device), _nnls(device), *_information(device)]
    rows = [
        Row(
            "j",
            f"paper's size, {step.name}",
            f"{step.here * EPOCHS / 3600:,.1f} h",
            f"{step.there * EPOCHS / 3600:,.2f} h (one H100, by counted operations and bytes)",
        )
        for step in steps
    ]
    here, there = (sum(getattr(step, place) for step in steps) * EPOCHS / 3600 for place in ("here", "there"))
    slowest, slowest_there = (max(steps, key=lambda s: getattr(s, place)).name for place in ("here", "there"))
    without_groups = GROUPS * UNITS[-1] * (CONCEPTS + UNITS[-1])  # at the first and the reference epoch
    disk = 4 * (EPOCHS * (PROBE * sum(UNITS) + PROBE * CONCEPTS + CONCEPTS * UNITS[-1]) + 2 * without_groups)
    by_group = 2 * GROUPS * UNITS[-1] * (CONCEPTS + UNITS[-1]) + 2 * SETS * UNITS[-1] ** 2  # as many columns at a time
    kept = max(3 * CONCEPTS**2, by_group) * 8
    streamed = PER_CLASS * POSITIONS * UNITS[-1] * 4
    total = Row(
        "j",
        f"paper's size, everything: {EPOCHS} epochs × {LAYERS} layers × {CONCEPTS:,} concepts × {PROBE:,} images",
        f"{here:,.0f} h",
        f"{there:,.1f} h (one H100)",
        note=f"binds here: {slowest}; on an H100: {slowest_there}. Disk {disk / 1e9:,.0f} GB before compression; "
        f"memory {(kept + streamed) / 1e9:.1f} GB (the larger of the codes' Gram matrices and a layer's sums by group of images, "
        f"{CONCEPTS:,} codes at a time; a class's positions)",
    )
    return [*rows, total]


def _forward(device: str) -> Step:
    images = PROBE + CLASSES * PER_CLASS  # the positions of the dictionary images are streamed, not kept
    model = resnet50(weights=None).to(device).eval().to(memory_format=torch.channels_last)
    batch = torch.rand(16, 3, 224, 224, device=device).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        model(batch)
        rate = len(batch) / best(lambda: model(batch))
    return Step(f"forward passes ({images:,} images an epoch)", images / rate, images * FORWARD / (H100().fp32 / 2))


def _nmf(device: str) -> Step:
    samples, units = PER_CLASS * POSITIONS, UNITS[-1]
    acts = torch.from_numpy(planted_acts(samples, units, seed=0)).to(device)
    found: list[int] = []
    seconds = timed(lambda: found.append(int(nmf([acts], n_atoms=ATOMS).n_iterations[0])))
    passes = found[-1] * 2 * samples * units * 4  # an iteration reads the activations twice
    return Step(f"NMF of {CLASSES:,} classes", CLASSES * seconds, CLASSES * passes / (H100().memory / 2))


def _nnls(device: str) -> Step:
    images, rounds = 64, 30  # of a search by working sets, at most; as many images as a block has take less each
    x, d = (torch.from_numpy(a).to(device) for a in of_classes(images, CONCEPTS, UNITS[-1]))
    made: list[Encoder] = []
    shared = timed(lambda: made.append(Encoder(d)))
    made[0](x[:1])  # makes what is made when it is first needed
    each = best(lambda: made[0](x), repeats=2) / images
    counted = PROBE * rounds * 4 * CONCEPTS * UNITS[-1]
    return Step(f"codes, {CONCEPTS:,} atoms", shared + PROBE * each, counted / (H100().fp32 / 2))


def _information(device: str) -> list[Step]:
    dtype = torch.float32 if device == "mps" else torch.float64
    rate, counted, solved = product_rate(dtype, device), 0.0, 0.0
    times: dict[int, float] = {}
    for u in UNITS:
        # X'X and X'Z of both halves; of each set of images the projections of both, the scores, and X'X in its vectors
        counted += 2 * (PROBE * (u * u + u * COLUMNS) + SETS * (3 * u * u * COLUMNS + 2 * u**3))
        if u not in times:
            a = torch.rand(u, 2 * u, dtype=dtype, device=device)
            square = a @ a.T
            times[u] = best(lambda square=square: torch.linalg.eigh(square), repeats=2)
        solved += times[u]
    operations = sum(9 * u**3 for u in UNITS)
    times_each = SETS + 1  # and of all images for the values as printed
    products = Step("V-information, products", counted / rate, counted / (H100().fp64 / 2))
    return [
        products,
        Step("V-information, eigendecompositions", times_each * solved, times_each * operations / (H100().fp64 / 20)),
    ]


assert len(UNITS) == LAYERS
