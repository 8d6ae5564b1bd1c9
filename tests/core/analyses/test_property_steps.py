"""Redundancy, sensitivity, support and pictures of a finished study, against what its stored arrays give."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import zarr
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats
from scipy.stats import spearmanr

from featcx_core.analyses.controls import control_stands_beside
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.analyses.explorer import reading as explorer
from featcx_core.analyses.figures import make as figures
from featcx_core.analyses.over_images import ImageResamples
from featcx_core.analyses.reading import read_tables
from featcx_core.analyses.redundancy.checks import fewer_masked_units_change_less
from featcx_core.analyses.sensitivity.checks import weak_noise_moves_little
from featcx_core.analyses.sensitivity.make import n_images as n_noisy_images
from featcx_core.analyses.sensitivity.make import noisy_groups
from featcx_core.analyses.support.checks import support_starts_from_the_dictionary
from featcx_core.analyses.visualisation import VISUALISATION
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.making import make
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.survey import read_head
from featcx_core.features.dictionary import random_atoms
from featcx_core.features.forward import Network, Tap, pooled
from featcx_core.features.nnls import nnls
from featcx_core.images.data import StudyImages, load_data, normalised
from featcx_core.images.noise import white_noise
from featcx_core.measures.redundancy import masks
from featcx_core.store.places import Store, epoch_key, open_store
from featcx_core.study.fields import Study
from tests.references import redundancy as redundancy_reference
from tests.references import sensitivity as sensitivity_reference
from tests.references import support as support_reference
from tests.steps import altered, arrays_of, path_of, probe_of, reader, refresh, remake, rows_of, table_of

EPOCH, LAYER = 2, "layer3.2"
SETTINGS = """
[visualisation]
concepts = 3
steps = 4
"""


@pytest.fixture(scope="module")
def measured_home(finished_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the properties are measured; not to be changed."""
    home = shutil.copytree(finished_home, tmp_path_factory.mktemp("measured") / "home")
    study = home / "tiny" / "study.toml"
    few = study.read_text().replace("images = 30\ndraws = 4", "images = 7\ndraws = 3")
    study.write_text(few + SETTINGS)
    store = open_store(home, "tiny")
    for epoch in (0, EPOCH):
        for name in ("redundancy", "sensitivity", "support"):
            make(store, name, epoch=epoch, device="cpu")
    make(store, "correlations")
    make(store, "visualisation", epoch=EPOCH, device="cpu")
    refresh(store)
    return home


@pytest.fixture(scope="module")
def stored(measured_home: Path) -> Store:
    return open_store(measured_home, "tiny")


@pytest.fixture
def measured(measured_home: Path, tmp_path: Path) -> Store:
    """A copy, to change at will."""
    return open_store(shutil.copytree(measured_home, tmp_path / "copy"), "tiny")


def arrays(store: Store) -> tuple[np.ndarray, np.ndarray]:
    acts = np.asarray(arrays_of(store, "activations", epoch=EPOCH, layer=LAYER)[:], dtype=np.float64)
    return acts, np.asarray(arrays_of(store, "codes", epoch=EPOCH)["concept"][:], dtype=np.float64)


