"""Predictions that change without a concept."""

import numpy as np
import pytest

from featcx_core.measures import flips as module
from featcx_core.measures.flips import flips


def world(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    codes = chance.random((30, 12)).astype(np.float32)
    codes[codes < 0.5] = 0
    effects = chance.normal(size=(12, 4)).astype(np.float32)
    return codes, (codes @ effects + chance.normal(0, 0.3, (30, 4))).astype(np.float32), effects


def test_they_are_those_of_logits_without_the_concepts_part_one_by_one():
    codes, logits, effects = world()
    wanted = []
    for image in range(30):
        for concept in np.flatnonzero(codes[image]):
            left = [
                float(logits[image, k]) - float(codes[image, concept]) * float(effects[concept, k]) for k in range(4)
            ]
            before, after = max(range(4), key=lambda k: logits[image, k]), max(range(4), key=left.__getitem__)
            if before != after:
                wanted.append((image, concept, codes[image, concept], before, after))
    assert 20 < len(wanted) < 180
    assert [tuple(row) for row in zip(*flips(codes, logits, effects), strict=True)] == wanted


def test_it_does_not_matter_how_many_are_computed_at_once(monkeypatch: pytest.MonkeyPatch):
    whole = flips(*world())
    monkeypatch.setattr(module, "_VALUES_AT_ONCE", 5)
    assert all(np.array_equal(a, b) for a, b in zip(whole, flips(*world()), strict=True))


def test_what_is_not_active_or_moves_all_logits_alike_flips_nothing():
    codes, logits, effects = world()
    assert not len(flips(0 * codes, logits, effects).images)
    assert not len(flips(codes, logits, np.ones_like(effects)).images)
