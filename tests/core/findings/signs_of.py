"""Signs of groups of networks, made up."""

import pandas as pd

from featcx_core.measures.study_groups import StudyGroups, by_group, groups_of

SHARES = {"true": "0.0", "half": "0.5", "all": "1.0"}
MEMORISES = {
    "accuracy_gap": (0.1, 0.5, 0.9), "ablation_area": (0.6, 0.5, 0.3), "late_images": (0.1, 0.5, 0.9),
    "selectivity": (0.3, 0.3, 0.3), "first_share": (0.9, 0.9, 0.8), "complexity": (0.4, 0.5, 0.6),
    "train_accuracy": (1.0, 1.0, 1.0), "test_accuracy": (0.9, 0.5, 0.1), "selectivity_and_importance": (0.0, 0.1, 0.1),
    "lateness_of_upper_layers": (0.2, 0.2, 0.2), "change_of_first_share": (-0.2, -0.1, -0.1),
    "change_of_second_share": (0.1, 0.1, 0.1), "change_of_first_share_late": (0.0, 0.0, 0.0),
    "first_share_last_layer_less_first": (0.1, 0.1, 0.1),
}  # fmt: skip
"""Sign -> its value with true, half and all random labels: all as the sources have it, selectivity alike."""


def groups(*kinds: str) -> StudyGroups:
    members = [f"{kind}_{seed}" for kind in kinds or SHARES for seed in range(3)]
    labels = {member: SHARES[member.partition("_")[0]] for member in members}
    return groups_of({"data.corruption.labels": labels, "seed": {m: m.partition("_")[2] for m in members}})


def rows(of: StudyGroups, spread: float = 0.01, **changed: tuple[float, ...]) -> pd.DataFrame:
    """The table of signs; of each group three seeds that lie `spread` apart, in another order in each group."""
    values = []
    for sign, by_kind in (MEMORISES | changed).items():
        for member in of.of:
            kind, _, seed = member.partition("_")
            place = list(SHARES).index(kind)
            step = (int(seed) + place) % 3 - 1
            is_exact = sign == "train_accuracy"
            values.append(
                {"member": member, "sign": sign, "value": by_kind[place] + (0 if is_exact else step * spread)}
            )
    return by_group(pd.DataFrame(values), of)
