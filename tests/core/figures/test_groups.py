import numpy as np
import pandas as pd
import pytest

from featcx_core.figures.groups import group_sheet
from featcx_core.findings.meta_features import clustered_concepts
from featcx_core.findings.sheets import choose_groups
from tests.core.figures.drawn import texts
from tests.core.findings.synthetic import REFERENCE, study


@pytest.fixture(scope="module")
def clustered() -> pd.DataFrame:
    tables = study()
    return clustered_concepts(tables.clusters, tables.complexity, tables.importance, tables.concepts, epoch=REFERENCE)


def test_the_sheet_says_which_of_the_clusters_it_shows(clustered):
    n_clusters = clustered.dropna(subset=["complexity"])["cluster"].nunique()
    groups = choose_groups(clustered, n_groups=3, n_concepts=2)
    figure = group_sheet(np.zeros((3, 2, 1, 8, 8)), np.ones((3, 2, 2, 2)), groups, n_clusters=n_clusters)
    assert f"Shown: 3 of the {n_clusters} clusters" in texts(figure).replace("\n", " ")
    assert "Class: the most common one" in texts(figure)
    assert groups[0].label in texts(figure)
    every = choose_groups(clustered, n_groups=n_clusters)
    images, heat = np.zeros((n_clusters, 1, 1, 8, 8)), np.ones((n_clusters, 1, 2, 2))
    whole = group_sheet(images, heat, every, n_clusters=n_clusters)
    assert f"Shown: all {n_clusters} clusters" in texts(whole).replace("\n", " ")


def test_every_heat_map_of_the_sheet_has_its_own_scale(clustered):
    heat = np.zeros((1, 2, 2, 2))
    heat[0, :, 0, 0] = [100.0, 1.0]
    images = np.full((1, 2, 1, 96, 96), 0.5)
    figure = group_sheet(images, heat, choose_groups(clustered, n_groups=1), n_clusters=1)
    [axes] = [axes for axes in figure.axes if axes.images]
    pixels = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(pixels[0, 0], pixels[0, 100], atol=1e-6)
    assert np.ptp(pixels[0, 0]) > 0.2


def test_the_sheet_without_clusters_says_so():
    figure = group_sheet(np.zeros((0, 0, 1, 1, 1)), np.zeros((0, 0, 1, 1)), [], n_clusters=0)
    assert "no concept in a cluster has a complexity" in texts(figure)
