"""Complexity, sums written out."""

import math


def complexity(v_information):
    n_layers, n_concepts = len(v_information), len(v_information[0])
    return [1 - sum(float(v_information[layer][i]) for layer in range(n_layers)) / n_layers for i in range(n_concepts)]


def standard_error(jackknife):
    """From the K of every group left out, concept by concept."""
    n_layers, n_concepts, n_groups = jackknife.shape
    errors = []
    for i in range(n_concepts):
        k = [1 - sum(jackknife[layer, i, g] for layer in range(n_layers)) / n_layers for g in range(n_groups)]
        mean = sum(k) / n_groups
        errors.append(math.sqrt((n_groups - 1) / n_groups * sum((value - mean) ** 2 for value in k)))
    return errors
