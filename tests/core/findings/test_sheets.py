from featcx_core.findings.meta_features import clustered_concepts
from featcx_core.findings.sheets import choose_concepts, choose_groups, concept_labels, how_chosen
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import REFERENCE, study


def test_chosen_concepts_span_the_spectrum_and_carry_their_numbers():
    tables = study()
    chosen = choose_concepts(tables.complexity, epoch=REFERENCE, n_concepts=5)
    k = tables.complexity.query("epoch == @REFERENCE and kind == 'concept'").set_index("concept")["complexity"]
    scores = [k[concept] for concept in chosen]
    assert scores == sorted(scores)
    assert (scores[0], scores[-1]) == (k.min(), k.max())
    labels = concept_labels(
        chosen,
        epoch=REFERENCE,
        complexity=tables.complexity,
        concepts=tables.concepts,
        importance=tables.importance,
        decode_time=tables.decode_time,
    )
    assert f"concept {chosen[0]}" in labels[0]
    assert labels[0].startswith("class ")
    assert f"K {scores[0]:.2f}" in labels[0]
    assert choose_concepts(tables.complexity.iloc[:0], epoch=REFERENCE) == []


def test_labels_name_concepts_by_what_they_show_and_leave_out_a_time_that_one_checkpoint_cannot_tell():
    tables = study()
    options = {"epoch": REFERENCE, "complexity": tables.complexity, "concepts": tables.concepts}
    options |= {"importance": tables.importance, "names": {7: "mostly 4 (6 of 8), also 2"}}
    (label,) = concept_labels([7], decode_time=tables.decode_time, **options)
    assert label.startswith("mostly 4 (6 of 8), also 2\nconcept 7   K ")
    assert "\nΛ " in label
    (label,) = concept_labels([7], decode_time=tables.decode_time.assign(decode_time_normalised=0.0), **options)
    assert "Λ" not in label


def test_the_sheet_says_how_its_concepts_were_chosen():
    tables = study()
    n_scored = tables.complexity.query("epoch == @REFERENCE and kind == 'concept'")["complexity"].count()
    remark = how_chosen(5, epoch=REFERENCE, complexity=tables.complexity)
    assert remark == (
        f"Shown: 5 of the {n_scored} concepts that have a K, at even steps of its ranks from the simplest to the most "
        "complex. Named by the classes of their images."
    )


def test_groups_go_from_simple_to_complex_their_most_important_concepts_first():
    tables = study()
    clustered = clustered_concepts(
        tables.clusters, tables.complexity, tables.importance, tables.concepts, epoch=REFERENCE
    )
    groups = choose_groups(clustered, n_groups=3, n_concepts=2)
    means = clustered.dropna(subset=["complexity"]).query("cluster >= 0").groupby("cluster")["complexity"].mean()
    by_concept = clustered.set_index("concept")
    shown = [by_concept.loc[group.concepts[0], "cluster"] for group in groups]
    assert means[shown[0]] == means.min()
    assert means[shown[-1]] == means.max()
    assert means[shown].is_monotonic_increasing
    for cluster, group in zip(shown, groups, strict=True):
        members = by_concept[(by_concept["cluster"] == cluster) & by_concept["complexity"].notna()]
        assert members.loc[group.concepts, "importance"].tolist() == members["importance"].nlargest(2).tolist()
        assert group.label.startswith(f"cluster {cluster} · {len(members)} concepts\nmean K {means[cluster]:.2f}")


def test_without_clusters_there_are_no_groups():
    tables = study()
    nothing = clustered_concepts(
        no_rows().clusters, tables.complexity, tables.importance, tables.concepts, epoch=REFERENCE
    )
    assert choose_groups(nothing) == []
