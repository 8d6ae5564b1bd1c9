import math

from featcx_core.findings.selection import last_clustered, nearest_level, of_kind, trained_epochs
from featcx_core.findings.study_tables import StudyTables
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import N_EPOCHS, REFERENCE, study
from tests.core.findings.synthetic_properties import study_with_properties


def test_trained_epochs_have_a_complexity_and_come_after_the_initialisation():
    assert trained_epochs(study()) == list(range(1, N_EPOCHS))
    last_alone = StudyTables(*(t[t["epoch"] == REFERENCE] if "epoch" in t else t for t in study()))
    assert trained_epochs(last_alone) == [REFERENCE]
    assert trained_epochs(no_rows()) == []


def test_a_table_without_kinds_holds_concepts_alone():
    concepts = study().concepts
    assert of_kind(concepts, "concept") is concepts
    assert of_kind(concepts, "random_direction").empty


def test_the_level_that_is_nearest_is_taken():
    rows, level = nearest_level(study_with_properties().sensitivity, "sigma", near=0.1)
    assert level == 0.1
    assert set(rows["sigma"]) == {0.1}
    assert math.isnan(nearest_level(no_rows().sensitivity, "sigma", near=0.1)[1])


def test_clusters_of_the_last_epoch_are_shown_where_the_reference_epoch_has_none():
    clusters = study().clusters
    assert last_clustered(clusters, reference_epoch=REFERENCE) == REFERENCE
    assert last_clustered(clusters.replace({"epoch": {REFERENCE: 6}}), reference_epoch=REFERENCE) == 6
    assert last_clustered(no_rows().clusters, reference_epoch=REFERENCE) == REFERENCE
