"""The claims of the sources on generalising and memorising, judged over groups of studies with seeds.

Every interval is over studies: another network, trained alike.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from featcx_core.findings.claim import MARGIN_OF_CORRELATION, Claim, mark_of, unmeasured
from featcx_core.findings.evidence import Estimate, percent
from featcx_core.findings.generalising import group_estimate, most_random
from featcx_core.findings.rule import Expected, Marks
from featcx_core.measures.study_groups import StudyGroups

MARGIN_OF_FIT = 0.01
"""Training error below it counts as none."""


class _Trend(NamedTuple):
    """A claim on networks of the first group alone: one statistic and its wanted sign."""

    sign: str
    statement: str
    expected: Expected
    margin: float
    about: str


_TRENDS = (
    _Trend(
        "selectivity_and_importance", "How selective a unit is, is no guide to how important it is.",
        "zero", MARGIN_OF_CORRELATION, "Spearman of selectivity and the rise of the held-out loss without the unit",
    ),
    _Trend(
        "lateness_of_upper_layers", "Layers converge bottom-up.",
        "positive", 0.0, "Mean distance to the end over training, upper half of the layers less lower half",
    ),
    _Trend(
        "change_of_first_share", "The first component's share of a noisy group falls over training.",
        "negative", 0.0, "Change from the first to the last trained checkpoint, held-out images, mean over layers",
    ),
    _Trend(
        "change_of_second_share", "The second component's share of a noisy group rises over training.",
        "positive", 0.0, "Change from the first to the last trained checkpoint, held-out images, mean over layers",
    ),
    _Trend(
        "change_of_first_share_late", "The shares of a noisy group have come to rest by the last third of training.",
        "zero", 0.02, "Change of the first component's share over the last third, held-out images, mean over layers",
    ),
    _Trend(
        "first_share_last_layer_less_first", "Noise is filtered in later layers: the first share is larger there.",
        "positive", 0.0, "First component's share in the last layer less that in the first, held-out images",
    ),
)  # fmt: skip


def memorising_claims(by_group: pd.DataFrame, groups: StudyGroups) -> list[Claim]:
    """Return the claims that the groups can decide; nothing where labels are not corrupted.

    Those on networks of random labels compare the most random labels with true ones, with the smaller shares as
    controls; those on any network are judged on true labels, with the random ones as a control.
    """
    names = [name for name in groups.names if name in set(by_group["group_name"])]
    memoriser = most_random(groups, names)
    if not memoriser:
        return []
    between = [name for name in names if groups.random_share.get(name, 0.0) > 0 and name != memoriser]
    return [
        _random_labels_are_fitted(by_group, memoriser, between),
        _memorisers_lean_on_directions(by_group, names[0], memoriser, between),
        *_of_any_network(by_group, names[0], memoriser),
    ]


def _random_labels_are_fitted(by_group: pd.DataFrame, memoriser: str, between: Sequence[str]) -> Claim:
    """Judge the training error of networks of random labels: wanted within ±0.01."""
    statement = "Networks fit random labels as well as true ones."
    errors = {name: _error(group_estimate(by_group, "train_accuracy", name)) for name in (memoriser, *between)}
    if errors[memoriser].n == 0:
        return unmeasured(statement, "not measured: no accuracy on training images.")
    marks = {name: mark_of(error, expected="zero", margin=MARGIN_OF_FIT) for name, error in errors.items()}
    raw = marks.pop(memoriser)
    by_name = "; ".join(f"{name} {error}" for name, error in errors.items())
    test = group_estimate(by_group, "test_accuracy", memoriser)
    numbers = (
        f"Training error: {by_name}. On unseen images networks of {memoriser} are right on {percent(test.value)} %."
    )
    return Claim(statement, Marks(raw, marks), f"{numbers} Intervals over {errors[memoriser].n} studies.")


def _memorisers_lean_on_directions(by_group: pd.DataFrame, base: str, memoriser: str, between: Sequence[str]) -> Claim:
    """Judge the ablation area of random labels less that of true ones: wanted below zero."""
    statement = "Networks that memorise lean more on single directions: ablating units costs them more."
    apart = {
        name: group_estimate(by_group, "ablation_area", name, prefix="difference") for name in (memoriser, *between)
    }
    if apart[memoriser].n == 0:
        return unmeasured(statement, "not measured: it takes `ablation` of both, in pairs of the same seeds.")
    marks = {name: mark_of(found, expected="negative") for name, found in apart.items()}
    raw = marks.pop(memoriser)
    by_name = "; ".join(f"{name} {found}" for name, found in apart.items())
    numbers = (
        f"Area under the accuracy on training images as units are ablated, mean over layers: "
        f"{group_estimate(by_group, 'ablation_area', base)} with {base}. Difference, over pairs of studies: {by_name}."
    )
    return Claim(statement, Marks(raw, marks), numbers)


def _of_any_network(by_group: pd.DataFrame, base: str, memoriser: str) -> Iterator[Claim]:
    for trend in _TRENDS:
        estimates = {name: group_estimate(by_group, trend.sign, name) for name in (base, memoriser)}
        if estimates[base].n == 0:
            yield unmeasured(trend.statement, f"not measured: no study of {base} has it.")
            continue
        marks = {
            name: mark_of(found, expected=trend.expected, margin=trend.margin) for name, found in estimates.items()
        }
        by_name = "; ".join(f"{name} {found}" for name, found in estimates.items())
        numbers = f"{trend.about}, over studies: {by_name}."
        yield Claim(trend.statement, Marks(marks[base], {f"with {memoriser}": marks[memoriser]}), numbers)


def _error(accuracy: Estimate) -> Estimate:
    return Estimate(1 - accuracy.value, 1 - accuracy.high, 1 - accuracy.low, accuracy.n)
