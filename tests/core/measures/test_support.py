import numpy as np
import pytest
import torch

from featcx_core.measures import support as module
from featcx_core.measures.removal_orders import removal_orders
from featcx_core.measures.support import SupportCounts, support
from tests.references import support as reference

SHARES = np.linspace(1, 0, 21)


def planted(n=300, concepts=40, units=12, classes=5, seed=0):
    chance = np.random.default_rng(seed)
    codes = np.maximum(chance.normal(size=(n, concepts)) - 0.5, 0)
    atoms, head, bias = (
        chance.random((concepts, units)),
        chance.normal(size=(units, classes)),
        chance.normal(size=classes),
    )
    logits = codes @ atoms @ head + bias
    predicted = np.argmax(logits + 0.3 * chance.normal(size=logits.shape), axis=1)
    labels = np.where(chance.random(n) < 0.8, predicted, chance.integers(0, classes, n))
    orders = removal_orders(chance.random(concepts), chance.random(concepts), seed=1)
    return codes, atoms, head, bias, {"orders": orders, "predicted": predicted, "labels": labels}


def test_by_hand():
    # concept 0 says class 0, concept 1 says class 1; without either the bias says class 0
    codes = np.array([[2.0, 1.0], [0.0, 1.0], [1.0, 2.0], [0.0, 0.0]])
    result = support(
        codes,
        np.eye(2),
        np.eye(2),
        np.array([0.5, 0.0]),
        orders={"zeroth first": np.array([[0, 1]])},
        shares=np.array([1.0, 0.5, 0.0]),
        predicted=np.array([0, 1, 1, 0]),
        labels=np.array([0, 1, 0, 0]),
        groups=2,
    )["zeroth first"]
    assert result.n_kept.tolist() == [2, 1, 0]
    # all: 0 1 1 0; without concept 0: 1 1 1 0; without both: 0 0 0 0
    assert result.predictions_kept.tolist() == [1.0, 0.75, 0.5]
    assert result.accuracy.tolist() == [0.75, 0.5, 0.75]
    assert result.relative_accuracy == pytest.approx([1, 2 / 3, 1])


def test_equals_zeroing_codes_and_multiplying_again():
    codes, atoms, head, bias, given = planted()
    result = support(codes, atoms, head, bias, shares=SHARES, **given)
    for name, group in given["orders"].items():
        curves = [
            reference.curve(codes, atoms, head, bias, order, SHARES, given["predicted"], given["labels"])
            for order in group
        ]
        np.testing.assert_allclose(np.stack(result[name][:4], axis=1), np.mean(curves, axis=0), atol=1e-12)
        np.testing.assert_allclose(result[name].orders_low, np.min(curves, axis=0)[:, 2], atol=1e-12)
        np.testing.assert_allclose(result[name].orders_high, np.max(curves, axis=0)[:, 2], atol=1e-12)
    assert (result["random"].orders_high > result["random"].orders_low)[1:-1].any()


def test_intervals_are_those_of_the_bootstrap_over_images():
    codes, atoms, head, bias, given = planted(n=600)
    shares, labels, chance = np.array([0.5]), given["labels"], np.random.default_rng(3)
    order = given["orders"]["complexity_descending"][0]
    redrawn = []
    for _ in range(300):
        rows = chance.integers(0, len(codes), len(codes))
        again = reference.curve(codes[rows], atoms, head, bias, order, shares, given["predicted"][rows], labels[rows])
        redrawn.append(again[0, 2])
    curve = support(codes, atoms, head, bias, shares=shares, groups=100, **given)["complexity_descending"]
    low, high = np.quantile(redrawn, [0.025, 0.975])
    assert curve.low == pytest.approx(low, abs=0.02)  # t of 99 degrees of freedom is almost normal
    assert curve.high == pytest.approx(high, abs=0.02)
    assert high - low > 0.04


def test_what_is_lost_beyond_random_orders_is_drawn_from_the_same_images():
    codes, atoms, head, bias, given = planted()
    given["orders"] |= {"random": given["orders"]["complexity_descending"]}  # the very same order
    curves = support(codes, atoms, head, bias, shares=SHARES, **given)
    same, other = curves["complexity_descending"], curves["complexity_ascending"]
    assert (same.beyond_random == 0).all()
    assert (same.beyond_random_low == 0).all()
    assert (same.high > same.low)[1:-1].all()
    np.testing.assert_allclose(other.beyond_random, other.relative_accuracy - same.relative_accuracy, atol=1e-12)
    del given["orders"]["random"]
    alone = support(codes, atoms, head, bias, shares=SHARES, **given)["complexity_ascending"]
    assert np.isnan(alone.beyond_random).all()
    assert np.isnan(alone.beyond_random_low).all()


