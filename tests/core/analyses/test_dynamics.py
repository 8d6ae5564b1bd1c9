"""The steps over all epochs: what they refuse, and that an incomplete table never passes for a whole one."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from featcx_core.analyses.complexity.make import scored
from featcx_core.analyses.over_images import ImageResamples
from featcx_core.analyses.sedimentation import make as sedimentation
from featcx_core.artefacts.making import make
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.networks.anatomy import Anatomy
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import Clusters, StudyError
from tests.references import over_images as reference
from tests.steps import altered, reader, remake, rows_of

EPOCHS = (0, 1, 2)


@pytest.fixture(scope="module")
def measured_home(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny study with everything made that belongs to one epoch."""
    home = shutil.copytree(trained_home, tmp_path_factory.mktemp("measured") / "home")
    store = open_store(home, "tiny")
    for epoch in EPOCHS:
        for name in ("complexity", "importance", "v_information"):
            make(store, name, epoch=epoch, device="cpu")
    for epoch in EPOCHS[:-1]:
        make(store, "reference_v_information", epoch=epoch, device="cpu")
    return home


@pytest.fixture
def measured(measured_home: Path, tmp_path: Path) -> Store:
    """A copy of it, to change at will."""
    return open_store(shutil.copytree(measured_home, tmp_path / "measured"), "tiny")


def test_correlations_wait_for_the_time_to_decode(measured: Store) -> None:
    with pytest.raises(ValueError, match="correlations: decode_time is not current; materialise decode_time first"):
        remake(measured, "correlations")
    remake(measured, "decode_time")
    rows = remake(measured, "correlations")
    importances = {"importance", "importance_when_active", "ablation_logit", "ablation_loss"}
    assert set(rows["y"]) == {*importances, "decode_time", "decode_time_normalised", "hoyer"}
    assert Snapshot(measured).is_current(Partition("correlations"))


def test_figures_wait_for_the_tables(measured: Store) -> None:
    remake(measured, "decode_time")
    remake(measured, "sedimentation")
    remake(measured, "layer_information")
    remake(measured, "concept_paths")
    with pytest.raises(ValueError, match="figures: correlations is not current"):
        remake(measured, "figures")
    remake(measured, "correlations")
    with pytest.raises(ValueError, match="report: figures is not current; materialise figures first"):
        remake(measured, "report")


def test_without_an_epoch_of_both_measures(measured: Store) -> None:
    for epoch in EPOCHS:
        measured.table("importance", f"{epoch:06d}").unlink()
    remake(measured, "decode_time")
    with pytest.raises(
        ValueError, match="no epoch has all of complexity, importance, codes, v_information; materialise"
    ):
        remake(measured, "sedimentation")
    assert set(remake(measured, "correlations")["y"]) == {"decode_time", "decode_time_normalised", "hoyer"}
    for epoch in EPOCHS:
        measured.table("complexity", f"{epoch:06d}").unlink()
    with pytest.raises(ValueError, match="no epoch has all of complexity, codes, v_information; materialise"):
        remake(measured, "correlations")


def test_an_epoch_of_dead_concepts_has_no_group(measured: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sedimentation, "scored", lambda reader, epoch: scored(reader, epoch).assign(complexity=np.nan))
    assert len(remake(measured, "sedimentation")) == 0


