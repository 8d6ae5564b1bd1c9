"""The claims of Fel et al., Understanding Visual Feature Reliance through the Lens of Complexity (NeurIPS 2024),
each held against the numbers of one study."""

import math

import numpy as np
import pandas as pd

from featcx_core.figures.branches import nearness_to_residual, weigh_nearness
from featcx_core.findings.evidence import (
    CONTROLS,
    NOT_LEARNED,
    NOT_MEASURED,
    NOT_OF_CONCEPTS,
    STATUS_OF_VERDICT,
    Claim,
    Estimate,
    Expected,
    Status,
    band,
    correlation,
    difference,
    estimate,
    judge,
    not_measured,
    number,
    sedimentation_curve,
    smallest_top_group,
    weigh,
)
from featcx_core.findings.property_claims import property_claims
from featcx_core.findings.study_tables import StudyTables
from featcx_core.report.gallery import trained_epochs

KEPT = 0.99  # the paper: the dictionary keeps more than 99 % of the predictions
DECODE_TIME = 0.5  # the paper: the correlation of K and Λ is "nearing 0.5"
NEAR = 0.25  # what "near" may mean for a correlation
HOW_WELL = -0.8  # from this rank correlation with the final I_V on, Λ says little else
SETTLED = 0.25  # a curve has settled when, over its last third, it moves by less than this share of its range


def claims(tables: StudyTables, *, reference_epoch: int) -> list[Claim]:
    """All claims of the paper that the tables can decide, in the order of the report."""
    trained = trained_epochs(tables)
    return [
        dictionary_keeps_predictions(tables.dictionaries, reference_epoch=reference_epoch),
        complex_is_late(tables, reference_epoch=reference_epoch),
        layers_reveal_progressively(tables.layer_information, tables.layers, reference_epoch=reference_epoch),
        simple_by_the_residual(tables, reference_epoch=reference_epoch),
        simple_is_important_at_the_end(tables.correlations, trained=trained),
        no_trend_at_the_beginning(tables.correlations, trained=trained),
        mean_complexity_rises(tables.sedimentation),
        important_concepts_become_simpler(tables.sedimentation),
        *property_claims(tables, reference_epoch=reference_epoch),
    ]


def dictionary_keeps_predictions(dictionaries: pd.DataFrame, *, reference_epoch: int) -> Claim:
    """Top-1 predictions kept when the reconstruction replaces the penultimate activations: wanted > 99 %."""
    statement = "The dictionary keeps more than 99 % of the network's predictions."
    kept = dictionaries.loc[dictionaries["epoch"] == reference_epoch, "predictions_kept_fraction"].dropna()
    if kept.empty:
        return Claim(statement, "missing", "not measured.")
    share = float(kept.iloc[0])
    said = "holds here" if share > KEPT else "does not hold here"
    trained = dictionaries.loc[dictionaries["epoch"] > 0].dropna(subset=["predictions_kept_fraction"])
    finding = f"{said}: {number(100 * share, digits=1)} % kept at epoch {reference_epoch}."
    if len(trained) > 1:
        worst = trained.nsmallest(1, "predictions_kept_fraction")
        least = number(100 * float(worst["predictions_kept_fraction"].iloc[0]), digits=1)
        finding += f" Least of the trained epochs: {least} % at epoch {int(worst['epoch'].iloc[0])}."
    return Claim(statement, "seen" if share > KEPT else "absent", finding)


