"""Intervals over images as the tables have them, of one draw of the probe images."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import pearsonr, rankdata

from featcx_core.features.by_group import GroupedSums
from featcx_core.features.kernels import KernelSums
from featcx_core.measures.branches import concept_cka_of_sums, concept_cka_without_each
from featcx_core.measures.complexity import complexity, complexity_interval
from featcx_core.measures.correlations import correlation
from featcx_core.measures.cross_fitted import CrossFitted, cross_fitted_of_sums
from featcx_core.measures.explained import explained
from featcx_core.measures.group_means import group_means
from featcx_core.measures.intervals import draw_groups, jackknife_interval
from featcx_core.measures.layer_information import layer_information
from featcx_core.measures.over_images import Redrawn, redraw, redraw_lack
from featcx_core.measures.sedimentation import sedimentation
from tests.coverage.worlds import Images, Population, World

GROUPS = 20
WEIGHTS = draw_groups(GROUPS, n_bootstrap=300, seed=0)
Ends = tuple[np.ndarray, np.ndarray]
_FEW = {"n_bootstrap": 20, "seed": 0}  # over concepts; not looked at here


class Measured(NamedTuple):
    """One draw of the images."""

    r2: np.ndarray
    """(layer, concept) R² on all images there are, of these readers: its mean over draws is the truth."""
    intervals: Mapping[str, Ends]
    """Low and high ends by statistic."""


def measure(world: World, population: Population, chance: np.random.Generator) -> Measured:
    """Draw the images of both halves, and measure."""
    fit, score = (world.draw(world.n_images, chance) for _ in range(2))
    halves = [list(zip(fit.layers, score.layers, strict=True)), (fit.codes, score.codes)]
    sums = [
        [GroupedSums.of(KernelSums, acts, codes, groups=GROUPS) for acts, codes in zip(layer, halves[1], strict=True)]
        for layer in halves[0]
    ]
    read = [cross_fitted_of_sums(*layer) for layer in sums]
    r2 = [
        (population.r2(i, acts, fit.codes, each.penalty) + population.r2(i, other, score.codes, each.penalty_swapped))
        / 2
        for i, (each, (acts, other)) in enumerate(zip(read, halves[0], strict=True))
    ]
    last = sums[-1]
    cka = concept_cka_of_sums(last[0].whole.merge(last[1].whole)).unbiased
    without = np.asarray(concept_cka_without_each(*last))
    drawn = redraw(cka, without, WEIGHTS).mean_interval(float(cka.mean()))
    intervals = {**_of_readers(read), **_of_concepts(read, fit, score, world)}
    return Measured(np.array(r2), intervals | {"mean CKA of a branch": _ends(*drawn)})


def truth(r2: np.ndarray, population: Population, world: World) -> dict[str, np.ndarray]:
    """Return what the intervals should hold, from the mean R² over draws of the readers."""
    information = r2.clip(0)
    k, gamma = 1 - information.mean(0), population.mean_code
    top = np.argsort(-gamma)[:10]
    prevalence = (population.codes > 0).mean(0)
    left = [rankdata(each) for each in (k, gamma, prevalence)]
    layers = information.mean(1)
    return {
        "R² before clipping": r2,
        "I_V": information,
        "K": k,
        "mean K": k.mean(),
        "mean K of the most important": k[top].mean(),
        "mean K of a group": k[: len(k) // 4].mean(),
        "share of K that groups explain": explained(k, _groups(len(k)), **_FEW).value,
        "mean I_V of a layer": layers,
        "its gain": layers[1:] - layers[0],
        "Γ": gamma,
        "K and Γ, Spearman": np.corrcoef(left[0], left[1])[0, 1],
        "K and Γ, prevalence fixed": _partial(*left),
        "K and Γ, Pearson": pearsonr(k, gamma).statistic,
        "mean CKA of a branch": population.cka[-1].mean(),
    }


def _of_readers(read: list[CrossFitted]) -> dict[str, Ends]:
    unclipped = np.array([(each.r2 + each.r2_swapped) / 2 for each in read])
    left_out = np.array([each.jackknife for each in read])
    information = np.array([each.v_information for each in read])
    return {
        "R² before clipping": jackknife_interval(unclipped, left_out),
        "I_V": (np.array([each.low_images for each in read]), np.array([each.high_images for each in read])),
        "K": complexity_interval(information, left_out),
    }


def _of_concepts(read: list[CrossFitted], fit: Images, score: Images, world: World) -> dict[str, Ends]:
    information, left_out = np.array([e.v_information for e in read]), np.array([e.jackknife for e in read])
    k, k_drawn = complexity(information), redraw_lack(information, left_out, WEIGHTS)
    codes, group = np.concatenate([fit.codes, score.codes]), np.tile(np.arange(world.n_images) % GROUPS, 2)
    gamma = codes.mean(0)
    gamma_left = np.stack([codes[group != g].mean(0) for g in range(GROUPS)], axis=1)
    pair = k_drawn, redraw(gamma, gamma_left, WEIGHTS)
    prevalence = (codes > 0).mean(0)
    prevalence_left = np.stack([(codes[group != g] > 0).mean(0) for g in range(GROUPS)], axis=1)
    three = [*pair, redraw(prevalence, prevalence_left, WEIGHTS)]
    everything, *shares = sedimentation(k, gamma, shares=(10 / len(k),), over_images=pair)
    layers = layer_information(information, left_out, WEIGHTS)
    groups = _groups(len(k))
    return {
        "mean K": _ends(everything.low_images, everything.high_images),
        "mean K of the most important": _ends(shares[0].low_images, shares[0].high_images),
        "mean K of a group": _over_images(group_means(k, groups, over_images=k_drawn, within=(0.0, 1.0))[0]),
        "share of K that groups explain": _over_images(explained(k, groups, over_images=k_drawn, **_FEW)),
        "mean I_V of a layer": (layers.low_images, layers.high_images),
        "its gain": (layers.gain_low_images[1:], layers.gain_high_images[1:]),
        "Γ": jackknife_interval(gamma, gamma_left),
        "K and Γ, Spearman": _correlation(k, gamma, pair, "spearman"),
        "K and Γ, prevalence fixed": _correlation(k, gamma, three, "spearman", controls=prevalence[:, None]),
        "K and Γ, Pearson": _correlation(k, gamma, pair, "pearson"),
    }


def _correlation(
    k: np.ndarray, gamma: np.ndarray, drawn: Sequence[Redrawn], method: str, controls: np.ndarray | None = None
) -> Ends:
    found = correlation(k, gamma, method=method, controls=controls, over_images=drawn, **_FEW)  # type: ignore[arg-type]
    return _over_images(found)


def _over_images(found: object) -> Ends:
    return _ends(found.low_images, found.high_images)  # type: ignore[attr-defined]


def _ends(low: float, high: float) -> Ends:
    return np.array(low), np.array(high)


def _groups(n: int) -> list[int]:
    return (np.arange(n) // (n // 4)).clip(0, 3).tolist()


def _partial(x: np.ndarray, y: np.ndarray, control: np.ndarray) -> float:
    """Correlation of the residuals of linear regressions on the control."""
    design = np.column_stack([np.ones_like(control), control])
    residuals = [each - design @ np.linalg.lstsq(design, each, rcond=None)[0] for each in (x, y)]
    return float(np.corrcoef(*residuals)[0, 1])
