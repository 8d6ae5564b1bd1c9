import numpy as np
import pytest
import torch

from featcx_core.measures.ablation import AblationCounts, ablation_orders
from tests.references import ablation as reference

SHARES = np.linspace(0, 1, 5)
PLACES = {"random": np.array([[0, 1, 2, 3, 8], [0, 4, 5, 6, 8]]), "importance": np.array([[0, 7, 7, 7, 8]])}


def planted(n=400, classes=4, seed=0):
    """Predictions of nine ablations that are right less and less often."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, classes, n)
    keeps = np.array([0.9, 0.8, 0.6, 0.3, 0.7, 0.5, 0.4, 0.2, 0.0])
    wrong = (labels + chance.integers(1, classes, (9, n))) % classes
    return np.where(chance.random((9, n)) < keeps[:, None], labels, wrong), labels


def counted(predicted, labels, *, size=1000, groups=20):
    counts = AblationCounts(len(predicted), groups=groups)
    for start in range(0, len(labels), size):
        counts.add(predicted[:, start : start + size], labels[start : start + size])
    return counts


def test_by_hand():
    labels = np.array([0, 1, 0, 1])
    predicted = np.array([[0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0]])
    curve = counted(predicted, labels, groups=2).curves({"one": np.array([[0, 1, 2]])}, np.array([0, 0.5, 1]))["one"]
    assert curve.accuracy.tolist() == [0.75, 0.5, 0.25]
    assert curve.relative_accuracy == pytest.approx([1, 2 / 3, 1 / 3])
    assert curve.area == pytest.approx((1 / 2 + 2 / 3 + 1 / 6) / 2)
    # groups {0, 2} and {1, 3}: without each, the areas of the other
    assert curve.area_left_out == pytest.approx([(0.5 + 1 + 0) / 2, (0.5 + 0.5 + 0.25) / 2])


def test_equals_counting_image_by_image():
    predicted, labels = planted()
    curves = counted(predicted, labels).curves(PLACES, SHARES)
    for name, group in PLACES.items():
        each = np.array([reference.curve(predicted[places], labels) for places in group])
        np.testing.assert_allclose(curves[name].accuracy, each.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(curves[name].orders_low, each.min(axis=0), rtol=1e-12)
        np.testing.assert_allclose(curves[name].orders_high, each.max(axis=0), rtol=1e-12)
        relative = each.mean(axis=0) / each[0, 0]
        np.testing.assert_allclose(curves[name].relative_accuracy, relative, rtol=1e-12)
        assert curves[name].area == pytest.approx(((relative[1:] + relative[:-1]) / 2).mean())


def test_area_without_a_group_is_that_of_the_images_that_are_left():
    predicted, labels = planted()
    whole = counted(predicted, labels, groups=7).curves(PLACES, SHARES)["random"]
    for group in range(7):
        left = np.arange(400) % 7 != group
        again = counted(predicted[:, left], labels[left]).curves(PLACES, SHARES)["random"]
        assert whole.area_left_out[group] == pytest.approx(again.area)


def test_intervals_cover_the_true_curve():
    truth = np.array([0.9, 0.8, 0.6, 0.3, 0.0])
    inside = []
    for seed in range(200):
        predicted, labels = planted(seed=seed, n=300)
        curve = counted(predicted, labels).curves({"one": PLACES["random"][:1]}, SHARES)["one"]
        inside.append((curve.low[:4] <= truth[:4]) & (truth[:4] <= curve.high[:4]))
    assert 0.91 < np.mean(inside) < 0.985
    assert (curve.low[4], curve.high[4]) == (0, 0)


def test_intervals_of_the_area_cover_the_true_area():
    truth = np.array([0.9, 0.8, 0.6, 0.3, 0.0]) / 0.9
    area = ((truth[1:] + truth[:-1]) / 2).mean()
    inside = []
    for seed in range(200):
        predicted, labels = planted(seed=seed, n=300)
        curve = counted(predicted, labels).curves({"one": PLACES["random"][:1]}, SHARES)["one"]
        inside.append(curve.area_low <= area <= curve.area_high)
    assert 0.9 < np.mean(inside) < 0.99


@pytest.mark.parametrize("size", [1, 33, 399])
def test_independent_of_the_batch_size_and_of_the_kind_of_array(size):
    predicted, labels = planted()
    whole = counted(predicted, labels).curves(PLACES, SHARES)["random"]
    cut = counted(torch.from_numpy(predicted), torch.from_numpy(labels), size=size).curves(PLACES, SHARES)["random"]
    for part, expected in zip(cut, whole, strict=True):
        np.testing.assert_array_equal(part, expected)


def test_an_ablation_that_changes_nothing_has_an_area_of_1():
    predicted, labels = planted()
    curve = counted(predicted[[0, 0]], labels).curves({"none": np.array([[0, 1]])}, np.array([0.0, 1.0]))["none"]
    assert (curve.area, curve.area_low, curve.area_high) == (1, 1, 1)
    assert (curve.relative_accuracy == 1).all()


def test_undefined_where_nothing_was_right_to_begin_with_and_for_a_single_share():
    predicted, labels = planted()
    curve = counted(predicted[[8, 8]], labels).curves({"none": np.array([[0, 1]])}, np.array([0.0, 1.0]))["none"]
    assert np.isnan(curve.relative_accuracy).all()
    assert np.isnan(curve.area)
    single = counted(predicted, labels).curves({"one": np.array([[3]])}, np.array([0.5]))["one"]
    assert np.isnan(single.area)
    assert single.relative_accuracy[0] < 1


def test_orders():
    orders = ablation_orders(
        {"selectivity": np.array([0.2, np.nan, 0.9, 0.2]), "importance": torch.tensor([4.0, 3.0, 2.0, 1.0])},
        n_units=4,
        seed=0,
    )
    assert orders["selectivity"].tolist() == [[1, 2, 0, 3]]
    assert orders["importance"].tolist() == [[0, 1, 2, 3]]
    assert orders["random"].shape == (10, 4)
    assert (np.sort(orders["random"], axis=1) == np.arange(4)).all()
    assert len(np.unique(orders["random"], axis=0)) > 5
    again = ablation_orders({}, n_units=4, seed=0)
    assert again.keys() == {"random"}
    assert (again["random"] == orders["random"]).all()
    assert (ablation_orders({}, n_units=4, seed=1)["random"] != orders["random"]).any()
    assert ablation_orders({}, n_units=4, n_random=0, seed=1) == {}


def test_errors():
    predicted, labels = planted()
    with pytest.raises(ValueError, match="at least 2 groups and 1 ablation, got 1 and 3"):
        AblationCounts(3, groups=1)
    with pytest.raises(ValueError, match=r"of 8 ablations and 400 images, got \(9, 400\)"):
        AblationCounts(8).add(predicted, labels)
    with pytest.raises(ValueError, match="at least 20 images, one a group, got 5"):
        counted(predicted[:, :5], labels[:5]).curves(PLACES, SHARES)
    with pytest.raises(ValueError, match="shares that rise"):
        counted(predicted, labels).curves(PLACES, SHARES[::-1].copy())
    with pytest.raises(ValueError, match="selectivity of 5 units, got 4"):
        ablation_orders({"selectivity": np.ones(4)}, n_units=5, seed=0)
