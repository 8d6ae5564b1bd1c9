"""Dictionaries that grow by themselves, with further images, and their learning curve, in a finished study."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import featcx_core as fx
from featcx_core.analyses.dictionary_activations.make import class_positions
from featcx_core.artefacts.given import Tools
from featcx_core.artefacts.making import make
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.survey import read_head
from featcx_core.store.places import Store, open_store
from tests.references import dictionary as reference
from tests.steps import arrays_of, reader, rows_of, table_of

CHAIN = ("dictionary_activations", "dictionary", "codes")


def kept(acts: np.ndarray, atoms: np.ndarray, store: Store) -> float:
    codes = fx.encode(acts.astype(np.float32), atoms)
    return reference.kept(acts, codes, atoms, *read_head(store, epoch=2), outputs=[0])["predictions_kept_fraction"]


@pytest.fixture(scope="module")
def grown(finished_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    home = shutil.copytree(finished_home, tmp_path_factory.mktemp("grown") / "home")
    study = home / "tiny" / "study.toml"
    study.write_text(study.read_text().replace("atoms_per_class = 4", 'atoms_per_class = "auto"'))
    store = open_store(home, "tiny")
    for name in CHAIN[1:]:
        make(store, name, epoch=2, device="cpu")
    return store


def test_a_dictionary_grows_on_images_that_are_held_out(grown: Store):
    row = rows_of(grown, "codes", epoch=2, table="dictionaries").iloc[0]
    assert row["n_concepts"] == 3 * row["atoms_per_class"]
    positions = next(r.n_samples for r in grown.anatomy.layers if r.role == "penultimate")
    samples = [rows.reshape(-1, positions, 64) for rows in class_positions(reader(grown), epoch=2, tools=Tools("cpu"))]
    others = np.concatenate([images[4::5].mean(axis=1) for images in samples]).astype(np.float64)
    fitted = [np.delete(images, np.s_[4::5], axis=0).reshape(-1, 64) for images in samples]
    labels = np.repeat([0, 1, 2], [len(rows) for rows in fitted])
    shares, n_atoms = {}, 10
    while not shares or (max(shares.values()) < 0.99 and n_atoms <= 64):
        atoms = fx.fit_dictionary(np.concatenate(fitted), n_concepts=n_atoms, labels=labels, seed=0).atoms
        shares[n_atoms] = kept(others, atoms, grown)
        n_atoms = min(2 * n_atoms, 64) if n_atoms < 64 else 65
    best = max(shares, key=lambda n: shares[n])
    assert row["atoms_per_class"] == best
    assert row["held_out_kept_fraction"] == pytest.approx(shares[best])
    assert row["atoms_chosen"] == ("predictions kept" if shares[best] >= 0.99 else "samples used up")


def test_a_stated_number_says_so(finished_home: Path):
    rows = table_of(open_store(finished_home, "tiny"), "dictionaries")
    assert set(rows["atoms_chosen"]) == {"stated"}
    assert (rows["atoms_per_class"] == 4).all()
    assert rows["held_out_kept_fraction"].isna().all()


def test_further_images_feed_the_dictionary_and_nothing_else(finished_home: Path, tmp_path: Path):
    home = shutil.copytree(finished_home, tmp_path / "home")
    np.savez(home / "tiny" / "more.npz", images=np.random.default_rng(0).integers(0, 255, (9, 12, 12)).astype(np.uint8))
    study = home / "tiny" / "study.toml"
    text = study.read_text().replace("[dictionary]", '[dictionary]\nscope = "all"')
    study.write_text(text)
    store = open_store(home, "tiny")
    alone = Snapshot(store)
    study.write_text(text.replace("[data]", f'[data]\ndictionary = "npz:{home / "tiny" / "more.npz"}"'))
    store = open_store(home, "tiny")
    with_more = Snapshot(store)
    for name, layer, stays in (("activations", "layer3.2", True), ("checkpoint", "", True), (CHAIN[0], "", False)):
        place = Partition(name, 2, layer)
        assert (alone.fingerprint(place) == with_more.fingerprint(place)) is stays, name
    for name in CHAIN:
        make(store, name, epoch=2, device="cpu")
    group = arrays_of(store, CHAIN[0], epoch=2)
    assert [group[str(i)].shape[0] for i in range(4)] == [30, 30, 30, 9]
    (samples,) = class_positions(reader(store), epoch=2, tools=Tools("cpu"))
    assert len(samples) == 99 * group["3"].shape[1]
    np.testing.assert_array_equal(samples[-9 * group["3"].shape[1] :], np.asarray(group["3"]).reshape(-1, 64))
    streamed = study.read_text().replace("[dictionary]", "[dictionary]\nkeep_positions_gb = 0.0")
    study.write_text(streamed)
    again = open_store(home, "tiny")
    make(again, CHAIN[0], epoch=2, device="cpu", anew=True)
    (without_a_store,) = class_positions(reader(again), epoch=2, tools=Tools("cpu"))
    np.testing.assert_allclose(without_a_store, samples, atol=1e-6)


def test_a_learning_curve_is_that_of_dictionaries_fitted_on_fewer_images_and_atoms(finished_home: Path):
    store = open_store(finished_home, "tiny")
    rows = rows_of(store, "learning_curve", epoch=2)
    measured = rows[rows["is_measured"]].set_index(["n_images", "n_atoms"])
    assert set(measured.index) == {(n, a) for n in (24, 45, 90) for a in (1, 2, 4)}
    acts = np.asarray(fx.open_study("tiny", home=finished_home).acts(epoch=2, layer="layer3.2")[:], float)
    samples = list(class_positions(reader(store), epoch=2, tools=Tools("cpu")))
    some = [rows.reshape(30, -1, 64)[np.linspace(0, 29, 15).round().astype(int)].reshape(-1, 64) for rows in samples]
    labels = np.repeat([0, 1, 2], [len(part) for part in some])
    atoms = fx.fit_dictionary(np.concatenate(some), n_concepts=2, labels=labels, seed=0).atoms
    assert measured.loc[(45, 2), "predictions_kept_fraction"] == pytest.approx(kept(acts, atoms, store))
    own = table_of(store, "dictionaries").query("epoch == 2")["predictions_kept_fraction"].iloc[0]
    assert measured.loc[(90, 4), "predictions_kept_fraction"] == pytest.approx(own)
    foretold = rows[~rows["is_measured"]]
    assert set(zip(foretold["n_images"], foretold["n_atoms"], strict=True)) == {
        (180, 1), (360, 1), (180, 2), (360, 2), (180, 4), (360, 4), (90, 8),
    }  # fmt: skip


def test_a_study_with_too_few_images_to_hold_one_out_says_so(tmp_path: Path, finished_home: Path):
    home = shutil.copytree(finished_home, tmp_path / "home")
    study = home / "tiny" / "study.toml"
    few = study.read_text().replace("atoms_per_class = 4", 'atoms_per_class = "auto"')
    study.write_text(few.replace("images_per_class = 30", "images_per_class = 4"))
    store = open_store(home, "tiny")
    make(store, CHAIN[0], epoch=2, device="cpu")
    with pytest.raises(ValueError, match=r"no class has five; state a number, or raise data.split.train"):
        make(store, "dictionary", epoch=2, device="cpu")
