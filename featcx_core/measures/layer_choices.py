"""K over other choices of layers, and by other readers: whether the order of concepts hangs on that choice."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from featcx_core.measures.complexity import complexity
from featcx_core.measures.correlations import correlation
from featcx_core.measures.effective_layers import effective_layers
from featcx_core.measures.estimated import Estimated

FEWEST_CONCEPTS = 4
"""Living concepts below which there is no order to speak of."""


class Choice(NamedTuple):
    """K of all concepts by another choice of layers or reader, beside K itself."""

    n_layers: int
    """Layers that count."""
    effective_layers: float
    """How many different things they say about concepts: `effective_layers`; NaN below three concepts."""
    mean_complexity: float
    """Mean K of this choice over concepts."""
    with_complexity: Estimated
    """Spearman's correlation with K; 1 = the same order."""
    with_importance: Estimated
    """Spearman's correlation of K of this choice and Γ; NaN without Γ."""


def chosen_layers(layers: Sequence[str], stages: Sequence[object]) -> dict[str, list[str]]:
    """Return choices of layers by name: all, without the first, without the last, the last one of each stage.

    `stages` says of each layer which stage it is in. Choices of fewer than two layers are left out.

    >>> chosen_layers(["a", "b", "c"], [1, 1, 2])["one_a_stage"]
    ['b', 'c']
    """
    last = [
        layer for layer, stage, following in zip(layers, stages, [*stages[1:], None], strict=True) if stage != following
    ]
    choices = {
        "all": [*layers],
        "without_first": [*layers[1:]],
        "without_last": [*layers[:-1]],
        "one_a_stage": last,
    }
    return {name: chosen for name, chosen in choices.items() if name == "all" or len(chosen) > 1}


def compare_choices(
    information: Mapping[str, Float[np.ndarray, "_ concept"]],
    importance: Float[np.ndarray, "concept"] | None,
    *,
    n_bootstrap: int,
    seed: int,
) -> dict[str, Choice]:
    """Return K of each choice, with its rank correlations with K of the choice `all` and with importance.

    information: I_V (layer, concept) by choice; NaN for a dead concept. The intervals are over concepts.

    Raises:
        ValueError: no choice `all`.

    >>> some = np.linspace(0, 1, 10)
    >>> choices = compare_choices({"all": np.stack([some, some]), "one": some[None]}, 1 - some, n_bootstrap=100, seed=0)
    >>> choices["one"].with_complexity.value, choices["one"].with_importance.value
    (1.0, 1.0)
    """
    if "all" not in information:
        raise ValueError(f"wanted I_V of the choice 'all', got {', '.join(information) or 'none'}; try all layers in K")
    k = complexity(information["all"])
    gamma = np.full(len(k), np.nan) if importance is None else importance
    choices = {}
    for name, values in information.items():
        of_choice = complexity(values)
        n_alive = int((~np.isnan(of_choice)).sum())
        choices[name] = Choice(
            n_layers=len(values),
            effective_layers=effective_layers(values) if n_alive >= FEWEST_CONCEPTS else float("nan"),
            mean_complexity=float(np.nanmean(of_choice)) if n_alive else float("nan"),
            with_complexity=correlation(of_choice, k, n_bootstrap=n_bootstrap, seed=seed),
            with_importance=correlation(of_choice, gamma, n_bootstrap=n_bootstrap, seed=seed),
        )
    return choices
