import numpy as np

from featcx_core.figures.canvas import png
from featcx_core.figures.meta_features import groups_by_complexity
from featcx_core.findings.meta_features import clustered_concepts
from tests.core.figures.drawn import is_png, texts
from tests.core.findings.synthetic import REFERENCE, study


def scored_concepts():
    tables = study()
    concepts = clustered_concepts(
        tables.clusters, tables.complexity, tables.importance, tables.concepts, epoch=REFERENCE
    )
    return concepts.dropna(subset=["complexity"])


def test_groups_stand_from_simple_to_complex():
    meta_features = study().meta_features
    figure = groups_by_complexity(meta_features, epoch=REFERENCE)
    over_concepts, over_images, means = figure.axes[0].collections
    left = means.get_offsets()[:, 0]
    assert (np.diff(left) >= 0).all()
    np.testing.assert_allclose(left, np.sort(scored_concepts().groupby("cluster")["complexity"].mean()))
    for lines in (over_concepts, over_images):
        ends = np.array([segment[:, 0] for segment in lines.get_segments()])
        assert (ends[:, 0] < left).all()
        assert (left < ends[:, 1]).all()
    unnamed = meta_features[meta_features["grouping"] == "cluster"]
    assert is_png(png(groups_by_complexity(unnamed, epoch=REFERENCE), dots_per_inch=50))
    without = meta_features[meta_features["measure"] != "importance"]
    assert is_png(png(groups_by_complexity(without, epoch=REFERENCE), dots_per_inch=50))
    assert "nothing to show" in texts(groups_by_complexity(meta_features, epoch=3))


def test_groups_have_a_row_of_what_is_in_no_super_class_and_one_scale_a_column():
    figure = groups_by_complexity(study().meta_features, epoch=REFERENCE)
    clusters, super_classes = figure.axes[0], figure.axes[2]
    labels = [label.get_text() for label in super_classes.get_yticklabels()]
    counts = scored_concepts()["super_class"].replace("", "none").value_counts()
    assert sorted(labels) == sorted(f"{name} ({n})" for name, n in counts.items())
    assert clusters.get_xlim() == super_classes.get_xlim()
    for axes in (clusters, super_classes):
        low, high = sorted(axes.get_ylim())
        assert low < min(axes.get_yticks()) - 0.5
        assert max(axes.get_yticks()) + 0.5 < high
