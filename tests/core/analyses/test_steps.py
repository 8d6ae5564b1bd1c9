"""The numbers in the tables of a finished study against independent computations on the arrays that are stored."""

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import Ridge

import featcx_core as fx
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.analyses.v_information.make import fitted_images
from featcx_core.artefacts.given import Tools
from featcx_core.artefacts.making import make, make_stale
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.survey import read_head
from featcx_core.features.forward import Network
from featcx_core.features.probe_reader import KINDS, Chunk, ProbeReader
from featcx_core.images.data import batches, load_data
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import StudyError
from tests.references import correlations as correlation_reference
from tests.references import decode_time as decode_time_reference
from tests.references import dictionary as dictionary_reference
from tests.references.class_information import epsilon_squared
from tests.steps import path_of, probe_of, reader, remake, rows_of

EPOCHS = (0, 1, 2)
REFERENCE = 2


class Arrays(NamedTuple):
    """What is stored of a finished study, read as a notebook reads it."""

    study: fx.OpenStudy
    store: Store
    fit: np.ndarray
    score: np.ndarray

    def acts(self, epoch: int, layer: str) -> np.ndarray:
        return np.asarray(self.study.acts(epoch=epoch, layer=layer)[:], dtype=np.float64)

    def codes(self, epoch: int) -> np.ndarray:
        return np.asarray(self.study.codes(epoch=epoch)[:], dtype=np.float64)

    @property
    def labels(self) -> np.ndarray:
        """True class of each probe image."""
        data = load_data(self.store.study)
        return data.labels[data.probe]

    def rows(self, epoch: int, layer: str, dictionary_epoch: int, kind: str = "concept") -> pd.DataFrame:
        frame = self.study.table("v_information")
        wanted = {"epoch": epoch, "layer": layer, "dictionary_epoch": dictionary_epoch, "kind": kind}
        for column, value in wanted.items():
            frame = frame[frame[column] == value]
        return frame.sort_values("concept", ignore_index=True)


@pytest.fixture(scope="module")
def stored(finished_home: Path) -> Arrays:
    study = fx.open_study("tiny", home=finished_home)
    return Arrays(study, open_store(finished_home, "tiny"), study.split("fit"), study.split("score"))


def ridge_information(acts: np.ndarray, codes: np.ndarray, rows: pd.DataFrame, stored: Arrays) -> np.ndarray:
    """R² of scikit-learn's ridge at the stored penalties, from either half to the other: the mean, clipped at 0."""
    halves = ((stored.fit, stored.score, "penalty"), (stored.score, stored.fit, "penalty_swapped"))
    both = [ridge_r2(acts, codes, rows[name].to_numpy(), fit=fit, score=score) for fit, score, name in halves]
    return np.clip(np.mean(both, axis=0), 0, None)


def ridge_r2(
    acts: np.ndarray, codes: np.ndarray, penalty: np.ndarray, *, fit: np.ndarray, score: np.ndarray
) -> np.ndarray:
    mean, scale = codes[fit].mean(axis=0), codes[fit].std(axis=0)
    z = (codes - mean) / scale
    model = Ridge(alpha=penalty, solver="cholesky").fit(acts[fit] - acts[fit].mean(axis=0), z[fit])
    error = z[score] - model.predict(acts[score] - acts[fit].mean(axis=0))
    # the null predictor says the fit half's mean, which is 0 here
    return 1 - np.square(error).sum(axis=0) / np.square(z[score]).sum(axis=0)


def test_v_information_is_that_of_scikit_learn(stored: Arrays):
    compared = 0
    for epoch in EPOCHS:
        for layer in stored.study.layers["layer"]:
            for dictionary_epoch in {epoch, REFERENCE}:
                rows = stored.rows(epoch, layer, dictionary_epoch)
                alive = rows["v_information"].notna().to_numpy()
                codes = stored.codes(dictionary_epoch)[:, alive]
                wanted = ridge_information(stored.acts(epoch, layer), codes, rows[alive], stored)
                np.testing.assert_allclose(rows["v_information"][alive], wanted, atol=1e-3)
                compared += alive.sum()
    assert compared > 300


def test_the_number_of_images_stands_beside_every_value(stored: Arrays):
    assert set(stored.study.table("v_information")["n_fit"]) == {60} == set(stored.study.table("complexity")["n_fit"])
    uneven = ProbeReader({"concept": np.zeros((790, 1))}, {}, 90, ("concept",), 0)
    assert fitted_images(uneven) == round(2 / (1 / 90 + 1 / 700))  # a loss of 1/n is the same with as many in each half


