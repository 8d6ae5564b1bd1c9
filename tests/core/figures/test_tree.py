import pandas as pd
import pytest

from featcx_core.figures.tree import concept_dendrogram
from featcx_core.findings.meta_features import LEVELS, cluster_labels, clustered_concepts
from tests.core.figures.drawn import texts
from tests.core.findings.synthetic import REFERENCE, study


@pytest.fixture(scope="module")
def clustered() -> pd.DataFrame:
    tables = study()
    return clustered_concepts(tables.clusters, tables.complexity, tables.importance, tables.concepts, epoch=REFERENCE)


def test_the_tree_promises_classes_only_where_there_are_some(clustered):
    written = " ".join(texts(concept_dendrogram(clustered)).split())
    assert "its number, its concepts, and their most common class" in written
    of_all = texts(concept_dendrogram(clustered.assign(class_name="all", class_id=-1)))
    assert "Right of a cluster: its number, its concepts. Joined" in " ".join(of_all.split())


def test_of_many_leaves_some_have_their_number(clustered):
    many = clustered.assign(cluster=range(len(clustered)))
    left = concept_dendrogram(many).axes[0]
    ticks = [tick for tick in left.get_yticks() if 0 <= tick < len(clustered)]
    assert 5 <= len(ticks) <= 25
    assert all(tick == round(tick) for tick in ticks)


def test_the_tree_has_a_disc_for_every_branch(clustered):
    figure = concept_dendrogram(clustered)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [*cluster_labels(clustered).values()]
    n_branches = 1 + sum(clustered[level].nunique() for level in LEVELS)
    for axes in figure.axes[:2]:
        assert len(axes.collections[0].get_offsets()) == n_branches
    assert "100 concepts in 13 clusters" in texts(figure)