def complex_is_late(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """Spearman of K and Λ: wanted positive, raw and partial, and its raw interval between 0.25 and 0.75.

    Of Λ that tells when: from two trained checkpoints or more, and not by how well a concept is readable in the end.
    """
    statement = "Complex concepts are learned later: the correlation of K and Λ is near 0.5."
    if tables.epochs["epoch"].between(1, reference_epoch).sum() == 1:
        return Claim(statement, "missing", "not measured: with one trained checkpoint Λ cannot tell when.")
    raw = correlation(tables.correlations, epoch=reference_epoch, y="decode_time")
    partial = correlation(tables.correlations, epoch=reference_epoch, y="decode_time", controls=CONTROLS)
    status, said = weigh(raw, partial, expected="positive")
    size = ""
    if status in ("seen", "partly"):
        low, high = DECODE_TIME - NEAR, DECODE_TIME + NEAR
        least, most = raw.widest
        if low <= least and most <= high:
            size = f" The interval lies between {low} and {high}."
        elif least <= DECODE_TIME <= most:
            status, size = (
                "undecided",
                " The interval is too wide to say whether it is near 0.5; the sign is the paper's.",
            )
            said = f"the sign {said}"
        else:
            side = "above" if least > DECODE_TIME else "below"
            said = f"the sign {said}"
            status, size = (
                "partly",
                f" The interval reaches far {side} 0.5: the sign is the paper's, the strength is not.",
            )
    says_how_well, meant = _late_or_never(tables, reference_epoch)
    if status == "seen" and says_how_well:
        status, said = "partly", f"{said}, but by how well concepts are read in the end rather than when"
    return Claim(statement, status, f"{said}. {_correlations(raw, partial, reference_epoch)}{size}{meant}")


def _late_or_never(tables: StudyTables, reference_epoch: int) -> tuple[bool, str]:
    """Whether Λ tells little but how well a concept is readable in the end, not when; and a sentence of it."""
    shared = " K and Λ share one term (the penultimate layer at the reference epoch), which pulls them together."
    penultimate = set(tables.layers.loc[tables.layers["role"] == "penultimate", "layer"])
    own = tables.v_information[
        (tables.v_information["epoch"] == reference_epoch)
        & (tables.v_information["dictionary_epoch"] == reference_epoch)
        & (tables.v_information["kind"] == "concept")
        & tables.v_information["layer"].isin(penultimate)
    ]
    late = tables.decode_time[tables.decode_time["reference_epoch"] == reference_epoch]
    both = late.merge(own[["concept", "v_information"]], on="concept").dropna(subset=["decode_time", "v_information"])
    if len(both) < 3:
        return False, shared
    found = float(both["decode_time"].astype(float).corr(both["v_information"].astype(float), method="spearman"))
    if math.isnan(found):
        return False, shared
    mostly = ", so here it says how well rather than when" if found < HOW_WELL else ""
    first = both["first_epoch"].dropna()
    reached = f" The median concept reaches half of its final I_V by epoch {first.median():.0f}." if len(first) else ""
    return found < HOW_WELL, (
        f"{shared} Λ is high for what is read late, and also for what is never read well: its rank correlation with "
        f"the final I_V is {number(found)}{mostly}.{reached}"
    )


def simple_is_important_at_the_end(correlations: pd.DataFrame, *, trained: list[int]) -> Claim:
    """Spearman of K and Γ at the last trained epoch: wanted negative, raw and partial."""
    statement = "At the end of training the network relies on its simple concepts: K and Γ go against each other."
    if not trained:
        return Claim(statement, "missing", "not measured: no trained epoch.")
    raw, partial = _importance_correlations(correlations, epoch=trained[-1])
    status, said = weigh(raw, partial, expected="negative")
    before, before_partial = _importance_correlations(correlations, epoch=0)
    was, _ = weigh(before.over_concepts, before_partial.over_concepts, expected="negative")
    if {status, was} <= {"seen", "partly"}:
        status, said = "partly", f"{said}, but {NOT_LEARNED}"
    begun = f" Before training (epoch 0): {before}, partial {before_partial}." if before.n else ""
    return Claim(statement, status, f"{said}. {_correlations(raw, partial, trained[-1])}{begun}")


def no_trend_at_the_beginning(correlations: pd.DataFrame, *, trained: list[int]) -> Claim:
    """Spearman of K and Γ at the first trained epoch: wanted indistinguishable from zero, raw and partial."""
    statement = "At the beginning of training K and Γ show no trend."
    if len(trained) < 2:
        return Claim(statement, "missing", "not measured: it takes two trained epochs or more.")
    raw, partial = _importance_correlations(correlations, epoch=trained[0])
    status, said = weigh(raw, partial, expected="zero")
    late = f" The first stored checkpoint is epoch {trained[0]}, hardly the beginning." if trained[0] > 1 else ""
    return Claim(statement, status, f"{said}. {_correlations(raw, partial, trained[0])}{late}")


def mean_complexity_rises(sedimentation: pd.DataFrame) -> Claim:
    """Mean K of all concepts, first against last trained epoch: wanted bands apart, then a last third that is flat."""
    statement = "The mean complexity of all concepts rises, then plateaus."
    curve = sedimentation_curve(sedimentation, "all")
    said, status, numbers = _change(curve, expected="positive")
    if status != "seen":
        return Claim(statement, status, f"{said}: {numbers}")
    values, epochs = (curve[column].to_numpy(dtype=float) for column in ("mean_complexity", "epoch"))
    tail = values[np.searchsorted(epochs, epochs[-1] - (epochs[-1] - epochs[0]) / 3, side="right") - 1 :]
    if len(values) < 4:
        return Claim(statement, "partly", f"the rise holds here: {numbers} Too few epochs to see a plateau.")
    moved = tail.max() - tail.min()
    plateau = f"the last third of the training moves it by {number(moved, digits=3)} at the most"
    if moved <= SETTLED * (values.max() - values.min()):
        return Claim(statement, "seen", f"{said}: {numbers} It plateaus: {plateau}.")
    return Claim(statement, "partly", f"the rise holds here: {numbers} No plateau yet: {plateau}.")


def important_concepts_become_simpler(sedimentation: pd.DataFrame) -> Claim:
    """Mean K of the most important concepts, first against last trained epoch: wanted lower, but not that of all."""
    statement = "The most important concepts become simpler (sedimentation)."
    group = smallest_top_group(sedimentation)
    if group is None:
        return Claim(statement, "missing", "not measured: no group of important concepts that differs from all.")
    said, status, numbers = _change(sedimentation_curve(sedimentation, group), expected="negative")
    everything = sedimentation_curve(sedimentation, "all")
    _, status_of_all, of_all = _change(everything, expected="negative", is_doubt=True)
    if status == status_of_all == "seen":
        return Claim(statement, "partly", f"{said}: {numbers} But so do all concepts: {of_all}")
    return Claim(statement, status, f"{said}: {numbers}")


def layers_reveal_progressively(
    layer_information: pd.DataFrame, layers: pd.DataFrame, *, reference_epoch: int
) -> Claim:
    """Mean I_V from the first to the last layer before the penultimate: wanted a rise, in steps, above the control's.

    The penultimate layer is left out, because the codes are computed from it and it would rise by construction.
    """
    statement = "Layers reveal concepts progressively, from input to output."
    before = layers[layers["in_complexity"].astype(bool) & (layers["role"] != "penultimate")].sort_values("depth")
    names = [str(name) for name in before["layer"]]
    own = layer_information[layer_information["epoch"] == reference_epoch].set_index("layer")
    concepts, control = (own[own["kind"] == kind].reindex(names) for kind in ("concept", "random_direction"))
    if len(names) < 2 or not (concepts["n_concepts"] >= 4).all():
        needs = "not measured: it takes two layers before the penultimate and four concepts."
        return Claim(statement, "missing", needs)
    rise = estimate(concepts.iloc[-1], "gain", "n_concepts", prefix="gain_")
    said = judge(rise, expected="positive")
    status = STATUS_OF_VERDICT[said]
    numbers = (
        f"mean I_V changes by {rise} from {names[0]} to {names[-1]} (epoch {reference_epoch}, {rise.n} concepts; the "
        "penultimate layer is left out, because the codes are computed from it)."
    )
    if status != "seen":
        return Claim(statement, status, f"{said}: {numbers}")
    steps = concepts["v_information"].astype(float).diff().dropna()
    n_falls = int((steps < -0.05 * rise.value).sum())
    doubts = []
    if n_falls:
        doubts.append(f"{n_falls} of {len(steps)} steps fall")
    if len(steps) > 2 and float(steps.max()) > rise.value / 2:
        doubts.append(f"{steps.idxmax()} alone brings more than half of it")
    if (control["gain"].iloc[-1:] >= rise.low).any():
        of_control = estimate(control.iloc[-1], "gain", "n_concepts", prefix="gain_")
        doubts.append(f"random directions rise as much, by {of_control}, so it is not particular to concepts")
    if doubts:
        return Claim(statement, "partly", f"the rise holds here: {numbers} But {'; '.join(doubts)}.")
    return Claim(statement, "seen", f"{said}: {numbers}")


def simple_by_the_residual(tables: StudyTables, *, reference_epoch: int) -> Claim:
    """CKA with the residual minus that with the main branch: wanted above 0 for simple concepts, below for complex."""
    statement = "Simple concepts travel through the residual branch, complex ones are built in the main branch."
    at = {
        (epoch, measure): nearness_to_residual(
            tables.branches, tables.complexity, tables.layers, epoch=epoch, measure=measure
        )
        for epoch in (reference_epoch, 0)
        for measure in ("cka", "v_information")
    }
    found, information, untrained = at[reference_epoch, "cka"], at[reference_epoch, "v_information"], at[0, "cka"]
    control = nearness_to_residual(
        tables.branches, tables.complexity, tables.layers, epoch=reference_epoch, kind="random_direction"
    )
    if found is None:
        elsewhere = not_measured(tables.branches, epoch=reference_epoch)
        needs = "not measured: it takes residual blocks and 20 scored concepts."
        return Claim(statement, "missing", needs if elsewhere == "not measured." else elsewhere)
    status, said = weigh_nearness(found)
    numbers = (
        f"CKA with the residual minus CKA with what is added to it, mean over the blocks of epoch {reference_epoch}: "
        f"{found} ({found.simplest.n} concepts each)."
    )
    if untrained is not None:
        numbers += f" Before training (epoch 0): {untrained}."
    if control is not None:
        numbers += f" Random directions have {control}."
    if information is not None:
        numbers += f" The same with I_V: {information}."
        if status == "seen" and weigh_nearness(information)[0] != "seen":
            return Claim(statement, "partly", f"holds here with CKA, not with I_V. {numbers}")
    against = ((control, NOT_OF_CONCEPTS), (untrained if reference_epoch > 0 else None, NOT_LEARNED))
    doubts = [
        doubt
        for other, doubt in against
        if other is not None and {status, weigh_nearness(other.over_concepts)[0]} <= {"seen", "partly"}
    ]
    if doubts:
        status, said = "partly", f"{said}, but {'; and '.join(doubts)}"
    return Claim(statement, status, f"{said}. {numbers}")


def _change(curve: pd.DataFrame, *, expected: Expected, is_doubt: bool = False) -> tuple[str, Status, str]:
    """From the first to the last trained epoch: what was found, its status, the numbers; a doubt goes by concepts."""
    if len(curve) < 2:
        return "not measured", "missing", "it takes two trained epochs or more."
    first, last = band(curve, 0), band(curve, -1)
    change = difference(first, last)
    said = judge(change.over_concepts if is_doubt else change, expected=expected)
    numbers = (
        f"mean K {first} at epoch {int(curve['epoch'].iloc[0])}, {last} at epoch {int(curve['epoch'].iloc[-1])} "
        f"({last.n} concepts); the change is {change}."
    )
    return said, STATUS_OF_VERDICT[said], numbers


def _importance_correlations(correlations: pd.DataFrame, *, epoch: int) -> tuple[Estimate, Estimate]:
    raw = correlation(correlations, epoch=epoch, y="importance")
    return raw, correlation(correlations, epoch=epoch, y="importance", controls=CONTROLS)


def _correlations(raw: Estimate, partial: Estimate, epoch: int) -> str:
    if raw == NOT_MEASURED or math.isnan(raw.value):
        return f"No correlation at epoch {epoch}."
    return f"Spearman {raw}, partial {partial} (epoch {epoch}, {raw.n} concepts)."
