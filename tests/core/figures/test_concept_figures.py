"""Figures of single concepts: their paths, their groups, the inhibitors among them."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featcx_core.figures.canvas import png
from featcx_core.figures.groups import choose_groups, group_sheet
from featcx_core.figures.inhibitors import inhibitors, inhibitors_finding
from featcx_core.figures.meta_features import concepts_of, groups_by_complexity, groups_finding
from featcx_core.figures.paths import births, concept_paths, paths_finding
from featcx_core.figures.plane import concept_map
from featcx_core.figures.tree import concept_dendrogram, leaf_labels
from featcx_core.findings.study_tables import StudyTables
from featcx_core.findings.summary import super_class_rows
from tests.core.figures.test_figures import (
    N_CONCEPTS,
    REFERENCE,
    frame,
    is_png,
    no_rows,
    synthetic_tables,
    texts,
    with_means,
)


@pytest.fixture(scope="module")
def tables() -> StudyTables:
    return synthetic_tables()


@pytest.fixture(scope="module")
def known(tables: StudyTables) -> pd.DataFrame:
    return concepts_of(tables.clusters, tables.complexity, tables.importance, tables.concepts, epoch=REFERENCE)


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
    said = paths_finding(paths, reference_epoch=3)
    assert "Of the 4 concepts of epoch 3, 33 % are matched above the null at epoch 0" in said
    assert "by epoch 1; from birth on, K falls for 50 % of those born before the end (median change −0.10)" in said


def test_paths_are_drawn_whatever_is_missing(tables):
    figure = concept_paths(tables.concept_paths, reference_epoch=REFERENCE)
    assert f"({N_CONCEPTS - 3} of {N_CONCEPTS})" in texts(figure)  # three are dead and have no path of K
    nobody = tables.concept_paths.assign(cosine=0.1)
    assert is_png(png(concept_paths(nobody, reference_epoch=REFERENCE), dots_per_inch=50))
    assert "stay" not in paths_finding(nobody, reference_epoch=REFERENCE)
    unmatched = tables.concept_paths.assign(cosine=np.nan)
    assert is_png(png(concept_paths(unmatched, reference_epoch=REFERENCE), dots_per_inch=50))
    assert "Not measured" in paths_finding(no_rows().concept_paths, reference_epoch=REFERENCE)


def test_paths_show_a_cosine_as_a_cosine(tables):
    left = concept_paths(tables.concept_paths, reference_epoch=REFERENCE).axes[0]
    median = tables.concept_paths.groupby("epoch")["cosine"].median()
    drawn = next(line for line in left.lines if "median cosine" in line.get_label())
    np.testing.assert_allclose(drawn.get_ydata(), median)
    assert [axis.get_ylabel() for axis in (left, *left.child_axes)] == ["share of concepts", "cosine"]


def titles(known: pd.DataFrame) -> list[str]:
    return [axes.get_title(loc="left").split("  ")[0] for axes in concept_map(known, embedding="tsne").axes]


def test_the_map_has_a_panel_of_super_classes_where_there_are_some(known):
    assert {"round", "straight", "none"} <= {*texts(concept_map(known, embedding="tsne")).split("\n")}
    assert "super-class" in titles(known)
    unnamed = known.assign(super_class="")
    assert "super-class" not in titles(unnamed)
    assert "nothing to show" not in texts(concept_map(unnamed, embedding="tsne"))
    many = known.assign(super_class=[f"s{i % 9}" for i in range(len(known))])
    assert "others or none" in texts(concept_map(many, embedding="tsne"))
    bare = known.assign(complexity=np.nan, importance=0.0)
    assert is_png(png(concept_map(bare, embedding="pca"), dots_per_inch=50))


@pytest.mark.parametrize(("embedding", "name"), [("tsne", "t-SNE"), ("umap", "UMAP"), ("pca", "principal component")])
def test_the_map_names_its_plane_and_numbers_its_clusters(known, embedding, name):
    apart = known.assign(x=100.0 * known["cluster"], y=0.0, super_class="")
    figure = concept_map(apart, embedding=embedding)
    clusters = next(axes for axes in figure.axes if axes.get_title(loc="left") == "cluster, by number")
    assert (clusters.get_xlabel(), clusters.get_ylabel()) == (f"{name} 1", f"{name} 2")
    assert {text.get_text() for text in clusters.texts} == {str(cluster) for cluster in known["cluster"]}
    heap = concept_map(known.assign(x=known["cluster"] % 2 * 1.0, y=known["x"] * 0), embedding=embedding)
    assert len([text for axes in heap.axes for text in axes.texts]) == 2  # of those that would overlap the largest
    assert "Plane: principal component." in " ".join(texts(concept_map(apart[:3], embedding=embedding)).split())


def clusters_of(figure: Figure) -> Axes:
    return next(axes for axes in figure.axes if axes.get_title(loc="left") == "cluster, by number")


def test_the_number_of_a_cluster_leaves_its_only_concept_in_sight(known):
    alone = known.assign(cluster=known["concept"] // 99, x=1.0 * known["concept"], y=known["concept"] % 7)
    figure = concept_map(alone, embedding="tsne")
    figure.draw_without_rendering()
    axes = clusters_of(figure)
    (number,) = [text for text in axes.texts if text.get_text() == "1"]
    at = axes.transData.transform(alone.loc[alone["concept"] == 99, ["x", "y"]].to_numpy())[0]
    assert not number.get_window_extent().contains(*at)


def test_clusters_that_lie_near_each_other_differ_in_colour(known):
    far = known.assign(cluster=known["concept"] // 7, y=0.0)  # fifteen of them, two groups a cluster's number apart
    axes = clusters_of(concept_map(far.assign(x=100.0 * (far["cluster"] % 7) + far["cluster"] // 7), embedding="tsne"))
    drawn = sorted((marks.get_offsets()[0, 0], tuple(marks.get_facecolor()[0])) for marks in axes.collections[1::2])
    colours = [colour for _, colour in drawn]
    assert len(colours) == 15
    assert all(one != other for one, other in pairwise(colours))


def test_the_map_says_what_is_grey_and_that_colours_repeat(known):
    said = " ".join(texts(concept_map(known, embedding="tsne")).split())
    assert "Grey: no value, or an importance of 0, which has no logarithm." in said
    assert "Colours repeat, the numbers count" in said


def test_leaves_say_their_number_size_and_class_by_hand():
    rows = pd.DataFrame({"cluster": [0, 0, 0, 1, 1, 2], "class_name": ["b", "a", "a", "a", "b", "c"]})
    rows = rows.assign(class_id=0)
    labels = ["0 · 3 concepts · class a (2)", "1 · 2 concepts · no class twice", "2 · 1 concept · class c (1)"]
    assert list(leaf_labels(rows).values()) == labels
    assert leaf_labels(rows.assign(class_name="all", class_id=-1))[0] == "0 · 3 concepts"


def test_the_tree_promises_classes_only_where_there_are_some(known):
    assert "its number, its concepts, and their most common class" in " ".join(texts(concept_dendrogram(known)).split())
    of_all = texts(concept_dendrogram(known.assign(class_name="all", class_id=-1)))
    assert "Right of a cluster: its number, its concepts. Joined" in " ".join(of_all.split())


def test_of_many_leaves_some_have_their_number(known):
    many = known.assign(cluster=range(len(known)))
    left = concept_dendrogram(many).axes[0]
    ticks = [tick for tick in left.get_yticks() if 0 <= tick < len(known)]
    assert 5 <= len(ticks) <= 25
    assert all(tick == round(tick) for tick in ticks)


def test_the_tree_has_a_disc_for_every_branch(known):
    figure = concept_dendrogram(known)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [*leaf_labels(known).values()]
    columns = [known[c].nunique() for c in ("level_1", "level_2", "level_3", "level_4", "cluster")]
    for axes in figure.axes[:2]:
        assert len(axes.collections[0].get_offsets()) == 1 + sum(columns)
    assert "100 concepts in 13 clusters" in texts(figure)


def means_of_groups(known):
    """The table of means that follows from these concepts."""
    inside = known[known["cluster"] >= 0].dropna(subset=["complexity"])
    redrawn = {name: np.tile(inside[name].to_numpy(float), (10, 1)) for name in ("complexity", "importance")}
    return pd.concat(group_rows(inside, redrawn, n_bootstrap=100, seed=0)).assign(epoch=REFERENCE)


def test_groups_stand_from_simple_to_complex(tables, known):
    figure = groups_by_complexity(tables.meta_features, epoch=REFERENCE)
    over_concepts, over_images, means = figure.axes[0].collections
    left = means.get_offsets()[:, 0]
    assert (np.diff(left) >= 0).all()
    inside = known.dropna(subset=["complexity"])
    np.testing.assert_allclose(left, np.sort(inside.groupby("cluster")["complexity"].mean()))
    for lines in (over_concepts, over_images):
        ends = np.array([segment[:, 0] for segment in lines.get_segments()])
        assert (ends[:, 0] < left).all()
        assert (left < ends[:, 1]).all()
    unnamed = tables.meta_features[tables.meta_features["grouping"] == "cluster"]
    assert is_png(png(groups_by_complexity(unnamed, epoch=REFERENCE), dots_per_inch=50))
    without = tables.meta_features[tables.meta_features["measure"] != "importance"]
    assert is_png(png(groups_by_complexity(without, epoch=REFERENCE), dots_per_inch=50))
    assert "nothing to show" in texts(groups_by_complexity(tables.meta_features, epoch=3))


def test_groups_have_a_row_of_what_is_in_no_super_class_and_one_scale_a_column(tables, known):
    figure = groups_by_complexity(tables.meta_features, epoch=REFERENCE)
    clusters, super_classes = figure.axes[0], figure.axes[2]
    labels = [label.get_text() for label in super_classes.get_yticklabels()]
    counts = known.dropna(subset=["complexity"])["super_class"].replace("", "none").value_counts()
    assert sorted(labels) == sorted(f"{name} ({n})" for name, n in counts.items())
    assert clusters.get_xlim() == super_classes.get_xlim()
    for axes in (clusters, super_classes):
        low, high = sorted(axes.get_ylim())
        assert low < min(axes.get_yticks()) - 0.5
        assert max(axes.get_yticks()) + 0.5 < high


def test_what_groups_say_of_chance_and_of_planted_ones(known):
    planted = known.assign(complexity=known["cluster"] / 13 + 0.001 * known["concept"] % 0.005)
    found = groups_finding(means_of_groups(planted), epoch=REFERENCE)
    assert "accounts for 100 % [100, 100] {100, 100} of the variance" in found
    shares = []
    for seed in range(40):
        random = known.assign(complexity=np.random.default_rng(seed).random(len(known)), super_class="")
        found = groups_finding(means_of_groups(random), epoch=REFERENCE)
        shares.append(int(found.split("accounts for ")[1].split(" %")[0].replace("−", "-")))
    assert np.mean(shares) == pytest.approx(0, abs=2)
    assert "Not measured" in groups_finding(means_of_groups(known.assign(cluster=0)), epoch=REFERENCE)


def test_super_classes_of_the_report(tables):
    rows = super_class_rows(tables, reference_epoch=REFERENCE)
    assert {row.name for row in rows} == {"round", "straight", "none: digit 8, digit 9"}
    assert {row.name: row.n_classes for row in rows} == {"round": 4, "straight": 4, "none: digit 8, digit 9": 2}
    assert sum(row.n for row in rows) == N_CONCEPTS - 3
    means = [float(row.complexity.split()[0]) for row in rows]
    assert means == sorted(means)
    unnamed = with_means(tables._replace(clusters=tables.clusters.assign(super_class="")))
    assert super_class_rows(unnamed, reference_epoch=REFERENCE) == []


def signed(values: list[tuple[float, float]]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    gamma = [
        {"epoch": 3, "concept": i, "importance": absolute, "signed_importance": value}
        for i, (absolute, value) in enumerate(values)
    ]
    k = [{"epoch": 3, "kind": "concept", "concept": i, "complexity": i / 10} for i in range(len(values))]
    names = [{"epoch": 3, "concept": i, "class_name": f"class{i}"} for i in range(len(values))]
    return frame("importance", gamma), frame("complexity", k), frame("concepts", names)


def test_inhibitors_by_hand():
    tables = signed([(1.0, 0.5), (1.0, -0.5), (2.0, 2.0)])
    said = inhibitors_finding(*tables, epoch=3)
    # negative contributions: 0.25, 0.75 and 0 of 4
    assert said.startswith("1 of 3 concepts are inhibitors on the whole (median K 0.10, the others 0.10)")
    assert "25.0 % are negative" in said
    written = texts(inhibitors(*tables, epoch=3))
    assert "strongest inhibitors" in written
    assert "class1" in written
    assert "class0" not in written


def test_without_inhibitors_the_most_divided_concepts_are_listed():
    written = texts(inhibitors(*signed([(1.0, 0.5), (0.0, 0.0), (2.0, 2.0)]), epoch=3))
    assert "none below 0" in written
    assert "25 %" in written


def test_groups_on_the_sheet_go_from_simple_to_complex_their_most_important_concepts_first(known):
    groups = choose_groups(known, n_groups=3, n_concepts=2)
    means = known.dropna(subset=["complexity"]).query("cluster >= 0").groupby("cluster")["complexity"].mean()
    of = known.set_index("concept")
    shown = [of.loc[group.concepts[0], "cluster"] for group in groups]
    assert means[shown[0]] == means.min()
    assert means[shown[-1]] == means.max()
    assert means[shown].is_monotonic_increasing
    for cluster, group in zip(shown, groups, strict=True):
        members = of[(of["cluster"] == cluster) & of["complexity"].notna()]
        assert members.loc[group.concepts, "importance"].tolist() == members["importance"].nlargest(2).tolist()
        assert group.label.startswith(f"cluster {cluster} · {len(members)} concepts\nmean K {means[cluster]:.2f}")
    figure = group_sheet(np.zeros((3, 2, 1, 8, 8)), np.ones((3, 2, 2, 2)), groups, n_clusters=len(means))
    assert f"Shown: 3 of the {len(means)} clusters" in texts(figure).replace("\n", " ")
    assert "Class: the most common one" in texts(figure)
    assert groups[0].label in texts(figure)
    everything = choose_groups(known, n_groups=len(means))
    whole = group_sheet(
        np.zeros((len(means), 1, 1, 8, 8)), np.ones((len(means), 1, 2, 2)), everything, n_clusters=len(means)
    )
    assert f"Shown: all {len(means)} clusters" in texts(whole).replace("\n", " ")


def test_every_heat_map_of_the_group_sheet_has_its_own_scale(known):
    heat = np.zeros((1, 2, 2, 2))
    heat[0, :, 0, 0] = [100.0, 1.0]
    images = np.full((1, 2, 1, 96, 96), 0.5)
    figure = group_sheet(images, heat, choose_groups(known, n_groups=1), n_clusters=1)
    [axes] = [axes for axes in figure.axes if axes.images]
    drawn = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(drawn[0, 0], drawn[0, 100], atol=1e-6)
    assert np.ptp(drawn[0, 0]) > 0.2


def test_the_group_sheet_without_clusters_says_so(tables):
    nothing = concepts_of(no_rows().clusters, tables.complexity, tables.importance, tables.concepts, epoch=REFERENCE)
    assert choose_groups(nothing) == []
    figure = group_sheet(np.zeros((0, 0, 1, 1, 1)), np.zeros((0, 0, 1, 1)), [], n_clusters=0)
    assert "no concept in a cluster has a complexity" in texts(figure)