def test_controls_are_measured_in_the_same_way(stored: Arrays):
    acts = stored.acts(REFERENCE, "layer3.2")
    weight, bias = read_head(stored.store, epoch=REFERENCE)
    for kind, codes in {"class_logit": acts @ weight + bias, "unit": acts}.items():
        rows = stored.rows(REFERENCE, "stem", REFERENCE, kind)
        alive = rows["v_information"].notna().to_numpy()
        assert alive.any()
        wanted = ridge_information(stored.acts(REFERENCE, "stem"), codes[:, alive], rows[alive], stored)
        np.testing.assert_allclose(rows["v_information"][alive], wanted, atol=1e-3)


def test_the_penultimate_layer_says_everything_of_its_own_units(stored: Arrays):
    rows = stored.rows(REFERENCE, "layer3.2", REFERENCE, "unit")
    assert rows["v_information"].median() > 0.999
    assert rows["v_information"].min() > 0.95  # the penalty tells on units that vary ten times less than the others


def test_shuffled_codes_say_nothing(stored: Arrays):
    frame = stored.study.table("v_information")
    shuffled = frame[frame["kind"] == "shuffled"].groupby(["epoch", "dictionary_epoch"])["v_information"].mean()
    assert len(shuffled) == 5
    assert (shuffled < 0.02).all()


def test_as_printed_is_least_squares_on_all_probe_images(stored: Arrays):
    for epoch in EPOCHS:
        for layer in ("stem", "layer2.0", "layer3.2"):
            acts, codes = stored.acts(epoch, layer), stored.codes(epoch)
            z = codes - codes.mean(axis=0)
            weights, *_ = np.linalg.lstsq(acts - acts.mean(axis=0), z, rcond=None)
            explained = z.var(axis=0) - (z - (acts - acts.mean(axis=0)) @ weights).var(axis=0)  # Var(z)·R²
            rows = stored.rows(epoch, layer, epoch)
            alive = rows["v_information"].notna().to_numpy()
            got = rows["v_information_as_printed"].to_numpy()
            np.testing.assert_allclose(got[alive], explained[alive], rtol=1e-3, atol=1e-4)


def test_complexity_is_one_minus_the_mean_over_the_layers_that_count(stored: Arrays):
    layers = stored.study.layers
    counting = list(layers[layers["in_complexity"]]["layer"])
    assert counting == list(layers["layer"])
    information = stored.study.table("v_information")
    own = information[information["epoch"] == information["dictionary_epoch"]]
    keys = ["epoch", "kind", "concept"]
    for printed in ("", "_as_printed"):
        mean = (
            own[own["layer"].isin(counting)]
            .groupby(keys)[f"v_information{printed}"]
            .agg(lambda v: v.mean(skipna=False))
        )
        got = stored.study.table("complexity").set_index(keys)[f"complexity{printed}"].sort_index()
        pd.testing.assert_series_equal(got, 1 - mean.sort_index(), check_names=False)


def test_errors_come_from_leaving_out_groups_of_images(stored: Arrays):
    layers = list(stored.study.layers["layer"])
    parts = [stored.rows(REFERENCE, layer, REFERENCE) for layer in layers]
    left_out = np.stack([np.stack(part["jackknife"]) for part in parts])  # (layer, concept, group)
    assert left_out.shape[2] == 7
    for values, wanted in ((left_out[0], parts[0]), (1 - left_out.mean(axis=0), complexity_rows(stored))):
        spread = np.sqrt(6 / 7 * np.square(values - values.mean(axis=1, keepdims=True)).sum(axis=1))
        np.testing.assert_allclose(wanted["standard_error"], spread, rtol=1e-4)


def complexity_rows(stored: Arrays) -> pd.DataFrame:
    frame = stored.study.table("complexity")
    return frame[(frame["epoch"] == REFERENCE) & (frame["kind"] == "concept")].sort_values("concept")


