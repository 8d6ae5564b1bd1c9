"""Random features and the radial kernel from their definitions, image by image, in float64."""

import itertools
import math

import numpy as np


def median_distance(acts):
    return np.median([math.dist(a, b) for a, b in itertools.combinations(np.asarray(acts, float), 2)])


def kernel(acts, width):
    return np.array([[math.exp(-(math.dist(a, b) ** 2) / (2 * width**2)) for b in acts] for a in acts])


def features(acts, frequencies, phases):
    n = len(phases)
    return np.array(
        [
            [math.sqrt(2 / n) * math.cos(x @ w + b) for w, b in zip(frequencies.T, phases, strict=True)]
            for x in np.asarray(acts, float)
        ]
    )
