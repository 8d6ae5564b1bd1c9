"""Noise spectra of a finished study, against decompositions of whole groups."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from featcx_core.analyses.noise_groups.make import first_of_each_class
from featcx_core.artefacts.making import make
from featcx_core.features.forward import Network
from featcx_core.figures.spectra import spectra_figures
from featcx_core.findings.spectra import spectra_claims
from featcx_core.images.noise import white_noise
from featcx_core.store.places import Store, open_store
from tests.core.figures.drawn import is_drawn, texts
from tests.steps import refresh, rows_of, table_of

EPOCH, LAYER = 2, "layer2.0"
VALUES = ["s1", "s2", "first", "second", "rest"]


@pytest.fixture(scope="module")
def stored(small_home: Path) -> Store:
    return open_store(small_home, "tiny")


@pytest.fixture(scope="module")
def attacked(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The small study with attacks; not to be changed."""
    home = shutil.copytree(small_home, tmp_path_factory.mktemp("attacked") / "home")
    study = home / "tiny" / "study.toml"
    study.write_text(
        study.read_text().replace("sigmas = [0.05, 0.2]", 'sigmas = [0.05, 0.2]\nattacks = ["fgsm", "pgd", "ddn"]')
    )
    store = open_store(home, "tiny")
    make(store, "noise_groups", epoch=EPOCH, device="cpu")
    make(store, "spectra")
    refresh(store)
    return store


def spectrum(network: Network, pixels: np.ndarray) -> list[float]:
    """s1, s2 and shares of a layer's whole activations of some pixels in [0, 1], by a decomposition of them."""
    taken: list[torch.Tensor] = []
    handle = network.model.get_submodule(LAYER).register_forward_hook(lambda *given: taken.append(given[2]))
    mean, std = network.data.mean[:, None, None], network.data.std[:, None, None]
    with torch.inference_mode():
        network.model(torch.from_numpy(((pixels - mean) / std).astype(np.float32)))
    handle.remove()
    values = np.linalg.svd(taken[0].flatten(1).double().numpy(), compute_uv=False)
    shares = values**2 / (values**2).sum()
    return [values[0], values[1], shares[0], shares[1], shares[2:].sum()]


def test_groups_are_those_of_whole_decompositions(stored: Store):
    rows = rows_of(stored, "noise_groups", epoch=EPOCH)
    network = Network.load(stored, epoch=EPOCH, device="cpu")
    settings, data = stored.study.spectra, network.data
    assert rows["layer"].unique().tolist() == stored.anatomy.names
    for split in ("train", "test"):
        images = first_of_each_class(data, split, n=settings.images_per_class)
        assert set(rows.loc[rows["split"] == split, "image"]) == set(images)
        image = int(images[-1])
        draws = np.arange(settings.copies)
        noise = white_noise(np.full(len(draws), image), draws, shape=data.image_shape, seed=stored.study.seed)
        for sigma in settings.sigmas:
            expected = spectrum(network, data.images[[image]] / 255 + sigma * noise)
            place = (rows["split"] == split) & (rows["image"] == image) & (rows["sigma"] == sigma)
            (found,) = rows[place & (rows["layer"] == LAYER)].itertuples()
            np.testing.assert_allclose([getattr(found, name) for name in VALUES], expected, rtol=1e-4, atol=1e-6)
            assert found.norm == pytest.approx(sigma * np.linalg.norm(noise.reshape(4, -1), axis=1).mean(), rel=1e-5)


def test_means_are_those_of_the_groups(stored: Store):
    groups, rows = rows_of(stored, "noise_groups", epoch=EPOCH), table_of(stored, "spectra")
    assert sorted(rows["epoch"].unique()) == [0, 1, 2]
    chosen = {"layer": LAYER, "split": "test", "sigma": 0.2}
    here = groups[np.logical_and.reduce([groups[key] == value for key, value in chosen.items()])]
    there = rows[np.logical_and.reduce([rows[key] == value for key, value in {**chosen, "epoch": EPOCH}.items()])]
    by_class = here.groupby("class_id")[VALUES].mean()
    found = there.set_index("class_id")
    np.testing.assert_allclose(found.loc[by_class.index, VALUES], by_class)
    np.testing.assert_allclose(found.loc[-1, VALUES].astype(float), by_class.mean())
    assert found.loc[-1, "n_groups"] == len(here)
    left_out = np.stack(found.loc[-1, ["jackknife_first"]])
    assert left_out.shape == (1, min(stored.study.probe.groups, len(here)))
    assert found.drop(index=-1)["jackknife_first"].isna().all()
    losses = table_of(stored, "epochs").set_index("epoch")
    assert found.loc[-1, "loss"] == pytest.approx(losses["test_loss"][EPOCH])


def test_change_is_relative_to_the_checkpoint_before(stored: Store):
    rows = table_of(stored, "spectra")
    line = rows[(rows["layer"] == LAYER) & (rows["split"] == "test") & (rows["sigma"] == 0.2) & (rows["class_id"] == 1)]
    line = line.set_index("epoch").sort_index()
    assert np.isnan(line["s1_change"][0])
    for epoch in (1, 2):
        before = line["s1"][epoch - 1]
        assert line["s1_change"][epoch] == pytest.approx((line["s1"][epoch] - before) / before)


def test_figures_and_claims_come_of_the_rows(stored: Store, attacked: Store):
    for store in (stored, attacked):
        rows = table_of(store, "spectra")
        figures = spectra_figures(rows)
        assert ("attacks_against_noise" in figures) is (store is attacked)
        assert all(is_drawn(figure) for figure in figures.values())
        assert "first component's share" in texts(figures["shares_over_training"])
        assert len(spectra_claims(rows)) == 4
    nothing = table_of(stored, "spectra").assign(first=np.nan)
    assert "no group of noisy copies" in texts(spectra_figures(nothing)["shares_over_training"])


def test_attacked_groups_stand_beside_noise_of_their_norm(attacked: Store):
    rows = rows_of(attacked, "noise_groups", epoch=EPOCH)
    at = rows[(rows["layer"] == LAYER) & (rows["sigma"] == 0)].set_index(["noise", "split", "image"]).sort_index()
    assert set(at.index.get_level_values("noise")) == {
        f"{like}{name}" for like in ("", "like_") for name in ("fgsm", "pgd", "ddn")
    }
    for name in ("fgsm", "pgd", "ddn"):
        np.testing.assert_allclose(at.loc[name, "norm"], at.loc[f"like_{name}", "norm"])
    epsilon, n_pixels = attacked.study.spectra.epsilon, 12 * 12
    assert (at.loc["pgd", "norm"] <= epsilon * np.sqrt(n_pixels) + 1e-5).all()
    assert (at["first"] > 0).all()
