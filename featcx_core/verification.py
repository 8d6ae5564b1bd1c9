"""What must hold of a study's tables: each row against its description, and the controls against their null values."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from featcx_core.store.places import Store
from featcx_core.store.tables import Table

_SOME_IMAGES = 64


class Finding(NamedTuple):
    """What a check found."""

    passed: bool
    """Whether it holds."""
    says: str
    """One sentence, with the offenders where there are any."""
    numbers: Mapping[str, float]
    """The numbers behind it."""
    is_error: bool = True
    """Whether a failure means wrong data, or only something to look at."""


def table_rows(store: Store, table: Table) -> Finding:
    """Keys are unique, nothing is missing that must not be, every value lies in its range."""
    columns = [c.name for c in table.columns if c.dtype != "list<float>"]
    frame = store.read_table(table.name, columns=columns)
    wrong = list(_offences(frame, table))
    says = "; ".join(wrong[:5]) if wrong else f"{len(frame)} rows"
    return Finding(not wrong, says, {"rows": len(frame), "offences": len(wrong)})


def _offences(frame: pd.DataFrame, table: Table) -> Iterator[str]:
    repeated = frame[frame.duplicated(list(table.keys), keep=False)]
    if len(repeated):
        yield f"{len(repeated)} rows share a key, the first: {repeated.iloc[0][list(table.keys)].to_dict()}"
    for column in table.columns:
        if column.name not in frame:
            continue
        values = frame[column.name]
        if not column.nullable and values.isna().any():
            yield f"{column.name}: {int(values.isna().sum())} values are missing"
        if column.dtype == "float64" and np.isinf(values).any():
            yield f"{column.name}: {int(np.isinf(values).sum())} values are infinite"
        tolerance = 1e-9
        if column.low is not None and (values < column.low - tolerance).any():
            yield f"{column.name}: {float(values.min())} is below {column.low}"
        if column.high is not None and (values > column.high + tolerance).any():
            yield f"{column.name}: {float(values.max())} is above {column.high}"


def shuffled_say_nothing(store: Store) -> Finding:
    """V-information of codes that were permuted over images is close to 0 (|mean| <= 0.02 at every epoch)."""
    frame = store.read_table("v_information", columns=["epoch", "kind", "v_information"])
    means = frame[frame["kind"] == "shuffled"].groupby("epoch")["v_information"].mean().dropna()
    worst = float(means.abs().max()) if len(means) else 0.0
    offenders = [f"epoch {epoch}: {mean:.3f}" for epoch, mean in means.items() if abs(mean) > 0.02]
    return Finding(not offenders, "; ".join(offenders) or f"largest mean {worst:.4f}", {"largest_mean": worst})


def penultimate_says_more(store: Store) -> Finding:
    """At the reference epoch the penultimate layer tells more of the alive concepts than the stem."""
    anatomy, reference = store.anatomy, store.study.reference_epoch
    wanted = ["epoch", "layer", "dictionary_epoch", "kind", "v_information"]
    frame = store.read_table("v_information", columns=wanted)
    own = frame[(frame["epoch"] == reference) & (frame["dictionary_epoch"] == reference) & (frame["kind"] == "concept")]
    means = own.groupby("layer")["v_information"].mean()
    first, last = anatomy.names[0], anatomy.penultimate
    if first not in means or last not in means:
        return Finding(passed=True, says="the reference epoch is not there yet", numbers={})
    numbers = {"first_layer": float(means[first]), "penultimate": float(means[last])}
    says = f"{last} {means[last]:.3f}, {first} {means[first]:.3f}"
    return Finding(bool(means[last] > means[first]), says, numbers, is_error=False)


def permuted_codes_have_no_branch(store: Store) -> Finding:
    """Unbiased CKA of any branch with codes that were permuted over images is close to 0 (|mean| <= 0.02)."""
    frame = store.read_table("branches", columns=["epoch", "cka_shuffled"])
    means = frame.groupby("epoch")["cka_shuffled"].mean().dropna()
    worst = float(means.abs().max()) if len(means) else 0.0
    offenders = [f"epoch {epoch}: {mean:.3f}" for epoch, mean in means.items() if abs(mean) > 0.02]
    return Finding(not offenders, "; ".join(offenders) or f"largest mean {worst:.4f}", {"largest_mean": worst})


def random_directions_stand_beside(store: Store, table: Table) -> Finding:
    """At every epoch, and at every level or in every branch, there are random directions beside the concepts."""
    keys = [key for key in table.keys if key not in ("kind", "concept")]
    frame = store.read_table(table.name, columns=[*keys, "kind"])
    control = frame[frame["kind"] == "random_direction"]
    places = frame[keys].drop_duplicates().merge(control[keys].drop_duplicates(), how="left", indicator=True)
    epochs = sorted(places.loc[places["_merge"] == "left_only", "epoch"].unique())
    says = "; ".join(f"epoch {epoch}: no random direction" for epoch in epochs)
    return Finding(not epochs, says or f"{len(control)} rows of random directions", {"rows": len(control)})


def shortcuts_bring_what_came(store: Store) -> Finding:
    """An identity shortcut brings what the block before gave, where that has the same shape and all are recorded."""
    from featcx_core.features.activations import open_activations, open_branch

    if store.study.activations.layers != "auto":  # a block that is left out may lie between two recorded ones
        says = 'not compared: with layers other than "auto" it is not known which blocks follow each other'
        return Finding(passed=True, says=says, numbers={}, is_error=False)
    followed = [
        (before, row)
        for before, row in pairwise(store.anatomy.layers)
        if row.shortcut == "identity" and "residual" in row.branches and before.role == "block"
        if (before.layout, before.height, before.width) == (row.layout, row.height, row.width)
        if before.units == row.units and not before.rectified
    ]
    offenders, worst = [], 0.0
    for epoch in sorted(store.read_table("branches", columns=["epoch"])["epoch"].unique()):
        for before, row in followed:
            given = np.asarray(open_activations(store, epoch=int(epoch), layer=before.layer)[:_SOME_IMAGES])
            brought = open_branch(store, epoch=int(epoch), block=row.layer, branch="residual")[:_SOME_IMAGES]
            apart = float(np.abs(np.asarray(brought) - given).max() / (np.abs(given).max() or 1.0))
            worst = max(worst, apart)
            if apart > 1e-2:  # float16 keeps three digits
                offenders.append(f"epoch {epoch}: {row.layer} is not given what {before.layer} gives")
    says = "; ".join(offenders[:5]) or f"largest difference {worst:.2g} of the largest activation"
    return Finding(not offenders, says, {"largest_difference": worst}, is_error=False)


def predictions_kept(store: Store) -> Finding:
    """The codes and atoms, in place of the activations, keep 99 % of the predictions of trained epochs."""
    frame = store.read_table("dictionaries", columns=["epoch", "predictions_kept_fraction"])
    trained = frame[frame["epoch"] > 0]
    low = trained[trained["predictions_kept_fraction"] < 0.99]
    offenders = [f"epoch {row.epoch}: {row.predictions_kept_fraction:.3f}" for row in low.itertuples()]
    worst = float(trained["predictions_kept_fraction"].min()) if len(trained) else 1.0
    says = "; ".join(offenders) or f"at least {worst:.3f}"
    return Finding(not offenders, says, {"lowest_share": worst}, is_error=False)


def support_starts_from_the_dictionary(store: Store) -> Finding:
    """With all concepts kept, every order keeps the predictions that the dictionary keeps, and all of its accuracy.

    Two images may differ: sums in another order turn a prediction whose two highest logits are as good as equal.
    """
    from featcx_core.features.activations import open_activations

    wanted = ["epoch", "order", "kept_fraction", "relative_accuracy", "predictions_kept_fraction"]
    whole = store.read_table("support", columns=wanted).query("kept_fraction == 1")
    kept = store.read_table("dictionaries", columns=["epoch", "predictions_kept_fraction"])
    both = whole.merge(kept, on="epoch", suffixes=("", "_of_dictionary"))
    away = (both["predictions_kept_fraction"] - both["predictions_kept_fraction_of_dictionary"]).abs()
    n_images = {
        epoch: open_activations(store, epoch=int(epoch), layer=store.anatomy.penultimate).shape[0]
        for epoch in both["epoch"].unique()
    }
    wrong = both[(away > 2.5 / both["epoch"].map(n_images)) | ((both["relative_accuracy"] - 1).abs() > 1e-9)]
    offenders = [f"epoch {row.epoch}, {row.order}: {row.predictions_kept_fraction:.4f}" for row in wrong.itertuples()]
    largest = float(away.max()) if len(away) else 0.0
    says = "; ".join(offenders[:5]) or f"largest difference {largest:.1e}"
    return Finding(not offenders, says, {"largest_difference": largest})


def fewer_masked_units_change_less(store: Store) -> Finding:
    """The fewer units are masked, the nearer is redundancy to 1, what it is with none (median over concepts)."""
    frame = store.read_table("redundancy", columns=["epoch", "kind", "masked_fraction", "redundancy"]).dropna()
    frame = frame[frame["kind"] == "concept"]
    away = (frame["redundancy"] - 1).abs().groupby([frame["epoch"], frame["masked_fraction"]]).median()
    ends = away.groupby("epoch").agg(["first", "last"])
    wrong = ends[ends["first"] > ends["last"]]
    offenders = [f"epoch {row.Index}: {row.first:.3f}, then {row.last:.3f}" for row in wrong.itertuples()]
    largest = float(ends["first"].max()) if len(ends) else 0.0
    says = "; ".join(offenders) or f"at the smallest share at most {largest:.3f} away"
    return Finding(not offenders, says, {"farthest_at_smallest_share": largest}, is_error=False)


def weak_noise_moves_little(store: Store) -> Finding:
    """The weakest noise moves the median concept of trained epochs less than another image does (sensitivity < 1)."""
    frame = store.read_table("sensitivity", columns=["epoch", "kind", "sigma", "sensitivity"])
    frame = frame[frame["kind"] == "concept"]
    trained = frame[(frame["epoch"] > 0) & (frame["sigma"] == frame["sigma"].min())]
    medians = trained.groupby("epoch")["sensitivity"].median().dropna()
    offenders = [f"epoch {epoch}: {median:.3f}" for epoch, median in medians.items() if median >= 1]
    largest = float(medians.max()) if len(medians) else 0.0
    says = "; ".join(offenders) or f"largest median {largest:.1e}"
    return Finding(not offenders, says, {"largest_median": largest}, is_error=False)


def matches_are_unique(store: Store) -> Finding:
    """No concept of an epoch is matched to two of the reference epoch's, which match themselves with cosine 1."""
    frame = store.read_table("concept_paths", columns=["epoch", "concept", "matched_concept", "cosine"])
    matched = frame.dropna(subset=["matched_concept"])
    twice = matched[matched.duplicated(["epoch", "matched_concept"])]
    own = matched[matched["epoch"] == store.study.reference_epoch]
    strayed = own[(own["concept"] != own["matched_concept"]) | (own["cosine"] < 1 - 1e-5)]
    offenders = [f"epoch {row.epoch}: concept {row.matched_concept} is matched twice" for row in twice.itertuples()]
    offenders += [
        f"concept {row.concept} of the reference epoch is not matched to itself" for row in strayed.itertuples()
    ]
    return Finding(not offenders, "; ".join(offenders[:5]) or f"{len(matched)} matches", {"matches": len(matched)})


