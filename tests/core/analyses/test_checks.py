"""What the checks find in a study's tables: nothing in sound ones, every kind of offence in others."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from featcx_core.analyses.clusters.checks import clusters_are_nested, super_classes_cover_all
from featcx_core.analyses.codes.checks import predictions_kept
from featcx_core.analyses.concept_paths.checks import matches_are_unique
from featcx_core.analyses.v_information.checks import penultimate_says_more, shuffled_say_nothing
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.checks import check_rows
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import Study
from tests.steps import altered, reader, remake, table_of

TABLES_OF_A_STUDY = [table.name for artefact in catalogue().shown for table in artefact.tables]
Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.mark.parametrize("name", TABLES_OF_A_STUDY)
def test_the_tables_of_a_finished_study_are_sound(small: Store, name: str):
    finding = check_rows(reader(small), catalogue().tables[name])
    assert finding.passed, finding.says
    n_rows = len(table_of(small, name))
    assert finding.numbers["rows"] == n_rows
    # its labels are true, and no prediction hangs on one concept
    assert (n_rows > 0) is (name not in ("corruption", "memorisation_detection", "concept_flips"))


def set_first(column: str, value: object) -> Change:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[0, column] = value
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: pd.concat([rows, rows[:1]]), "2 rows share a key, the first: {'epoch': 1, 'concept': 0}"),
        (set_first("importance", -0.5), "importance: -0.5 is below 0.0"),
        (set_first("prevalence_fraction", 1.5), "prevalence_fraction: 1.5 is above 1.0"),
        (set_first("importance", float("nan")), "importance: 1 values are missing"),
        (set_first("importance", float("inf")), "importance: 1 values are infinite"),
    ],
)
def test_offences_of_rows_are_named(small: Store, change: Change, says: str):
    altered(small, "importance", "000001", change)
    finding = check_rows(reader(small), catalogue().tables["importance"])
    assert not finding.passed
    assert finding.is_error
    assert finding.says == says
    assert finding.numbers["offences"] == 1


def test_what_may_be_missing_is_no_offence(small: Store):
    altered(small, "complexity", "000001", set_first("complexity", float("nan")))
    assert check_rows(reader(small), catalogue().tables["complexity"]).passed


def test_rows_that_are_out_of_date_are_not_looked_at(small: Store):
    altered(small, "importance", "000001", set_first("importance", -0.5))
    rows = check_rows(reader(small), catalogue().tables["importance"]).numbers["rows"]
    small.checkpoint(1).unlink()
    finding = check_rows(reader(small), catalogue().tables["importance"])
    assert finding.passed
    assert finding.numbers == {"rows": rows * 2 / 3, "offences": 0}


def test_shuffled_codes_with_signal_are_found(small: Store):
    sound = shuffled_say_nothing(reader(small))
    assert sound.passed
    assert 0 <= sound.numbers["largest_mean"] <= 0.02

    def leak(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(v_information=rows["v_information"].where(rows["kind"] != "shuffled", 0.5))

    for layer in small.anatomy.names:
        altered(small, "v_information", f"000001-{layer}", leak)
        altered(small, "v_information", f"reference-000001-{layer}", leak)
    finding = shuffled_say_nothing(reader(small))
    assert not finding.passed
    assert finding.is_error
    assert finding.says == "epoch 1: 0.500"


def test_a_stem_that_says_more_than_the_penultimate_is_pointed_at(small: Store):
    altered(small, "v_information", "000002-stem", lambda rows: rows.assign(v_information=0.0))
    assert penultimate_says_more(reader(small)).passed
    altered(small, "v_information", "000002-stem", lambda rows: rows.assign(v_information=1.0))
    finding = penultimate_says_more(reader(small))
    assert not finding.passed
    assert not finding.is_error  # something to look at: a fact of the network, not a mistake
    assert finding.says.endswith("stem 1.000")


def test_predictions_that_are_lost_are_pointed_at(small: Store):
    assert predictions_kept(reader(small)).passed
    altered(small, "dictionaries", "000002", lambda rows: rows.assign(predictions_kept_fraction=0.9))
    finding = predictions_kept(reader(small))
    assert not finding.passed
    assert not finding.is_error
    assert finding.says == "epoch 2: 0.900"
    altered(small, "dictionaries", "000002", lambda rows: rows.assign(predictions_kept_fraction=0.99))
    altered(small, "dictionaries", "000000", lambda rows: rows.assign(predictions_kept_fraction=0.1))
    assert predictions_kept(reader(small)).passed  # an untrained network decides nothing
    altered(small, "dictionaries", "000001", lambda rows: rows.assign(predictions_kept_fraction=0.8))
    assert not predictions_kept(reader(small)).passed
    altered(small, "epochs", "000001", lambda rows: rows.assign(passes=0.5))
    assert predictions_kept(reader(small)).passed  # nor one within its first epoch


def test_nothing_made_is_nothing_wrong(small_home: Path, tmp_path: Path):
    store = Store(tmp_path, Study(name="new"))
    store.root.mkdir()
    store.layers_path.write_bytes((small_home / "tiny/layers.json").read_bytes())
    for find in (shuffled_say_nothing, penultimate_says_more, predictions_kept):
        assert find(reader(store)).passed
    assert all(check_rows(reader(store), catalogue().tables[name]).passed for name in TABLES_OF_A_STUDY)


def test_matches_that_are_not_one_to_one_are_named(small: Store):
    assert matches_are_unique(reader(small)).passed

    def twice(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(matched_concept=rows["matched_concept"].mask(rows["concept"] == 1, 0))

    altered(small, "concept_paths", "all", twice)
    finding = matches_are_unique(reader(small))
    assert not finding.passed
    assert "concept 1 of the reference epoch is not matched to itself" in finding.says
    assert "concept 0 is matched twice" in finding.says


def test_clusters_in_several_branches_are_named(small: Store):
    assert clusters_are_nested(reader(small)).passed
    altered(small, "clusters", "000002", lambda rows: rows.assign(level_3=range(len(rows))))
    finding = clusters_are_nested(reader(small))
    assert "lies in several branches of level_3" in finding.says


def test_classes_in_no_super_class_are_named(small: Store):
    assert super_classes_cover_all(reader(small)).says == "the study names none"
    small.study_path.write_text(small.study_path.read_text().replace("[data]", '[data]\nsuperclasses = {bar = ["0"]}'))
    store = open_store(small.home, "tiny")
    remake(store, "clusters", epoch=2)
    finding = super_classes_cover_all(reader(store))
    assert not finding.passed
    assert not finding.is_error
    assert finding.says == "in no super-class: 1, 2; name them in data.superclasses"
    together = store.study.dictionary.model_copy(update={"scope": "all"})
    finding = super_classes_cover_all(
        reader(Store(store.home, store.study.model_copy(update={"dictionary": together})))
    )
    assert (finding.passed, finding.says) == (True, 'atoms belong to no class: dictionary.scope = "all"')