def test_importance_is_gradient_times_input(stored: Arrays):
    for epoch in EPOCHS:
        weight, bias = (torch.tensor(a) for a in read_head(stored.store, epoch=epoch))
        atoms = torch.tensor(stored.study.dictionary(epoch=epoch).atoms)
        acts = torch.tensor(stored.acts(epoch, "layer3.2"), dtype=torch.float32)
        predicted = (acts @ weight + bias).argmax(dim=1)
        codes = torch.tensor(stored.study.codes(epoch=epoch)[:]).requires_grad_()
        logits = codes @ atoms @ weight + bias
        logits.gather(1, predicted[:, None]).sum().backward()
        effect = (codes.grad * codes).detach().numpy()
        rows = stored.study.table("importance").query("epoch == @epoch").sort_values("concept")
        np.testing.assert_allclose(rows["importance"], np.abs(effect).mean(axis=0), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(rows["signed_importance"], effect.mean(axis=0), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(rows["prevalence_fraction"], (codes.detach().numpy() > 0).mean(axis=0))


def test_controls_have_an_importance_as_if_they_were_concepts(stored: Arrays):
    weight, bias = read_head(stored.store, epoch=REFERENCE)
    acts = stored.acts(REFERENCE, "layer3.2").astype(float)
    predicted = (acts @ weight + bias).argmax(axis=1)
    centred = acts - acts.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    rows = stored.study.table("importance_of_controls").query("epoch == @REFERENCE").set_index(["kind", "concept"])
    assert set(rows.index.get_level_values("kind")) == {"random_direction", "unit", "principal_component"}
    alive = rows.loc["unit", "importance"].notna().to_numpy()
    expected = np.abs(acts * weight.T[predicted]).mean(axis=0)
    np.testing.assert_allclose(rows.loc["unit", "importance"][alive], expected[alive], rtol=1e-4, atol=1e-6)
    first = np.abs(centred @ directions[0] * (directions[0] @ weight)[predicted]).mean()
    assert rows.loc[("principal_component", 0), "importance"] == pytest.approx(first, rel=1e-3)
    table = stored.study.table
    k = table("complexity").query("kind == 'unit' and epoch == @REFERENCE").set_index("concept")["complexity"]
    row = table("correlations").query("epoch == @REFERENCE and kind == 'unit' and method == 'spearman'")
    wanted = k.corr(rows.loc["unit", "importance"], method="spearman")
    assert row.set_index("y").loc["importance", "value"] == pytest.approx(wanted)


def test_importance_otherwise_is_that_of_the_network_without_the_concepts_part(stored: Arrays):
    network = Network.load(stored.store, epoch=REFERENCE, device="cpu")
    probe = network.data.probe
    (images,) = batches(network.data, probe, batch_size=len(probe), device=torch.device("cpu"))
    wanted = torch.from_numpy(stored.labels)
    codes = torch.tensor(stored.codes(REFERENCE), dtype=torch.float32)
    atoms = torch.tensor(stored.study.dictionary(epoch=REFERENCE).atoms, dtype=torch.float32)
    head = network.model.get_submodule(stored.store.anatomy.head)
    rows = stored.study.table("importance").query("epoch == @REFERENCE").set_index("concept").sort_index()
    with torch.no_grad():
        logits = network.model(images)
        losses = torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
        predicted = logits.argmax(dim=1, keepdim=True)
        for concept in range(len(atoms)):
            part = codes[:, concept, None] * atoms[concept]
            handle = head.register_forward_pre_hook(lambda _, inputs, part=part: (inputs[0] - part,))
            without = network.model(images)
            handle.remove()
            fall = (logits - without).gather(1, predicted)[:, 0]
            rise = torch.nn.functional.cross_entropy(without, wanted, reduction="none") - losses
            row, is_active = rows.loc[concept], codes[:, concept] > 0
            assert row["ablation_logit"] == pytest.approx(float(fall.mean()), abs=1e-5)
            assert row["ablation_loss"] == pytest.approx(float(rise.mean()), abs=1e-5)
            assert row["importance_when_active"] == pytest.approx(float(fall.abs()[is_active].mean()), rel=1e-4)
            group, left = 3, group_of_images(stored) != 3
            assert row["jackknife_logit"][group] == pytest.approx(float(fall[left].mean()), abs=1e-5)
            assert row["jackknife_loss"][group] == pytest.approx(float(rise[left].mean()), abs=1e-5)


def group_of_images(stored: Arrays) -> np.ndarray:
    """The jackknife's group of each probe image."""
    groups = stored.store.study.probe.groups
    return np.concatenate([np.arange(len(half)) % groups for half in (stored.fit, stored.score)])


def test_time_to_decode_is_one_minus_the_mean_over_the_trained_checkpoints(stored: Arrays):
    curves = np.stack([stored.rows(epoch, "layer3.2", REFERENCE)["v_information"] for epoch in (1, 2)])
    rows = stored.study.table("decode_time").sort_values("concept")
    np.testing.assert_allclose(rows["decode_time"], 1 - curves.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(
        rows["decode_time_normalised"].astype(float), decode_time_reference.decode_time_normalised(curves), rtol=1e-6
    )
    bounds = rows[["first_epoch_low", "first_epoch", "first_epoch_high"]]
    known = bounds.dropna()
    assert (known["first_epoch_low"] <= known["first_epoch"]).all()
    assert (known["first_epoch"] <= known["first_epoch_high"]).all()
    assert (bounds.isna().sum(axis=1).isin([0, 3])).all()
    assert set(rows["reference_epoch"]) == {REFERENCE}
    for curve, first in zip(curves.T, rows["first_epoch"], strict=True):
        reached = [
            epoch for epoch, value in zip((1, 2), curve, strict=True) if curve[-1] > 0 and value >= curve[-1] / 2
        ]
        np.testing.assert_equal(first, reached[0] if reached else np.nan)  # nothing to reach: no first epoch


def test_sedimentation_is_the_mean_of_all_and_of_the_most_important(stored: Arrays):
    rows = stored.study.table("sedimentation")
    complexity = stored.study.table("complexity").query("kind == 'concept'")
    for epoch in EPOCHS:
        of_all = rows[(rows["epoch"] == epoch) & (rows["group_name"] == "all")]
        assert of_all["mean_complexity"].item() == pytest.approx(
            complexity.query("epoch == @epoch")["complexity"].mean()
        )
        assert of_all["low"].item() <= of_all["mean_complexity"].item() <= of_all["high"].item()


def test_correlations_are_those_of_the_tables(stored: Arrays):
    table = stored.study.table
    concepts = (
        table("complexity")
        .query("kind == 'concept' and epoch == @REFERENCE")
        .merge(table("importance"), on=["epoch", "concept"])
    )
    late = concepts.merge(table("decode_time"), on="concept")
    rows = table("correlations").query("epoch == @REFERENCE and controls == '' and kind == 'concept'")
    rows = rows.set_index(["y", "method"])
    for y, frame in (("importance", concepts), ("decode_time", late), ("decode_time_normalised", late)):
        for method in ("spearman", "pearson"):
            row = rows.loc[(y, method)]
            assert row["value"] == pytest.approx(frame["complexity"].corr(frame[y], method=method))
            assert row["low"] <= row["value"] <= row["high"]
            # with 60 images some concepts cannot be read at the end: there is nothing to be relative to
            assert row["n"] == frame[y].notna().sum() >= (4 if y == "decode_time_normalised" else 9)
    among = table("correlations").query("epoch == @REFERENCE and x == 'importance'")
    assert set(among["y"]) == {"importance_when_active", "ablation_logit", "ablation_loss"}
    assert set(among["controls"]) == {""}
    for row in among.itertuples():
        assert row.value == pytest.approx(concepts["importance"].corr(concepts[row.y], method=row.method))
        assert row.low_images <= row.high_images
    assert set(table("correlations")["controls"]) == {
        "", "prevalence_fraction", "variance", "class_information", "prevalence_fraction,variance",
    }  # fmt: skip


def test_partial_correlations_hold_each_control_fixed(stored: Arrays):
    table = stored.study.table
    concepts = table("complexity").query("kind == 'concept' and epoch == @REFERENCE")
    concepts = concepts.merge(table("importance")[["epoch", "concept", "importance"]], on=["epoch", "concept"])
    concepts = concepts.merge(table("concepts"), on=["epoch", "concept"])
    rows = table("correlations").query("epoch == @REFERENCE and y == 'importance' and kind == 'concept'")
    rows = rows[rows["method"] == "spearman"]
    for controls in ("prevalence_fraction", "variance", "class_information", "prevalence_fraction,variance"):
        held = concepts[controls.split(",")].to_numpy()
        wanted = correlation_reference.correlation(concepts["complexity"], concepts["importance"], held)
        assert rows.set_index("controls")["value"][controls] == pytest.approx(wanted, abs=1e-9)


def test_decode_time_is_of_the_reference_epoch(stored: Arrays):
    table = stored.study.table
    assert set(table("correlations").query("y == 'decode_time'")["epoch"]) == {REFERENCE}


def test_concepts_are_described_by_their_codes_and_atoms(stored: Arrays):
    for epoch in EPOCHS:
        rows = stored.study.table("concepts").query("epoch == @epoch").sort_values("concept")
        codes, dictionary = stored.codes(epoch), stored.study.dictionary(epoch=epoch)
        np.testing.assert_allclose(rows["prevalence_fraction"], (codes > 0).mean(axis=0))
        np.testing.assert_allclose(rows["variance"], codes.var(axis=0), rtol=1e-5)
        explained = epsilon_squared(codes.astype(np.float64), stored.labels)
        np.testing.assert_allclose(rows["class_information"], explained, rtol=1e-6)
        assert list(rows["class_id"]) == list(dictionary.class_of) == [0] * 4 + [1] * 4 + [2] * 4
        active = np.stack([(codes[half] > 0).sum(axis=0) for half in (stored.fit, stored.score)])
        assert list(rows["alive"]) == list((active >= 10).all(axis=0))
        units = dictionary.atoms.shape[1]
        l1, l2 = np.abs(dictionary.atoms).sum(axis=1), np.linalg.norm(dictionary.atoms, axis=1)
        np.testing.assert_allclose(rows["hoyer"], (np.sqrt(units) - l1 / l2) / (np.sqrt(units) - 1), rtol=1e-4)


def test_dictionaries_rebuild_activations_and_predictions(stored: Arrays):
    for epoch in EPOCHS:
        row = stored.study.table("dictionaries").query("epoch == @epoch").iloc[0]
        acts, codes = stored.acts(epoch, "layer3.2"), stored.codes(epoch)
        dictionary = stored.study.dictionary(epoch=epoch)
        rebuilt = codes @ dictionary.atoms
        weight, bias = read_head(stored.store, epoch=epoch)
        kept = (acts @ weight + bias).argmax(axis=1) == (rebuilt @ weight + bias).argmax(axis=1)
        assert row["relative_error"] == pytest.approx(np.linalg.norm(acts - rebuilt) / np.linalg.norm(acts), rel=1e-4)
        assert row["predictions_kept_fraction"] == pytest.approx(kept.mean())
        expected = dictionary_reference.kept(acts, codes, dictionary.atoms, weight, bias, outputs=[0, 1, 2])
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=1e-4), name
        assert row["predictions_kept_low"] < row["predictions_kept_fraction"] <= row["predictions_kept_high"]
        assert row["l0"] == pytest.approx((codes > 0).sum(axis=1).mean())
        assert row["kkt_residual"] < 1e-4
        assert row["n_concepts"] == 12


# -- reading codes -----------------------------------------------------------------------------------------------------


def test_codes_of_every_kind_stand_side_by_side(stored: Arrays):
    codes = probe_of(stored.store, epoch=REFERENCE)
    assert codes.widths == {
        "concept": 12,
        "random_direction": 100,
        "shuffled": 12,
        "class_logit": 3,
        "unit": 64,
        "principal_component": 64,
    }
    assert list(codes.columns["kind"].unique()) == [*KINDS]
    assert codes.n_images == 120
    (first, _) = codes.chunks()
    assert codes.codes_of(first).shape == (60, 255)
    np.testing.assert_array_equal(codes.codes_of(first)[:, :12], stored.study.codes(epoch=REFERENCE)[:60])


def test_shuffling_permutes_the_images_of_each_half(stored: Arrays):
    concepts = probe_of(stored.store, epoch=REFERENCE, kinds=("concept",))
    shuffled = probe_of(stored.store, epoch=REFERENCE, kinds=("shuffled",))
    for chunk in concepts.chunks():
        whole, moved = concepts.codes_of(chunk), shuffled.codes_of(chunk)
        shifts = [shift for shift in range(60) if np.array_equal(moved, np.roll(whole, -shift, axis=0))]
        assert len(shifts) == 1
        assert 15 <= shifts[0] <= 46
        pieces = [
            shuffled.codes_of(Chunk(chunk.half, a, min(a + 7, chunk.stop), a - chunk.start))
            for a in range(chunk.start, chunk.stop, 7)
        ]
        np.testing.assert_array_equal(np.concatenate(pieces), moved)  # whatever the chunks


def test_aliveness_is_decided_once_for_every_kind(stored: Arrays):
    codes = probe_of(stored.store, epoch=REFERENCE)
    halves = [np.concatenate([codes.codes_of(chunk) for chunk in codes.chunks(half)]) for half in ("fit", "score")]
    wanted = np.all([np.count_nonzero(half, axis=0) >= 10 for half in halves], axis=0)
    np.testing.assert_array_equal(codes.alive, wanted)


# -- errors ------------------------------------------------------------------------------------------------------------


BOTH = (1, REFERENCE)
ASSETS = ("v_information", "reference_v_information")
MEASURED = ["v_information", "standard_error", "penalty", "v_information_as_printed"]


def information(stored: Arrays, home: Path, *together: tuple[str, ...], device: str) -> pd.DataFrame:
    """V-information of epoch 1 at one layer, computed again in a copy of the home, a call for each tuple of names."""
    store = open_store(shutil.copytree(stored.store.home, home), "tiny")
    for epoch in BOTH:
        remake(store, "codes", epoch=epoch, device=device)
    for names in together:
        snapshot = Snapshot(store)
        places = [Partition(name, 1, "layer1.0") for name in names]
        tools = Tools(device=device)
        made = list(make_stale(snapshot, places[:1], tools=tools, together=names[1:], anew=True))
        assert made[: len(places)] == places
    parts = [rows_of(store, name, epoch=1, layer="layer1.0") for name in ASSETS]
    return pd.concat(parts).sort_values(["dictionary_epoch", "kind", "concept"])[MEASURED]


def test_dictionaries_side_by_side_give_the_numbers_of_each_alone(stored: Arrays, tmp_path: Path):
    for name in ("together", "alone"):  # neither is current, so that both are made
        home = shutil.copytree(stored.store.home, tmp_path / name)
        for prefix in ("", "reference-"):
            (home / "tiny" / "tables" / "v_information" / f"{prefix}000001-layer1.0.parquet").unlink()
    stale = [stored._replace(store=open_store(tmp_path / name, "tiny")) for name in ("together", "alone")]
    together = information(stale[0], tmp_path / "one", ASSETS, device="cpu")
    alone = information(stale[1], tmp_path / "two", ASSETS[:1], ASSETS[1:], device="cpu")
    assert together["v_information"].notna().sum() > 30
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-12, equal_nan=True)


@pytest.mark.gpu
def test_codes_and_v_information_on_a_gpu_are_those_of_the_cpu(stored: Arrays, tmp_path: Path):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    on_cpu, on_gpu = (
        information(stored, tmp_path / device, ASSETS[:1], ASSETS[1:], device=device) for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(on_gpu["v_information"], on_cpu["v_information"], atol=1e-3, equal_nan=True)
    np.testing.assert_allclose(
        on_gpu["v_information_as_printed"], on_cpu["v_information_as_printed"], atol=1e-3, equal_nan=True
    )


def test_steps_in_the_wrong_order_say_what_is_missing(trained: Store):
    missing = {
        "activations": "checkpoint of epoch 1",
        "codes": "dictionary of epoch 1",
        "v_information": "activations of epoch 1, layer stem",
        "complexity": "v_information of epoch 1, layer stem",
        "importance": "codes of epoch 1",
    }
    for name, lacking in missing.items():
        said = f"epoch 1: {lacking} is not there or not current; materialise {lacking.split()[0]} first"
        with pytest.raises(ValueError, match=said):
            make(trained, name, epoch=1, inputs=False)
    with pytest.raises(ValueError, match=r"epoch 1: no dictionary yet at .*; materialise dictionary first"):
        read_dictionary(reader(trained), epoch=1)


@pytest.mark.parametrize("scope", ["class", "all"])
def test_a_class_with_fewer_images_than_atoms(trained: Store, scope: str):
    dictionary = trained.study.dictionary.model_copy(
        update={"scope": scope, "atoms_per_class": 91, "images_per_class": 30}
    )
    store = Store(trained.home, trained.study.model_copy(update={"dictionary": dictionary}))
    who, count = ("class '0'", 30) if scope == "class" else ("the study", 90)
    with pytest.raises(
        StudyError, match=f"atoms_per_class = 91: {who} has only {count} dictionary images; lower it, or"
    ):
        remake(store, "dictionary", epoch=1)
    assert not path_of(store, "dictionary", 1).exists()


def test_a_checkpoint_without_metrics_is_measured(trained: Store):
    own = remake(trained, "checkpoint", epoch=2)
    tensors = load_file(trained.checkpoint(2))
    save_file(tensors, trained.checkpoint(2))
    measured = remake(trained, "checkpoint", epoch=2, device="cpu")
    columns = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"]
    np.testing.assert_allclose(measured[columns], own[columns], rtol=1e-4)
    assert measured["learning_rate"].isna().all()
    assert not own["learning_rate"].isna().any()
    tensors["fc.bias"][:] = torch.nan
    save_file(tensors, trained.checkpoint(2))
    with pytest.raises(ValueError, match=r"000002\.safetensors: the loss is nan; .* replace or delete it"):
        remake(trained, "checkpoint", epoch=2, device="cpu")