def clusters_are_nested(store: Store) -> Finding:
    """Every cluster lies in one branch of each level, and every branch in one branch of the level above."""
    columns = ["level_1", "level_2", "level_3", "level_4", "cluster"]
    frame = store.read_table("clusters", columns=["epoch", *columns])
    offenders = [
        f"epoch {epoch}: {fine} {branch} lies in several branches of {coarse}"
        for epoch, rows in frame.groupby("epoch")
        for coarse, fine in pairwise(columns)
        for branch, owners in rows.groupby(fine)[coarse].nunique().items()
        if owners > 1
    ]
    most = int(frame["cluster"].max()) + 1 if len(frame) else 0
    return Finding(not offenders, "; ".join(offenders[:5]) or f"at most {most} clusters", {"clusters": most})


def super_classes_cover_all(store: Store) -> Finding:
    """Where the study names super-classes, every class is in one; a class in none keeps its rows, without one."""
    clusters = store.read_table("clusters", columns=["epoch", "concept", "super_class"])
    names = store.read_table("concepts", columns=["epoch", "concept", "class_name"])
    left = clusters[clusters["super_class"] == ""]
    if not store.study.data.superclasses:
        return Finding(passed=True, says="the study names none", numbers={})
    if store.study.dictionary.scope == "all":
        return Finding(passed=True, says='atoms belong to no class: dictionary.scope = "all"', numbers={})
    missing = sorted(set(left.merge(names, on=["epoch", "concept"])["class_name"]))
    says = f"in no super-class: {', '.join(missing[:20])}; name them in data.superclasses" if missing else "all classes"
    return Finding(not missing, says, {"classes_left": len(missing)}, is_error=False)
