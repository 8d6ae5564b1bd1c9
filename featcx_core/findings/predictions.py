"""Whether a dictionary keeps what the network says, and what to do where it does not."""

import math

import pandas as pd

from featcx_core.findings.evidence import number, percent
from featcx_core.measures.learning_curve import forecast

KEPT = 0.99
"""The paper's dictionary keeps more than this share of the predictions."""
_NOT_ENOUGH = "with as many atoms, no number of images would keep 99 %"


def lost_predictions(dictionaries: pd.DataFrame, curve: pd.DataFrame, *, epoch: int) -> str:
    """Return a warning where the dictionary of an epoch does not keep 99 % of the predictions, else an empty string.

    It names the shares that are kept, what rests on it, and the remedy, with what the learning curve foretells of it.
    """
    rows = dictionaries[dictionaries["epoch"] == epoch].dropna(subset=["predictions_kept_fraction"])
    if rows.empty or float(rows["predictions_kept_fraction"].iloc[0]) >= KEPT:
        return ""
    row = rows.iloc[0]
    share = number(100 * float(row["predictions_kept_fraction"]), digits=1)
    of_classes = float(row["predictions_kept_classes_fraction"])
    more = f" {more_would_do(curve, epoch=epoch)}".rstrip()
    among = f" ({number(100 * of_classes, digits=1)} % among the study's classes)" if of_classes == of_classes else ""
    return (
        "The concepts do not say what the network says: put in the place of the activations they keep "
        f"{share} % of its predictions{among} at epoch {epoch}, not 99 %.{in_logits(row)} K, Γ and everything else "
        f"about concepts is about the part that they keep, and every claim about them is marked. {_remedy()}{more}"
    )


def in_logits(row: "pd.Series") -> str:
    """Return a sentence on the part of the predicted logit that the concepts carry, and on the rest.

    >>> row = {"logit_carried_fraction": 0.9, "logit_by_concepts": 9.0, "logit_by_rest": 1.0}
    >>> in_logits(pd.Series(row))
    ' Of the predicted logit the concepts carry 90 % (9.00, the rest 1.00).'
    """
    carried = float(row["logit_carried_fraction"])
    if carried != carried:
        return ""
    share, concepts, rest = percent(carried), *(number(float(row[f"logit_by_{by}"])) for by in ("concepts", "rest"))
    return f" Of the predicted logit the concepts carry {share} % ({concepts}, the rest {rest})."


def carried_sentence(dictionaries: pd.DataFrame, *, epoch: int) -> str:
    """Return `in_logits` of an epoch's dictionary; empty where there is none."""
    rows = dictionaries[dictionaries["epoch"] == epoch]
    return "" if rows.empty else in_logits(rows.iloc[0]).strip()


def resting(share: float) -> str:
    """Return what stands beside a number about concepts whose dictionary keeps this share; empty where it is enough.

    >>> resting(0.73), resting(0.995)
    ('; of concepts that keep only 73.0 % of the predictions', '')
    """
    if share != share or share >= KEPT:
        return ""
    return f"; of concepts that keep only {number(100 * share, digits=1)} % of the predictions"


def _remedy() -> str:
    return (
        "More dictionary images help most (data.split.train, dictionary.images_per_class, or unlabelled ones in "
        'data.dictionary), then more atoms (dictionary.atoms_per_class, or "auto").'
    )


def more_would_do(curve: pd.DataFrame, *, epoch: int) -> str:
    """Return in words what more dictionary images, and more atoms, would keep; empty where that is not measured."""
    rows = curve[curve["epoch"] == epoch]
    measured = rows[rows["is_measured"].astype(bool)]
    if measured.empty:
        return ""
    n_images, n_atoms = int(measured["n_images"].max()), int(measured["n_atoms"].max())

    def kept(images: int, atoms: int) -> str:
        share = rows.loc[(rows["n_images"] == images) & (rows["n_atoms"] == atoms), "predictions_kept_fraction"]
        return f"{number(100 * float(share.iloc[0]), digits=0)} %" if len(share) else ""

    twice, four, atoms = kept(2 * n_images, n_atoms), kept(4 * n_images, n_atoms), kept(n_images, 2 * n_atoms)
    if not twice:
        return ""
    points = measured[measured["n_atoms"] == n_atoms].sort_values("n_images")
    found = forecast(*(points[name].to_numpy(dtype=float) for name in ("n_images", "predictions_kept_fraction")))
    if found.needed == n_images:
        fewest, least = int(points["n_images"].iloc[0]), float(points["predictions_kept_fraction"].iloc[0])
        return f"Its {n_images:,} images are enough; fitted on {fewest:,} of them it keeps {percent(least)} %."
    enough = f"about {_rounded(found.needed)} images would keep 99 %" if math.isfinite(found.needed) else _NOT_ENOUGH
    of_atoms = f" Twice the atoms on the same images would keep {atoms}." if atoms else ""
    return (
        f"By its learning curve this dictionary of {n_images} images would keep {twice} with twice as many, "
        f"{four} with four times; {enough}.{of_atoms}"
    )


def _rounded(count: float) -> str:
    """Write a large number with two digits that count."""
    step = 10 ** max(0, len(str(int(count))) - 2)
    return f"{int(round(count / step) * step):,}"
