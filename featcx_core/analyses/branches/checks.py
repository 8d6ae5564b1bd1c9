"""Checks of branches."""

from itertools import pairwise

import numpy as np

from featcx_core.analyses.activations import ACTIVATIONS, BRANCH_ACTIVATIONS
from featcx_core.analyses.branches import BRANCHES
from featcx_core.analyses.controls import control_stands_beside
from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader

_SOME_IMAGES = 64


def permuted_codes_have_no_branch(reader: StudyReader) -> Finding:
    """Unbiased CKA of any branch with codes that were permuted over images is close to 0 (|mean| <= 0.02)."""
    frame = reader.table("branches", columns=["epoch", "cka_shuffled"])
    means = frame.groupby("epoch")["cka_shuffled"].mean().dropna()
    worst = float(means.abs().max()) if len(means) else 0.0
    offenders = [f"epoch {epoch}: {mean:.3f}" for epoch, mean in means.items() if abs(mean) > 0.02]
    return Finding(not offenders, "; ".join(offenders) or f"largest mean {worst:.4f}", {"largest_mean": worst})


def shortcuts_bring_what_came(reader: StudyReader) -> Finding:
    """An identity shortcut brings what the block before gave, where that has the same shape and all are recorded."""
    if reader.study.activations.layers != "auto":  # a block that is left out may lie between two recorded ones
        says = 'not compared: with layers other than "auto" it is not known which blocks follow each other'
        return Finding(passed=True, says=says, numbers={}, is_error=False)
    followed = [
        (before, row)
        for before, row in pairwise(reader.anatomy.layers)
        if row.shortcut == "identity" and "residual" in row.branches and before.role == "block"
        if (before.layout, before.height, before.width) == (row.layout, row.height, row.width)
        if before.units == row.units and not before.rectified
    ]
    offenders, worst = [], 0.0
    for epoch in sorted(reader.table("branches", columns=["epoch"])["epoch"].unique()):
        for before, row in followed:
            given = np.asarray(reader.arrays(ACTIVATIONS, epoch=int(epoch), layer=before.layer)[:_SOME_IMAGES])
            brought = reader.arrays(BRANCH_ACTIVATIONS, epoch=int(epoch), layer=row.layer)["residual"][:_SOME_IMAGES]
            apart = float(np.abs(np.asarray(brought) - given).max() / (np.abs(given).max() or 1.0))
            worst = max(worst, apart)
            if apart > 1e-2:  # float16 keeps three digits
                offenders.append(f"epoch {epoch}: {row.layer} is not given what {before.layer} gives")
    says = "; ".join(offenders[:5]) or f"largest difference {worst:.2g} of the largest activation"
    return Finding(not offenders, says, {"largest_difference": worst}, is_error=False)


def directions_stand_beside(reader: StudyReader) -> Finding:
    """At every epoch and level there are random directions beside the concepts."""
    return control_stands_beside(reader, BRANCHES.tables[0])