def test_ends_are_the_same_for_every_order():
    codes, atoms, head, bias, given = planted()
    curves = support(codes, atoms, head, bias, shares=SHARES, **given).values()
    whole = np.argmax(codes @ atoms @ head + bias, axis=1)
    for curve in curves:
        assert curve.relative_accuracy[0] == 1
        assert curve.accuracy[0] == pytest.approx(np.mean(whole == given["labels"]))
        assert curve.predictions_kept[0] == pytest.approx(np.mean(whole == given["predicted"]))
        assert curve.accuracy[-1] == pytest.approx(np.mean(given["labels"] == np.argmax(bias)))


def test_relative_to_the_full_reconstruction_whatever_the_shares():
    codes, atoms, head, bias, given = planted()
    whole = support(codes, atoms, head, bias, shares=SHARES, **given)["random"]
    some = support(codes, atoms, head, bias, shares=np.array([0.25, 0.5]), **given)["random"]
    np.testing.assert_allclose(some.relative_accuracy, whole.relative_accuracy[[15, 10]])


def test_removing_what_matters_first_costs_most():
    # one concept a class and 35 that say nothing
    chance = np.random.default_rng(0)
    codes = chance.random((400, 40))
    head = np.zeros((40, 5))
    head[:5] = 10 * np.eye(5)
    predicted = np.argmax(codes @ head, axis=1)
    importance = (np.arange(40) < 5).astype(float)
    orders = removal_orders(1 - importance, importance, seed=0)
    given = {"orders": orders, "shares": SHARES, "predicted": predicted, "labels": predicted}
    curves = support(codes, np.eye(40), head, np.zeros(5), **given)
    assert curves["importance_descending"].relative_accuracy[3] < 0.5  # 15 %, the five among them, removed
    assert curves["complexity_descending"].relative_accuracy[17] == 1  # 85 % removed, none of the five
    areas = {name: curve.relative_accuracy.mean() for name, curve in curves.items()}
    assert areas["importance_descending"] == areas["complexity_ascending"] < areas["random"]
    assert areas["random"] < areas["complexity_descending"]


def test_without_labels_predictions_are_followed():
    codes, atoms, head, bias, given = planted()
    del given["labels"]
    curve = support(codes, atoms, head, bias, shares=SHARES, **given)["random"]
    assert np.isnan(curve.accuracy).all()
    assert np.isnan(curve.relative_accuracy).all()
    assert curve.predictions_kept[0] > curve.predictions_kept[-1]
    assert (curve.low <= curve.predictions_kept).all()
    assert (curve.predictions_kept <= curve.high).all()


@pytest.mark.parametrize("size", [7, 299])
def test_independent_of_the_chunk_size(monkeypatch, size):
    codes, atoms, head, bias, given = planted()
    whole = support(codes, atoms, head, bias, shares=SHARES, **given)
    monkeypatch.setattr(module, "_IMAGES_AT_ONCE", size)
    for name, curve in support(codes, atoms, head, bias, shares=SHARES, **given).items():
        np.testing.assert_allclose(np.stack(curve), np.stack(whole[name]), atol=1e-12)


def test_takes_tensors():
    codes, atoms, head, bias, given = planted()
    expected = support(codes, atoms, head, bias, shares=SHARES, **given)
    given["predicted"], given["labels"] = (torch.from_numpy(given[name]) for name in ("predicted", "labels"))
    tensors = (torch.from_numpy(array) for array in (codes, atoms, head, bias))
    for name, curve in support(*tensors, shares=SHARES, **given).items():
        np.testing.assert_array_equal(curve.accuracy, expected[name].accuracy)


@pytest.mark.parametrize("share", [0.0, 0.02, 1.0])
def test_only_codes_other_than_zero_count_however_many_there_are(share):
    codes, atoms, head, bias, given = planted()
    codes = np.where(np.random.default_rng(5).random(codes.shape) < share, codes + 0.1, 0.0)
    found = support(codes, atoms, head, bias, shares=SHARES, **given)
    for name in ("complexity_ascending", "importance_descending"):
        order = given["orders"][name][0]
        curve = reference.curve(codes, atoms, head, bias, order, SHARES, given["predicted"], given["labels"])
        np.testing.assert_allclose(np.stack(found[name][:4], axis=1), curve, atol=1e-12)


def test_errors():
    codes, atoms, head, bias, given = planted()
    with pytest.raises(ValueError, match=r"shares from 0 to 1, got 0\.0 to 20\.0"):
        support(codes, atoms, head, bias, shares=20 * SHARES, **given)
    with pytest.raises(ValueError, match="name each of 40 concepts once"):
        SupportCounts(atoms, head, bias, orders={"twice": np.zeros((1, 40), dtype=int)}, shares=SHARES)
    with pytest.raises(ValueError, match="at least 20 images, one a group, got 0"):
        SupportCounts(atoms, head, bias, orders=given["orders"], shares=SHARES).curves()
