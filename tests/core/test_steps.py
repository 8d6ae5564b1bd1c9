"""The numbers of a finished study against scikit-learn, NumPy and autograd on the same stored arrays."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score

import featcx_core as fx
from featcx_core.notebook import OpenStudy
from featcx_core.sources.checkpoints import read_head
from featcx_core.steps.features import CodeReader
from featcx_core.store import open_store

EPOCHS = (0, 1, 2)


@pytest.fixture(scope="module")
def study(finished_home: Path) -> OpenStudy:
    return fx.open_study("tiny", home=finished_home)


def test_v_information_is_that_of_scikit_learn(study: OpenStudy):
    table = study.table("v_information").query("kind == 'concept' and epoch == dictionary_epoch")
    fit, score = study.split("fit"), study.split("score")
    compared = 0
    for (epoch, layer), rows in table.dropna(subset=["v_information"]).groupby(["epoch", "layer"]):
        acts, codes = study.acts(epoch=epoch, layer=layer)[:], study.codes(epoch=epoch)[:]
        for row in rows.itertuples():
            z = (codes[:, row.concept] - codes[fit, row.concept].mean()) / codes[fit, row.concept].std()
            ridge = Ridge(alpha=row.penalty).fit(acts[fit].astype(np.float64), z[fit].astype(np.float64))
            # the null predictor is the mean of the fit half, not of the score half as r2_score has it
            left = np.square(z[score] - ridge.predict(acts[score])).sum() / np.square(z[score]).sum()
            assert row.v_information == pytest.approx(max(0.0, 1 - left), abs=1e-3)
            compared += 1
    assert compared > 200


def test_as_printed_is_least_squares_in_sample(study: OpenStudy):
    rows = study.table("v_information").query("kind == 'concept' and epoch == 2 and layer == 'layer1.1'")
    rows = rows[rows["dictionary_epoch"] == 2].dropna(subset=["v_information"])
    acts, codes = study.acts(epoch=2, layer="layer1.1")[:].astype(np.float64), study.codes(epoch=2)[:]
    for row in rows.itertuples():
        z = codes[:, row.concept].astype(np.float64)
        fitted = LinearRegression().fit(acts, z).predict(acts)
        assert row.v_information_as_printed == pytest.approx(z.var() * r2_score(z, fitted), rel=1e-3, abs=1e-6)


def test_complexity_is_one_minus_the_mean_over_layers(study: OpenStudy):
    layers = study.layers.query("in_complexity")["layer"]
    information = study.table("v_information").query("epoch == dictionary_epoch")
    keys = ["epoch", "kind", "concept"]
    mean = information[information["layer"].isin(layers)].groupby(keys)["v_information"].mean()
    table = study.table("complexity").set_index(keys)["complexity"]
    pd.testing.assert_series_equal(table.sort_index(), (1 - mean).sort_index(), check_names=False)


def test_importance_is_gradient_times_input(study: OpenStudy, finished_home: Path):
    store = open_store(finished_home, "tiny")
    for epoch in EPOCHS:
        weight, bias = (torch.from_numpy(array) for array in read_head(store.checkpoint(epoch), store.anatomy))
        acts = torch.from_numpy(study.acts(epoch=epoch, layer="layer3.2")[:])
        atoms = torch.from_numpy(study.dictionary(epoch=epoch).atoms)
        codes = torch.from_numpy(study.codes(epoch=epoch)[:]).requires_grad_()
        logits = codes @ atoms @ weight + bias
        chosen = logits.gather(1, (acts @ weight + bias).argmax(1, keepdim=True)).sum()
        products = torch.autograd.grad(chosen, codes)[0] * codes.detach()
        table = study.table("importance").query("epoch == @epoch").sort_values("concept")
        np.testing.assert_allclose(table["importance"], products.abs().mean(0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(table["signed_importance"], products.mean(0), rtol=1e-4, atol=1e-5)


def test_decode_time_is_over_the_trained_checkpoints(study: OpenStudy):
    rows = study.table("v_information").query("kind == 'concept' and dictionary_epoch == 2 and layer == 'layer3.2'")
    mean = rows[rows["epoch"] >= 1].groupby("concept")["v_information"].mean()
    table = study.table("decode_time").set_index("concept")
    np.testing.assert_allclose(table["decode_time"], 1 - mean, rtol=1e-12)
    assert set(table["reference_epoch"]) == {2}


def test_shuffled_codes_are_the_concepts_of_other_images_of_the_same_half(finished_home: Path):
    codes = CodeReader.open(open_store(finished_home, "tiny"), epoch=2, kinds=("concept", "shuffled"))
    n = codes.widths["concept"]
    for low, high in ((0, codes.n_fit), (codes.n_fit, codes.n_images)):
        whole = codes.rows(low, high)
        for column in range(n):
            assert sorted(whole[:, column]) == sorted(whole[:, n + column])
        assert not np.array_equal(whole[:, :n], whole[:, n:])
        parts = [codes.rows(start, min(high, start + 7)) for start in range(low, high, 7)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_dead_concept_keeps_its_row_and_has_no_score(study: OpenStudy):
    concepts, complexity = study.table("concepts"), study.table("complexity").query("kind == 'concept'")
    joined = concepts.merge(complexity, on=["epoch", "concept"])
    assert len(joined) == len(concepts) == 3 * 12
    assert (joined["alive"] == joined["complexity"].notna()).all()


def test_controls_are_there_and_shuffled_codes_say_nothing(study: OpenStudy):
    table = study.table("v_information").query("epoch == dictionary_epoch")
    assert set(table["kind"]) == {"concept", "random_direction", "shuffled", "class_logit", "unit"}
    shuffled = table.query("kind == 'shuffled'")
    # 60 images a half: a single value strays by 0.1 at times, their mean does not
    assert abs(shuffled["v_information"].mean()) < 0.02
    assert shuffled["v_information"].isna().sum() == table.query("kind == 'concept'")["v_information"].isna().sum()