def with_control(store: Store) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the concepts and, behind them, of the random directions; which of them are alive."""
    probe = probe_of(store, epoch=EPOCH, kinds=("concept", "random_direction"))
    codes = [probe.codes_of(chunk) for chunk in probe.chunks()]
    return np.concatenate(codes).astype(np.float64), probe.alive


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """The concepts and then the random directions, as `with_control`."""
    assert list(rows["kind"].value_counts(sort=False).items()) == [("concept", 12), ("random_direction", 100)]
    return rows.sort_values(["kind", "concept"]).reset_index(drop=True)


def test_everything_is_current_and_in_the_tables(stored: Store):
    state = Snapshot(stored)
    for asset in ("redundancy", "sensitivity", "support"):
        assert state.is_current(Partition(asset, EPOCH))
        assert set(table_of(stored, asset)["epoch"]) == {0, EPOCH}
    assert state.is_current(Partition("visualisation", EPOCH))


def test_redundancy_is_that_of_all_images(stored: Store):
    acts, (codes, alive) = arrays(stored)[0], with_control(stored)
    assert alive[12:].sum() > 0
    for share, rows in rows_of(stored, "redundancy", epoch=2).groupby("masked_fraction"):
        kept = masks(acts.shape[1], masked_fraction=share, n_masks=20, seed=0)
        mean, _ = redundancy_reference.redundancy(acts, codes[:, alive], kept)
        rows = in_order(rows)
        assert (rows["redundancy"].isna() == ~alive).all()
        np.testing.assert_allclose(rows["redundancy"][alive], mean, rtol=1e-4)
        assert (rows["jackknife"].notna() == alive).all()
        others = np.arange(len(acts)) % 60 % stored.study.probe.groups != 3  # 60 images in either half
        mean, _ = redundancy_reference.redundancy(acts[others], codes[others][:, alive], kept)
        np.testing.assert_allclose(np.stack(rows["jackknife"].dropna())[:, 3], mean, rtol=1e-4)
        printed = redundancy_reference.as_printed
        mean, _ = redundancy_reference.redundancy(acts[others], codes[others][:, alive], kept, similarity=printed)
        np.testing.assert_allclose(np.stack(rows["jackknife_as_printed"].dropna())[:, 3], mean, rtol=1e-3)


@pytest.mark.parametrize("kind", ["concept", "random_direction"])
@pytest.mark.parametrize("y", ["redundancy", "redundancy_as_printed"])
def test_correlations_over_images_are_those_of_the_measures_drawn_anew(stored: Store, kind: str, y: str):
    images, table = ImageResamples(reader(stored)), table_of(stored, "correlations")
    k, own = images.complexity(EPOCH, kind=kind), rows_of(stored, "redundancy", epoch=2)
    own = own[(own["kind"] == kind) & (own["masked_fraction"] == 0.5)]
    drawn = images.redraw(own, y, jackknife=y.replace("redundancy", "jackknife"))
    alive = k.is_known
    of_draws = [spearmanr(a[alive], b[alive]).statistic for a, b in zip(k.draws, drawn.draws, strict=True)]
    at_end = table[(table["epoch"] == EPOCH) & (table["method"] == "spearman") & (table["controls"] == "")]
    at_end = at_end[at_end["x"] == "complexity"]
    row = at_end[(at_end["kind"] == kind) & (at_end["y"] == y) & (at_end["level"] == 0.5)].iloc[0]
    half = stats.t.ppf(0.975, images.groups - 1) * np.arctanh(of_draws).std()
    ends = np.tanh(np.arctanh(row["value"]) + np.array([-half, half]))
    # it also starts from the value without errors, which lies to one side
    assert row["low_images"] <= ends[0] + 1e-6
    assert row["high_images"] >= ends[1] - 1e-6
    assert np.isclose([row["low_images"], row["high_images"]], ends, atol=1e-6).any()
    whole = spearmanr(in_order_of_concepts(stored, kind), own[y], nan_policy="omit").statistic
    assert row["value"] == pytest.approx(whole)


def in_order_of_concepts(store: Store, kind: str) -> np.ndarray:
    """K of one kind of codes."""
    return rows_of(store, "complexity", epoch=2).query("kind == @kind")["complexity"].to_numpy()


def test_every_correlation_has_both_intervals(stored: Store):
    table = table_of(stored, "correlations")
    at_end = table[(table["epoch"] == EPOCH) & (table["method"] == "spearman") & (table["controls"] == "")]
    control = at_end[at_end["kind"] == "random_direction"]
    assert {*control["y"]} == {
        "importance", "redundancy", "redundancy_as_printed", "sensitivity", "sensitivity_as_printed",
    }  # fmt: skip
    assert not table[(table["kind"] == "random_direction") & (table["controls"] != "")].any(axis=None)
    rows = at_end[at_end["kind"] == "concept"].set_index("y")
    assert set(rows.index) == {
        "importance", "importance_when_active", "ablation_logit", "ablation_loss", "decode_time",
        "decode_time_normalised", "hoyer", "redundancy", "redundancy_as_printed", "sensitivity", "sensitivity_as_printed",
    }  # fmt: skip
    assert (rows["low_images"].notna() == rows["low"].notna()).all()
    assert rows.loc[["importance", "decode_time", "hoyer"], "level"].isna().all()
    assert {*rows.loc["sensitivity", "level"]} == {*stored.study.sensitivity.sigmas}


def test_sensitivity_is_that_of_images_made_noisy_one_by_one(stored: Store):
    network, atoms = Network.load(stored, epoch=EPOCH, device="cpu"), read_dictionary(reader(stored), epoch=EPOCH).atoms
    directions = random_atoms(100, atoms.shape[1], seed=0)
    data = load_data(stored.study)
    tap = Tap(LAYER, pooled(next(row for row in stored.anatomy.layers if row.layer == LAYER), "gap"))
    codes = np.zeros((7, 3, len(atoms) + 100))
    std = torch.from_numpy(data.std.copy())[:, None, None]
    for i, image in enumerate(data.probe[:7]):
        for draw in range(3):
            clean = normalised(torch.from_numpy(data.images[[image]]), data)
            noise = white_noise(np.array([image]), np.array([draw]), shape=data.image_shape, seed=0)
            with torch.no_grad():
                acts = network.through(clean + 0.1 * torch.from_numpy(noise) / std, tap)
            kinds = [nnls(acts, torch.from_numpy(rows)).codes[0].double() for rows in (atoms, directions)]
            codes[i, draw] = np.concatenate(kinds)
    clean, alive = with_control(stored)
    relative, printed = sensitivity_reference.sensitivity(codes[..., alive], clean[:, alive].var(axis=0))
    rows = in_order(rows_of(stored, "sensitivity", epoch=2).query("sigma == 0.1"))
    assert (rows[["n_images", "n_draws"]] == [7, 3]).all(axis=None)
    assert (rows["sensitivity"].isna() == ~alive).all()
    np.testing.assert_allclose(rows["sensitivity"][alive], relative, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(rows["sensitivity_as_printed"][alive], printed, rtol=1e-3, atol=1e-6)
    assert rows["sensitivity_as_printed"].notna().all()
    assert (rows["jackknife"].notna() == alive).all()
    others = np.arange(7) != 2  # seven images in seven groups
    without, _ = sensitivity_reference.sensitivity(codes[others][..., alive], clean[:, alive].var(axis=0))
    np.testing.assert_allclose(np.stack(rows["jackknife"][alive])[:, 2], without, rtol=1e-3, atol=1e-6)
    assert (rows["low"][alive] <= rows["sensitivity"][alive]).all()


def test_noisy_images_are_in_the_groups_of_their_half(stored: Store):
    data = load_data(stored.study)
    found = noisy_groups(data, 63, groups=7)
    assert found[:8].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert found[58:].tolist() == [2, 3, 0, 1, 2]  # the score half begins at image 60


def test_sensitivity_does_not_depend_on_the_batch_size(measured: Store):
    whole = rows_of(measured, "sensitivity", epoch=2)
    again = remake(measured, "sensitivity", epoch=EPOCH, device="cpu", batch_size=4)
    np.testing.assert_allclose(again["sensitivity"], whole["sensitivity"], rtol=1e-3, atol=1e-6)


def test_support_is_that_of_codes_set_to_zero(stored: Store):
    acts, codes = arrays(stored)
    weight, bias = read_head(stored, epoch=EPOCH)
    data = load_data(stored.study)
    rows = rows_of(stored, "support", epoch=2)
    own = rows_of(stored, "complexity", epoch=2).query("kind == 'concept'")
    order = own.sort_values("complexity", ascending=False, kind="stable", na_position="first")["concept"].to_numpy()
    curve = support_reference.curve(
        codes,
        read_dictionary(reader(stored), epoch=EPOCH).atoms,
        weight,
        bias,
        order,
        np.arange(20, -1, -1) / 20,
        np.argmax(acts @ weight + bias, axis=1),
        data.labels[data.probe],
    )
    found = rows[rows["order"] == "complexity_descending"]
    columns = ["n_kept", "accuracy", "relative_accuracy", "predictions_kept_fraction"]
    np.testing.assert_allclose(found[columns].to_numpy(dtype=float), curve, atol=0.02)  # a tie in float32
    assert set(rows["order"]) == {
        "complexity_descending",
        "complexity_ascending",
        "random",
        "importance_descending",
    }


def pictures(store: Store) -> zarr.Group:
    return zarr.open_group(str(path_of(store, "visualisation", EPOCH) / "arrays.zarr"), mode="r")


def test_a_made_picture_stands_beside_the_image_as_bright_as_it_is(stored: Store, monkeypatch):
    drawn = {}

    def draw(pictures, images, *, labels):
        drawn.update(images=images)
        return Figure()

    monkeypatch.setattr(figures, "concept_pictures", draw)
    figures._made_pictures(reader(stored), read_tables(reader(stored)))
    data, codes = load_data(stored.study), np.asarray(arrays_of(stored, "codes", epoch=EPOCH)["concept"])
    concepts = np.asarray(pictures(stored)["concept"])
    strongest = data.images[data.probe[codes[:, concepts].argmax(axis=0)]]
    np.testing.assert_allclose(drawn["images"], strongest / 255, rtol=1e-6)


def test_pictures_are_committed_with_what_they_reach(stored: Store):
    group = pictures(stored)
    images, concepts = np.asarray(group["images"]), np.asarray(group["concept"])
    assert images.shape == (3, *load_data(stored.study).image_shape)
    assert len(np.unique(concepts)) == 3
    acts, _ = arrays(stored)
    best = (acts @ read_dictionary(reader(stored), epoch=EPOCH).atoms[concepts].T).max(axis=0)
    np.testing.assert_allclose(np.asarray(group["best_image"]), best, rtol=1e-5)
    for concept, pixels in zip(concepts, images, strict=True):
        picture = np.asarray(Image.open(path_of(stored, "visualisation", EPOCH) / f"{concept:06d}.png"))
        np.testing.assert_allclose(picture / 255, pixels[0].clip(0, 1), atol=1 / 255)
    with pytest.raises(ValueError, match="epoch 1: no visualisation yet"):
        reader(stored).folder(VISUALISATION, epoch=1)


def test_the_strongest_image_does_not_depend_on_how_many_are_held(measured: Store, monkeypatch: pytest.MonkeyPatch):
    whole = np.asarray(pictures(measured)["best_image"])
    monkeypatch.setattr("featcx_core.analyses.visualisation.make._ROWS_AT_ONCE", 5)
    remake(measured, "visualisation", epoch=EPOCH, device="cpu")
    np.testing.assert_allclose(np.asarray(pictures(measured)["best_image"]), whole, rtol=1e-5)


def test_no_picture_is_made_where_no_concept_has_a_complexity(measured: Store, monkeypatch: pytest.MonkeyPatch):
    altered(measured, "complexity", "000002", lambda rows: rows.assign(complexity=np.nan))
    monkeypatch.setattr(Network, "load", lambda *_, **__: pytest.fail("the network is loaded before"))
    with pytest.raises(
        ValueError, match=r"epoch 2: wanted a concept with a complexity .* got none, .*data\.split\.fit"
    ):
        remake(measured, "visualisation", epoch=EPOCH, device="cpu")


def test_of_many_epochs_figures_read_the_ends_and_the_explorer_the_reference(measured: Store):
    study = measured.root / "study.toml"
    text = study.read_text()
    study.write_text(text.replace("[analyses]\n", '[analyses]\nepochs = "all"\n'))
    store = open_store(measured.home, "tiny")
    remake(store, "support", epoch=1, device="cpu")
    refresh(store)
    assert set(table_of(store, "support")["epoch"]) == {0, 1, EPOCH}
    drawn, shown = read_tables(reader(store)), explorer.read_tables(reader(store))
    assert set(drawn.support["epoch"]) == {0, EPOCH}
    assert set(drawn.complexity["epoch"]) == {0, 1, EPOCH}
    for name in ("support", "complexity", "importance", "concepts"):
        assert set(getattr(shown, name)["epoch"]) == {EPOCH}
    store.table("support", "000002").unlink()
    assert set(read_tables(reader(store)).support["epoch"]) == {0, 1}  # the last one there is


def test_between_its_two_epochs_a_report_reads_means_of_v_information_and_draws_the_same(measured: Store):
    refresh(measured)
    everything, read = table_of(measured, "v_information"), read_tables(reader(measured)).v_information
    keys = ["epoch", "layer", "dictionary_epoch", "kind"]
    between = read[read["epoch"] == 1]
    assert len(between)
    assert set(between["concept"]) == {-1}
    assert not between.duplicated(keys).any()
    assert (read["epoch"] != 1).sum() == (everything["epoch"] != 1).sum()
    means = [table.groupby(keys)["v_information"].mean() for table in (everything, read)]
    pd.testing.assert_series_equal(*means)


def test_checks_pass_and_find_what_is_wrong(measured: Store):
    finds = (support_starts_from_the_dictionary, fewer_masked_units_change_less, weak_noise_moves_little)
    assert all(find(reader(measured)).passed for find in finds)

    def lost(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(predictions_kept_fraction=rows["predictions_kept_fraction"] / 2)

    def turned(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(redundancy=rows["redundancy"].where(rows["masked_fraction"] > 0.2, 3.0))

    def moved(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(sensitivity=2.0)

    for table, change in (("support", lost), ("redundancy", turned), ("sensitivity", moved)):
        altered(measured, table, "000002", change)
    support, redundancy, sensitivity = (find(reader(measured)) for find in finds)
    assert not support.passed
    assert support.is_error
    assert "epoch 2, random: " in support.says
    assert redundancy.says.startswith("epoch 2: 2.000, then ")
    assert sensitivity.says == "epoch 2: 2.000"


def test_random_directions_are_missed_where_there_are_none(measured: Store):
    for name in ("redundancy", "sensitivity"):
        table = catalogue().tables[name]
        found = control_stands_beside(reader(measured), table)
        assert (found.passed, found.says) == (True, f"{2 * 3 * 100} rows of random directions")
        level = table.keys[-1]
        altered(measured, name, "000002", lambda rows, by=level: rows[(rows["kind"] == "concept") | (rows[by] < 0.4)])
        found = control_stands_beside(reader(measured), table)
        assert (found.passed, found.says) == (False, "epoch 2: no random direction")


@pytest.mark.parametrize("n_images", [2, 3])
def test_two_predictions_may_turn_where_logits_are_nearly_equal(measured: Store, n_images: int):
    n_probe = len(load_data(measured.study).probe)

    def turned(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(predictions_kept_fraction=rows["predictions_kept_fraction"] + n_images / n_probe)

    altered(measured, "dictionaries", epoch_key(EPOCH), turned)
    assert support_starts_from_the_dictionary(reader(measured)).passed == (n_images == 2)


def test_nothing_made_is_nothing_wrong(measured: Store):
    shutil.rmtree(measured.root / "tables")
    for find in (support_starts_from_the_dictionary, fewer_masked_units_change_less, weak_noise_moves_little):
        assert find(reader(measured)).passed


@pytest.mark.parametrize(
    ("side", "n_probe", "stated", "wanted"),
    [(28, 440, "auto", 200), (224, 440, "auto", 20), (224, 6000, "auto", 105), (224, 440, 7, 7)],
)
def test_noisy_images_are_no_more_than_an_epoch_records(side: int, n_probe: int, stated: int | str, wanted: int):
    study = Study.model_validate({"name": "x", "sensitivity": {"images": stated}})
    half, nothing = np.arange(n_probe // 2), np.zeros(3, dtype=np.float32)
    split = {"train": np.arange(300), "fit": half, "score": half}
    images = np.broadcast_to(np.uint8(0), (300, 3, side, side))
    data = StudyImages(images, np.zeros(300, dtype=np.int64), ("a",), split, nothing, nothing)
    assert n_noisy_images(study, data) == wanted  # 20 copies at 3 levels of each
