from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featcx_core.figures.canvas import png
from featcx_core.figures.plane import concept_map
from featcx_core.findings.meta_features import clustered_concepts
from tests.core.figures.drawn import is_png, texts
from tests.core.findings.synthetic import REFERENCE, study


@pytest.fixture(scope="module")
def clustered() -> pd.DataFrame:
    tables = study()
    return clustered_concepts(tables.clusters, tables.complexity, tables.importance, tables.concepts, epoch=REFERENCE)


def titles(clustered: pd.DataFrame) -> list[str]:
    return [axes.get_title(loc="left").split("  ")[0] for axes in concept_map(clustered, embedding="tsne").axes]


def clusters_of(figure: Figure) -> Axes:
    return next(axes for axes in figure.axes if axes.get_title(loc="left") == "cluster, by number")


def test_the_map_has_a_panel_of_super_classes_where_there_are_some(clustered):
    assert {"round", "straight", "none"} <= {*texts(concept_map(clustered, embedding="tsne")).split("\n")}
    assert "super-class" in titles(clustered)
    unnamed = clustered.assign(super_class="")
    assert "super-class" not in titles(unnamed)
    assert "nothing to show" not in texts(concept_map(unnamed, embedding="tsne"))
    many = clustered.assign(super_class=[f"s{i % 9}" for i in range(len(clustered))])
    assert "others or none" in texts(concept_map(many, embedding="tsne"))
    bare = clustered.assign(complexity=np.nan, importance=0.0)
    assert is_png(png(concept_map(bare, embedding="pca"), dots_per_inch=50))


@pytest.mark.parametrize(("embedding", "name"), [("tsne", "t-SNE"), ("umap", "UMAP"), ("pca", "principal component")])
def test_the_map_names_its_plane_and_numbers_its_clusters(clustered, embedding, name):
    apart = clustered.assign(x=100.0 * clustered["cluster"], y=0.0, super_class="")
    axes = clusters_of(concept_map(apart, embedding=embedding))
    assert (axes.get_xlabel(), axes.get_ylabel()) == (f"{name} 1", f"{name} 2")
    assert {text.get_text() for text in axes.texts} == {str(cluster) for cluster in clustered["cluster"]}
    heap = concept_map(clustered.assign(x=clustered["cluster"] % 2 * 1.0, y=clustered["x"] * 0), embedding=embedding)
    assert len([text for axes in heap.axes for text in axes.texts]) == 2  # of those that would overlap the largest
    assert "Plane: principal component." in " ".join(texts(concept_map(apart[:3], embedding=embedding)).split())


def test_the_number_of_a_cluster_leaves_its_only_concept_in_sight(clustered):
    alone = clustered.assign(
        cluster=clustered["concept"] // 99, x=1.0 * clustered["concept"], y=clustered["concept"] % 7
    )
    figure = concept_map(alone, embedding="tsne")
    figure.draw_without_rendering()
    axes = clusters_of(figure)
    (number,) = [text for text in axes.texts if text.get_text() == "1"]
    place = axes.transData.transform(alone.loc[alone["concept"] == 99, ["x", "y"]].to_numpy())[0]
    assert not number.get_window_extent().contains(*place)


def test_clusters_that_lie_near_each_other_differ_in_colour(clustered):
    # fifteen clusters, in pairs one cluster's number apart
    far = clustered.assign(cluster=clustered["concept"] // 7, y=0.0)
    axes = clusters_of(concept_map(far.assign(x=100.0 * (far["cluster"] % 7) + far["cluster"] // 7), embedding="tsne"))
    drawn = sorted((marks.get_offsets()[0, 0], tuple(marks.get_facecolor()[0])) for marks in axes.collections[1::2])
    colours = [colour for _, colour in drawn]
    assert len(colours) == 15
    assert all(left != right for left, right in pairwise(colours))


def test_the_map_says_what_is_grey_and_that_colours_repeat(clustered):
    written = " ".join(texts(concept_map(clustered, embedding="tsne")).split())
    assert "Grey: no value, or an importance of 0, which has no logarithm." in written
    assert "Colours repeat, the numbers count" in written
