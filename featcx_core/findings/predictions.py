"""Whether a dictionary keeps what the network says, and what to do where it does not."""

import pandas as pd

from featcx_core.findings.evidence import number, percent

KEPT = 0.99
"""The paper's dictionary keeps more than this share of the predictions."""


def lost_predictions(dictionaries: pd.DataFrame, *, epoch: int) -> str:
    """Return a warning where the dictionary of an epoch does not keep 99 % of the predictions, else an empty string.

    It names the shares that are kept, what rests on it, and the remedy.
    """
    rows = dictionaries[dictionaries["epoch"] == epoch].dropna(subset=["predictions_kept_fraction"])
    if rows.empty or float(rows["predictions_kept_fraction"].iloc[0]) >= KEPT:
        return ""
    row = rows.iloc[0]
    share = number(100 * float(row["predictions_kept_fraction"]), digits=1)
    of_classes = float(row["predictions_kept_classes_fraction"])
    among = f" ({number(100 * of_classes, digits=1)} % among the study's classes)" if of_classes == of_classes else ""
    return (
        "The concepts do not say what the network says: put in the place of the activations they keep "
        f"{share} % of its predictions{among} at epoch {epoch}, not 99 %.{in_logits(row)} K, Γ and everything else "
        f"about concepts is about the part that they keep, and every claim about them is marked. {_remedy()}"
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
