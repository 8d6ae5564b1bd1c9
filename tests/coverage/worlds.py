"""Made-up worlds with a known truth: images without end, layers that see them, concepts from simple to complex."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

HIDDEN = 24
"""Causes behind an image."""
MANY = 40_000
"""Images that stand for all there are."""


class Images(NamedTuple):
    """Some images of a world."""

    layers: list[np.ndarray]
    """Activations (image, unit) of each layer."""
    codes: np.ndarray
    """(image, concept), sparse and never negative."""


class World:
    """Layers that see ever more of products of causes; concepts that are causes, products, or in between.

    Args:
        units: of each layer.
        n_concepts: how many.
        n_images: in each half of the probe images.
        noise: of the layers.
        seed: decides the world; images are drawn from a generator of their own.
    """

    def __init__(self, units: Sequence[int], *, n_concepts: int, n_images: int, noise: float, seed: int) -> None:
        chance, length = np.random.default_rng(seed), HIDDEN**0.5
        self.n_images, self.noise = n_images, noise
        self.causes = [chance.normal(size=(HIDDEN, n)) / length for n in units]
        self.products = [chance.normal(size=(HIDDEN, n)) / length for n in units]
        self.depth = np.linspace(0.1, 1, len(units))
        self.of_causes = chance.normal(size=(HIDDEN, n_concepts)) / length
        self.of_products = 2 * chance.normal(size=(HIDDEN, n_concepts)) / length
        self.complex = np.linspace(0, 1, n_concepts)
        self.threshold = chance.uniform(-0.2, 1.0, n_concepts)
        self.strength = np.exp(0.5 * chance.normal(size=n_concepts) - 0.8 * self.complex)

    def draw(self, n: int, chance: np.random.Generator) -> Images:
        """Draw images."""
        causes = chance.normal(size=(n, HIDDEN))
        products = np.tanh(1.5 * causes[:, ::-1] * causes)
        layers = [
            np.maximum(0, (1 - 0.7 * d) * (causes @ a) + 1.5 * d * (products @ b))
            + self.noise * chance.normal(size=(n, a.shape[1]))
            for d, a, b in zip(self.depth, self.causes, self.products, strict=True)
        ]
        before = (1 - self.complex) * (causes @ self.of_causes) + self.complex * (products @ self.of_products)
        return Images(layers, self.strength * np.maximum(0, before - self.threshold * before.std(0)))


WORLDS = {
    "500 images, 16 to 64 units": World([16, 32, 64], n_concepts=60, n_images=500, noise=0.3, seed=0),
    "80 images, 16 to 64 units": World([16, 32, 64], n_concepts=60, n_images=80, noise=0.3, seed=1),
    "150 images, 24 to 96 noisy units": World([24, 48, 96], n_concepts=100, n_images=150, noise=1.0, seed=2),
}


class Population:
    """Sums over all images there are, to score any reader without error."""

    def __init__(self, world: World, chance: np.random.Generator) -> None:
        images = world.draw(MANY, chance)
        self.mean_code, self.variance = images.codes.mean(0), images.codes.var(0)
        self.sums = [_sums(acts, images.codes) for acts in images.layers]
        self.cka = np.array([_cka(*each, self.variance) for each in self.sums])
        self.codes = images.codes

    def r2(self, layer: int, acts: np.ndarray, codes: np.ndarray, penalty: np.ndarray) -> np.ndarray:
        """Score the ridge readers of these images, with these penalties, on all images."""
        mean, square, cross = self.sums[layer]
        x, z = acts - acts.mean(0), codes - codes.mean(0)
        values, vectors = np.linalg.eigh(x.T @ x)
        weights = vectors @ (vectors.T @ (x.T @ z) / (values.clip(0)[:, None] + penalty))
        offset = self.mean_code - codes.mean(0) - (mean - acts.mean(0)) @ weights
        error = self.variance - 2 * (weights * cross).sum(0) + (weights * (square @ weights)).sum(0) + offset**2
        return 1 - error / self.variance


def _sums(acts: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, z = acts - acts.mean(0), codes - codes.mean(0)
    return acts.mean(0), x.T @ x / len(x), x.T @ z / len(x)


def _cka(mean: np.ndarray, square: np.ndarray, cross: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return (cross**2).sum(0) / (np.sqrt((square**2).sum()) * variance)
