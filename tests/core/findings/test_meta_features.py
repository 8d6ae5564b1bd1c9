import re

import numpy as np
import pandas as pd
import pytest

from featcx_core.analyses.meta_features.make import group_rows
from featcx_core.findings.meta_features import (
    LEVELS,
    cluster_labels,
    clustered_concepts,
    groups_finding,
    mean_of_all,
    means_of_groups,
    tree_of_clusters,
)
from featcx_core.measures.over_images import Redrawn
from tests.core.findings.synthetic import REFERENCE, study


@pytest.fixture(scope="module")
def clustered() -> pd.DataFrame:
    tables = study()
    return clustered_concepts(tables.clusters, tables.complexity, tables.importance, tables.concepts, epoch=REFERENCE)


def means_table(clustered: pd.DataFrame) -> pd.DataFrame:
    """Return the table of means that follows from these concepts."""
    scored = clustered[clustered["cluster"] >= 0].dropna(subset=["complexity"])
    values = {name: scored[name].to_numpy(float) for name in ("complexity", "importance")}
    redrawn = {name: Redrawn(np.tile(each, (10, 1)), each, groups=20) for name, each in values.items()}
    return pd.concat(group_rows(scored, redrawn, n_bootstrap=100, seed=0)).assign(epoch=REFERENCE)


def finding(clustered: pd.DataFrame) -> str:
    k = clustered[clustered["cluster"] >= 0]["complexity"].dropna().to_numpy(float)
    return groups_finding(means_table(clustered), k, epoch=REFERENCE)


def test_the_range_of_means_stands_beside_that_of_concepts_dealt_at_random(clustered):
    random = clustered.assign(complexity=np.random.default_rng(0).random(len(clustered)), super_class="")
    ends = re.search(r"K runs from ([.\d]+) .* to ([.\d]+) .* \(([.\d]+) to ([.\d]+) on average if", finding(random))
    low, high, low_by_chance, high_by_chance = map(float, ends.groups())
    assert (low, high) == pytest.approx((low_by_chance, high_by_chance), abs=0.15)
    assert high_by_chance - low_by_chance > 0.2  # of means that nothing tells apart


def test_groups_explain_nothing_by_chance_and_everything_where_planted(clustered):
    planted = clustered.assign(complexity=clustered["cluster"] / 13 + 0.001 * clustered["concept"] % 0.005)
    sentence = finding(planted)
    assert "accounts for 100 % (95 %: 100 to 100 %) of the variance" in sentence
    shares = []
    for seed in range(40):
        random = clustered.assign(complexity=np.random.default_rng(seed).random(len(clustered)), super_class="")
        sentence = finding(random)
        shares.append(int(sentence.split("accounts for ")[1].split(" %")[0].replace("−", "-")))
    assert np.mean(shares) == pytest.approx(0, abs=2)
    assert "Not measured" in finding(clustered.assign(cluster=0))


def test_the_mean_of_all_is_that_of_the_concepts(clustered):
    means = means_of_groups(study().meta_features, epoch=REFERENCE, grouping="cluster")
    assert mean_of_all(means["complexity"]) == pytest.approx(clustered["complexity"].mean())
    assert np.isnan(mean_of_all({}))


def test_clusters_say_their_number_size_and_class_by_hand():
    rows = pd.DataFrame({"cluster": [0, 0, 0, 1, 1, 2], "class_name": ["b", "a", "a", "a", "b", "c"]})
    rows = rows.assign(class_id=0)
    labels = ["0 · 3 concepts · class a (2)", "1 · 2 concepts · no class twice", "2 · 1 concept · class c (1)"]
    assert list(cluster_labels(rows).values()) == labels
    assert cluster_labels(rows.assign(class_name="all", class_id=-1))[0] == "0 · 3 concepts"


def test_every_branch_of_the_tree_has_its_means(clustered):
    tree = tree_of_clusters(clustered)
    assert tree["depth"].value_counts().to_dict() == {
        0: 1, **{depth: clustered[level].nunique() for depth, level in enumerate(LEVELS, start=1)}
    }  # fmt: skip
    root, leaves = tree.iloc[0], tree[tree["depth"] == len(LEVELS)]
    assert root["n_concepts"] == len(clustered)
    assert root["complexity"] == pytest.approx(clustered["complexity"].mean())
    np.testing.assert_allclose(leaves["complexity"], clustered.groupby("cluster")["complexity"].mean())
    assert leaves["place"].tolist() == sorted(clustered["cluster"].unique())
    for _, branch in tree.iloc[1:].iterrows():
        assert branch["place_above"] in tree.loc[tree["depth"] == branch["depth"] - 1, "place"].tolist()
