"""Other readers and other choices of layers of a finished study, against scikit-learn on the stored arrays."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

import featcx_core as fx
from featcx_core.analyses.readers.checks import radial_reads_more
from featcx_core.artefacts.making import make
from featcx_core.measures.random_features import radial_features, random_projection
from featcx_core.store.places import Store, open_store
from tests.references import random_features as features_reference
from tests.references import v_information as reference
from tests.steps import altered, reader, refresh, rows_of, table_of

EPOCH = 2


@pytest.fixture(scope="module")
def stored(finished_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    home = shutil.copytree(finished_home, tmp_path_factory.mktemp("readers") / "home")
    study = home / "tiny" / "study.toml"
    study.write_text(study.read_text() + "\n[readers]\nfeatures = 20\nwidth = 5\n")
    store = open_store(home, "tiny")
    for epoch in (0, EPOCH):
        make(store, "readers", epoch=epoch, device="cpu")
    make(store, "layer_choices")
    refresh(store)
    return store


@pytest.mark.parametrize("layer", ["stem", "layer3.2"])
def test_readers_are_those_of_scikit_learn_on_the_features(stored: Store, layer: str):
    study = fx.open_study("tiny", home=stored.home)
    acts, codes = (np.asarray(a[:], float) for a in (study.acts(epoch=EPOCH, layer=layer), study.codes(epoch=EPOCH)))
    drawn = radial_features(acts, n_features=20, seed=0)
    by_reader = {
        "rbf": features_reference.features(acts, drawn.frequencies, drawn.phases),
        "projected": acts @ random_projection(acts.shape[1], 5, seed=0),
    }
    assert drawn.width == pytest.approx(features_reference.median_distance(acts))
    rows = rows_of(stored, "readers", epoch=EPOCH)
    for name, x in by_reader.items():
        own = rows[(rows["layer"] == layer) & (rows["reader"] == name)].sort_values("concept")
        assert (own["n_features"] == x.shape[1]).all()
        concept = int(own["v_information"].dropna().index[0] - own.index[0])
        halves = x[:60], codes[:60, concept], x[60:], codes[60:, concept]
        expected = reference.cross_fitted(*halves, stored.study.probe.groups)
        assert own["v_information"].iloc[concept] == pytest.approx(expected["v_information"], abs=1e-6)
        assert own["standard_error"].iloc[concept] == pytest.approx(expected["standard_error"], abs=1e-6)


def test_choices_are_means_over_their_layers(stored: Store):
    choices = table_of(stored, "layer_choices").query("epoch == @EPOCH").set_index("choice")
    assert list(choices.index) == ["all", "without_first", "without_last", "one_a_stage", "projected", "rbf"]
    information = table_of(stored, "v_information").query("epoch == @EPOCH and dictionary_epoch == @EPOCH")
    information = information[information["kind"] == "concept"]
    of_all = 1 - information.groupby("concept")["v_information"].mean()
    later = 1 - information[information["layer"] != "stem"].groupby("concept")["v_information"].mean()
    gamma = table_of(stored, "importance").query("epoch == @EPOCH").set_index("concept")["importance"]
    row = choices.loc["without_first"]
    assert row["n_layers"] == choices.loc["all", "n_layers"] - 1
    assert row["rank_correlation"] == pytest.approx(spearmanr(of_all, later, nan_policy="omit").statistic)
    assert row["importance_correlation"] == pytest.approx(spearmanr(later, gamma, nan_policy="omit").statistic)
    radial = table_of(stored, "readers").query("epoch == @EPOCH and reader == 'rbf'")
    of_radial = 1 - radial.groupby("concept")["v_information"].mean()
    expected = spearmanr(of_all, of_radial, nan_policy="omit").statistic
    assert choices.loc["rbf", "rank_correlation"] == pytest.approx(expected)


def test_choices_need_no_other_reader(finished_home: Path):
    store = open_store(finished_home, "tiny")
    assert set(table_of(store, "layer_choices")["choice"]) == {"all", "without_first", "without_last", "one_a_stage"}


def test_a_radial_reader_that_reads_less_is_pointed_out(stored: Store, tmp_path: Path):
    store = open_store(shutil.copytree(stored.home, tmp_path / "home"), "tiny")
    altered(store, "readers", "000002", lambda rows: rows.assign(v_information=0.0))
    finding = radial_reads_more(reader(store))
    assert not finding.passed
    assert finding.says.startswith("epoch 2: 0.")
    altered(store, "readers", "000002", lambda rows: rows.assign(v_information=1.0))
    assert radial_reads_more(reader(store)).passed
