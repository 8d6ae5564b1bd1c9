import numpy as np
import pandas as pd

from featcx_core.findings.paths import births, follow_concepts, paths_finding
from tests.core.findings.frames import frame, no_rows
from tests.core.findings.synthetic import N_CONCEPTS, REFERENCE, study


def path_rows(cosines: dict[int, list[float]], complexity: dict[int, list[float]]) -> pd.DataFrame:
    return frame(
        "concept_paths",
        [
            {"concept": concept, "epoch": epoch, "matched_concept": concept, "cosine": cosine, "null_cosine": 0.6,
             "complexity": complexity[concept][epoch], "importance": 0.1}
            for concept, row in cosines.items() for epoch, cosine in enumerate(row)
        ],
    )  # fmt: skip


def test_births_and_the_finding_by_hand():
    paths = path_rows(
        {0: [0.9, 0.9, 0.9, 1.0], 1: [0.1, 0.9, 0.2, 1.0], 2: [0.1, 0.7, 0.7, 1.0], 3: [np.nan] * 4},
        {0: [0.9, 0.9, 0.9, 0.5], 1: [0.1, 0.5, 0.5, 0.5], 2: [0.1, 0.2, 0.3, 0.4], 3: [np.nan] * 4},
    )
    born = births(paths, reference_epoch=3)
    assert dict(zip(born["concept"], born["birth"], strict=True)) == {0: 0, 1: 3, 2: 1}
    assert births(paths, reference_epoch=2)["birth"].tolist() == [0, 1]  # what comes after the reference counts not
    sentence = paths_finding(paths, reference_epoch=3)
    assert "Of the 4 concepts of epoch 3, 33 % are matched above the null at epoch 0" in sentence
    assert "by epoch 1; from birth on, K falls for 50 % of those born before the end (median change −0.10)" in sentence
    followed = follow_concepts(paths, reference_epoch=3)
    np.testing.assert_allclose(followed.matches["share"], [1 / 3, 1, 2 / 3, 1])
    lives = followed.living.groupby("concept")["epoch"].agg(["min", "count"])
    assert lives.to_numpy().tolist() == [[0, 4], [3, 1], [1, 3]]
    assert followed.medians.empty  # of fewer than five concepts


def test_followed_concepts_have_the_medians_of_the_living():
    followed = follow_concepts(study().concept_paths, reference_epoch=REFERENCE)
    assert followed.living["concept"].nunique() == N_CONCEPTS - 3  # three are dead and have no path of K
    last = followed.living.query("epoch == @REFERENCE")["complexity"].median()
    assert followed.medians.set_index("epoch").loc[REFERENCE, "complexity"] == last
    cosines = study().concept_paths.groupby("epoch")["cosine"].median()
    np.testing.assert_allclose(followed.matches["cosine"], cosines)


def test_without_matches_nothing_is_said_of_births():
    nobody = study().concept_paths.assign(cosine=0.1)
    assert "stay" not in paths_finding(nobody, reference_epoch=REFERENCE)
    assert follow_concepts(nobody, reference_epoch=REFERENCE).births.empty
    assert "Not measured" in paths_finding(no_rows().concept_paths, reference_epoch=REFERENCE)
    assert follow_concepts(no_rows().concept_paths, reference_epoch=REFERENCE).matches.empty
