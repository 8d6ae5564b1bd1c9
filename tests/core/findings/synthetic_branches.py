"""Tables of a made-up study of branches, in which nearness to the residual is planted."""

from collections.abc import Sequence

import numpy as np

from featcx_core.findings.study_tables import StudyTables
from tests.core.findings.frames import frame, no_rows

BLOCKS = {"layer1.0": "identity", "layer2.0": "projection", "layer10.0": "identity"}  # not in the order of letters
N_CONCEPTS = 40
DEAD = 3


def study_of_branches(
    *,
    simple: float = 0.1,
    built: float = 0.1,
    information: float = 0.0,
    epochs: Sequence[int] = (0, 4),
    added: Sequence[str] = ("main",),
    n_concepts: int = N_CONCEPTS,
    control: float = 0.0,
) -> StudyTables:
    """Return a study whose simple concepts are nearer to the residual by `simple`, complex ones to the rest by `built`.

    Concept 3 is dead. information: by how much I_V is higher in the other branches, for all concepts. control: effect
    in random directions, as a share of that in concepts.
    """
    chance, apart = np.random.default_rng(0), np.random.default_rng(1)
    k = np.linspace(0, 1, n_concepts)
    k[DEAD] = np.nan
    rows = []
    for epoch in epochs:
        for block, shortcut in BLOCKS.items():
            for branch in ("residual", *added):
                side = 1 if branch == "residual" else 0
                for kind, strength in (("concept", 1.0), ("random_direction", control)):
                    nearer = side * np.where(k < 0.5, simple, -built) * (epoch > 0) * strength
                    drawn = 0.3 + nearer + (chance if kind == "concept" else apart).normal(0, 0.01, n_concepts)
                    rows += [
                        {"epoch": epoch, "block": block, "branch": branch, "shortcut": shortcut, "kind": kind,
                         "concept": i, "cka": np.nan if i == DEAD else cka,
                         "cka_shuffled": np.nan if i == DEAD or kind != "concept" else 0.001,
                         "v_information": np.nan if i == DEAD else 0.5 - information * side}
                        for i, cka in enumerate(drawn)
                    ]  # fmt: skip
    complexity = [
        {"epoch": epoch, "kind": kind, "concept": i, "complexity": value}
        for epoch in epochs
        for kind in ("concept", "random_direction")
        for i, value in enumerate(k)
    ]
    layers = [{"layer": name, "depth": depth} for depth, name in enumerate(["stem", *BLOCKS])]
    return no_rows()._replace(
        branches=frame("branches", rows).sample(frac=1, random_state=0),
        complexity=frame("complexity", complexity),
        layers=frame("layers", layers),
    )


def resampled(study: StudyTables, *, spread: float, n_groups: int = 20) -> StudyTables:
    """Return the study with each score without each group of images: the score plus noise of this spread."""
    chance = np.random.default_rng(3)

    def without(score: float) -> np.ndarray | None:
        return None if np.isnan(score) else score + chance.normal(0, spread, n_groups)

    rows = study.branches
    lists = {"cka_jackknife": rows["cka"].map(without), "jackknife": rows["v_information"].map(without)}
    return study._replace(branches=rows.assign(**lists))


def with_signs_of_information(study: StudyTables) -> StudyTables:
    """Return the study in which I_V says the same as CKA, at every epoch."""
    rows = study.branches
    sign = np.where(rows["concept"] < N_CONCEPTS // 2, 0.1, -0.1) * (rows["branch"] == "residual")
    return study._replace(branches=rows.assign(v_information=rows["v_information"] + sign))