def test_layers_hold_the_means_of_what_lives(measured: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = remake(measured, "layer_information")
    assert Snapshot(measured).is_current(Partition("layer_information"))
    own = rows_of(measured, "v_information", epoch=2, layer=measured.anatomy.names[3])
    for kind in own["kind"].unique():
        row = rows.query("epoch == 2 and kind == @kind").set_index("layer").loc[measured.anatomy.names[3]]
        values = own[own["kind"] == kind]["v_information"].dropna()
        assert row["v_information"] == pytest.approx(values.mean())
        assert row["n_concepts"] == len(values)
        assert row["low"] <= row["v_information"] <= row["high"]
        lack = ImageResamples(reader(measured)).lack([own[own["kind"] == kind]])  # one layer's
        known = lack.of(lack.is_known)
        half = stats.t.ppf(0.975, lack.groups - 1) * known.draws.mean(axis=1).std()
        starts = sorted([row["v_information"], 1 - known.unclipped.mean()])
        wanted = np.clip([starts[0] - half, starts[1] + half], 0, 1)
        assert (row["low_images"], row["high_images"]) == pytest.approx(tuple(wanted))
    assert rows.groupby(["epoch", "kind"]).size().unique().tolist() == [len(measured.anatomy.names)]
    assert (rows[rows["layer"] == measured.anatomy.in_complexity[0]]["gain"] == 0).all()
    first = measured.anatomy.in_complexity[0]
    monkeypatch.setattr(Anatomy, "in_complexity", property(lambda anatomy: anatomy.names[1:]))
    later = remake(measured, "layer_information")
    assert (later[later["layer"] == measured.anatomy.names[1]]["gain"] == 0).all()
    assert (later[later["layer"] == first]["gain"] != 0).any()


def test_layers_wait_for_all_of_an_epoch(measured: Store) -> None:
    measured.table("v_information", f"000001-{measured.anatomy.names[3]}").unlink()
    assert set(remake(measured, "layer_information")["epoch"]) == {0, 2}
    for epoch in (0, 2):
        measured.table("v_information", f"{epoch:06d}-{measured.anatomy.names[0]}").unlink()
    assert not Snapshot(measured).is_ready(Partition("layer_information"))
    with pytest.raises(ValueError, match="no epoch has all of v_information; materialise what is missing first"):
        remake(measured, "layer_information")


def test_without_a_living_code_there_is_no_row(measured: Store) -> None:
    for layer in measured.anatomy.names:
        for epoch in EPOCHS:
            altered(measured, "v_information", f"{epoch:06d}-{layer}", lambda rows: rows.assign(v_information=np.nan))
    assert len(remake(measured, "layer_information")) == 0
    assert Snapshot(measured).is_current(Partition("layer_information"))


def without_concepts(rows: pd.DataFrame) -> pd.DataFrame:
    """The same with two dead concepts, so that place and number of the later ones differ."""
    dead = (rows["kind"] == "concept") & rows["concept"].isin([1, 4])
    for column in ("v_information", "complexity"):
        if column in rows:
            rows[column] = rows[column].mask(dead)
    if "jackknife" in rows:
        rows["jackknife"] = rows["jackknife"].mask(dead, None)
    return rows


def test_groups_hold_the_means_of_their_concepts(measured: Store) -> None:
    with pytest.raises(ValueError, match="no epoch has all of clusters, complexity, v_information; materialise"):
        remake(measured, "meta_features")
    altered(measured, "complexity", "000002", without_concepts)
    for layer in measured.anatomy.names:
        altered(measured, "v_information", f"000002-{layer}", without_concepts)
    clusters = remake(measured, "clusters", epoch=2)
    rows = remake(measured, "meta_features")
    assert Snapshot(measured).is_current(Partition("meta_features"))
    assert set(rows["epoch"]) == {2}
    assert set(rows["grouping"]) == {"cluster"}  # the study names no super-class
    k = rows_of(measured, "complexity", epoch=2).query("kind == 'concept'")[["concept", "complexity"]]
    gamma = rows_of(measured, "importance", epoch=2)[["concept", "importance"]]
    known = clusters.merge(k).merge(gamma).dropna(subset=["complexity"])
    for measure in ("complexity", "importance"):
        found = rows[rows["measure"] == measure].set_index("group_name")["value"]
        wanted = known.groupby("cluster")[measure].mean()
        assert found.to_dict() == pytest.approx({str(cluster): mean for cluster, mean in wanted.items()})
    images = ImageResamples(reader(measured))
    for measure, drawn in (("complexity", images.complexity(2)), ("importance", images.importance(2))):
        for cluster, members in known.groupby("cluster")["concept"]:
            row = rows[(rows["measure"] == measure) & (rows["group_name"] == str(cluster))].iloc[0]
            of_members = drawn.of(members.to_numpy())
            value, within = row["value"], (0.0, 1.0 if measure == "complexity" else np.inf)
            wanted = of_members.mean_interval(value, within=within)
            assert wanted[0] <= value <= wanted[1]
            np.testing.assert_allclose([row["low_images"], row["high_images"]], wanted)
    share = rows[rows["measure"] == "complexity_explained"].iloc[0]
    drawn = images.complexity(2).of(known["concept"].to_numpy()).draws
    of_draws = [reference.explained(k, known["cluster"].to_numpy()) for k in drawn]
    half = stats.t.ppf(0.975, images.groups - 1) * np.std(of_draws)
    wanted = np.clip([share["value"] - half, share["value"] + half], -1, 1)
    np.testing.assert_allclose([share["low_images"], share["high_images"]], wanted)
    for epoch in EPOCHS:
        measured.table("importance", f"{epoch:06d}").unlink()
    assert set(remake(measured, "meta_features")["measure"]) == {"complexity", "complexity_explained"}


def test_concepts_are_found_at_every_epoch(measured: Store) -> None:
    rows = remake(measured, "concept_paths")
    assert Snapshot(measured).is_current(Partition("concept_paths"))
    assert sorted(rows.groupby("epoch").size().items()) == [(epoch, 12) for epoch in EPOCHS]
    reference = rows[rows["epoch"] == 2].dropna(subset=["matched_concept"])
    assert (reference["concept"] == reference["matched_concept"]).all()
    assert reference["cosine"].to_numpy() == pytest.approx(np.ones(len(reference)), abs=1e-6)
    own = rows_of(measured, "complexity", epoch=1).query("kind == 'concept'").set_index("concept")["complexity"]
    gamma = rows_of(measured, "importance", epoch=1).set_index("concept")["importance"]
    for row in rows[rows["epoch"] == 1].dropna(subset=["matched_concept"]).itertuples():
        assert row.complexity == pytest.approx(own[row.matched_concept], nan_ok=True)
        assert row.importance == pytest.approx(gamma[row.matched_concept])
    assert rows["null_cosine"].between(0, 1).all()


def test_an_epoch_without_results_is_left_out_of_the_paths(measured: Store) -> None:
    measured.table("importance", "000001").unlink()
    assert set(remake(measured, "concept_paths")["epoch"]) == {0, 2}


def test_clusters_of_a_small_dictionary(measured: Store) -> None:
    rows = remake(measured, "clusters", epoch=2)
    assert Snapshot(measured).is_current(Partition("clusters", 2))
    assert set(rows["cluster"]) == set(range(5))  # 1.5 · √12
    assert rows[["x", "y"]].notna().all(axis=None)
    assert set(rows["super_class"]) == {""}


def changed(store: Store, **parts: object) -> Store:
    """The same store, of a study that says something else."""
    return Store(store.home, store.study.model_copy(update=parts))


def test_more_clusters_than_concepts(measured: Store) -> None:
    with pytest.raises(StudyError, match=r"clusters\.count = 13: there are only 12 concepts; lower it"):
        remake(changed(measured, clusters=Clusters(count=13)), "clusters", epoch=2)
    rows = remake(changed(measured, clusters=Clusters(count=12, embedding="pca")), "clusters", epoch=2)
    assert rows["cluster"].nunique() > 8  # 12, without zero and equal atoms


def test_umap_that_is_not_there(measured: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featcx_core.features.method.find_spec", lambda name: None)
    with pytest.raises(StudyError, match=r"umap-learn is not installed; try pip install 'featcx\[umap\]', or"):
        remake(changed(measured, clusters=Clusters(embedding="umap")), "clusters", epoch=2)


def test_super_classes_stand_beside_the_clusters(measured: Store) -> None:
    def named(*classes: str) -> Store:
        return changed(measured, data=measured.study.data.model_copy(update={"superclasses": {"straight": classes}}))

    assert remake(named("0", "1"), "clusters", epoch=2)["super_class"].tolist() == ["straight"] * 8 + [""] * 4
    with pytest.raises(StudyError, match=r"data\.superclasses: straight: no class '9'; wanted one of: "):
        remake(named("0", "9"), "clusters", epoch=2)
    assert len(rows_of(measured, "clusters", epoch=2)) == 12  # what is made stays


def test_intervals_over_images_stand_beside_those_over_concepts(measured: Store) -> None:
    remake(measured, "decode_time")
    for rows in (remake(measured, "sedimentation"), remake(measured, "correlations")):
        known = rows.dropna(subset=["low"])
        assert len(known)
        assert (known["low_images"] <= known["high_images"]).all()
    groups = rows_of(measured, "importance", epoch=2)["jackknife"]
    assert {len(values) for values in groups} == {measured.study.probe.groups}
