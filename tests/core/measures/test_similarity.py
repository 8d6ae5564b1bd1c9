import jaxtyping
import numpy as np
import pytest
import torch

from featcx_core.measures.decomposed import decompose
from featcx_core.measures.similarity import linear_cka, mean_cca, mutual_knn, procrustes, pwcca, svcca
from tests.references import similarity as reference

pytestmark = pytest.mark.filterwarnings("ignore:CCA of")

EVERY = [linear_cka, procrustes, mean_cca, svcca, pwcca, mutual_knn]
BY_CCA = [mean_cca, svcca, pwcca]


def pair(n=120, units_x=10, units_y=7, seed=0):
    """Two representations that share three directions."""
    chance = np.random.default_rng(seed)
    shared = chance.normal(size=(n, 3))
    x = shared @ chance.normal(size=(3, units_x)) + chance.normal(size=(n, units_x)) + 4
    y = shared @ chance.normal(size=(3, units_y)) + chance.normal(size=(n, units_y)) - 2
    return x, y


def orthogonal(units, seed=1):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(units, units)))[0]


def test_by_hand():
    # two centred columns with cosine 1/2 over six images
    x = np.array([[1.0], [1.0], [-1.0], [-1.0], [0.0], [0.0]])
    y = np.array([[1.0], [0.0], [-1.0], [0.0], [1.0], [-1.0]])
    assert linear_cka(x, y, unbiased=False) == pytest.approx(1 / 4)  # the cosine squared
    assert svcca(x, y) == pytest.approx(1 / 2)
    assert pwcca(x, y) == pytest.approx(1 / 2)
    assert linear_cka(x, y, as_printed=True) == pytest.approx(1 / 4)
    assert mean_cca(x, y) == pytest.approx(1 / 2)
    assert procrustes(x, y) == pytest.approx(1 / 2)


@pytest.mark.parametrize("shape", [(120, 10, 7), (20, 30, 25), (20, 5, 100), (60, 1, 12)])
@pytest.mark.parametrize("unbiased", [True, False])
def test_cka_equals_the_paper_with_gram_matrices(shape, unbiased):
    x, y = pair(*shape)
    assert linear_cka(x, y, unbiased=unbiased) == pytest.approx(reference.cka(x, y, unbiased), abs=1e-10)
    assert linear_cka(x, y, as_printed=True) == pytest.approx(reference.cka_as_printed(x, y), abs=1e-10)


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("squared", [False, True])
def test_svcca_equals_the_principal_angles(threshold, squared):
    x, y = pair()
    expected = reference.svcca(x, y, threshold, squared)
    assert svcca(x, y, threshold=threshold, squared=squared) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("units", [(10, 7), (7, 10), (6, 6)])
def test_pwcca_equals_the_paper(units):
    x, y = pair(120, *units)
    assert pwcca(x, y) == pytest.approx(reference.pwcca(x, y), abs=1e-9)
    assert pwcca(y, x) == pytest.approx(reference.pwcca(y, x), abs=1e-9)


@pytest.mark.parametrize("shape", [(120, 10, 7), (120, 7, 10), (20, 30, 25), (20, 5, 100)])
def test_procrustes_equals_the_best_rotation(shape):
    x, y = pair(*shape)
    assert procrustes(x, y) == pytest.approx(reference.procrustes(x, y), abs=1e-9)


@pytest.mark.parametrize("units", [(10, 7), (7, 10), (6, 6)])
def test_mean_cca_equals_the_principal_angles(units):
    x, y = pair(120, *units)
    assert mean_cca(x, y) == pytest.approx(reference.mean_cca(x, y), abs=1e-9)
    assert mean_cca(x, y) == pytest.approx(svcca(x, y, threshold=1.0), abs=1e-12)


@pytest.mark.parametrize("n_neighbours", [1, 5, 10])
@pytest.mark.parametrize("shape", [(60, 10, 7), (20, 30, 25)])
def test_mutual_knn_equals_brute_force(n_neighbours, shape):
    x, y = pair(*shape)
    expected = reference.mutual_knn(x, y, n_neighbours)
    assert mutual_knn(x, y, n_neighbours=n_neighbours) == pytest.approx(expected, abs=1e-12)


def classes_of(n, n_classes=4):
    return np.random.default_rng(7).permutation(np.arange(n) % n_classes)


@pytest.mark.parametrize("shape", [(120, 10, 7), (24, 30, 25)])
def test_cka_within_classes_equals_the_sum_over_classes_with_gram_matrices(shape):
    x, y = pair(*shape)
    labels = classes_of(len(x))
    assert linear_cka(x, y, labels=labels) == pytest.approx(reference.cka_within(x, y, labels), abs=1e-10)
    one = np.zeros(len(x), dtype=int)
    assert linear_cka(x, y, labels=one) == pytest.approx(linear_cka(x, y), abs=1e-12)


def test_within_classes_both_sides_are_centred_on_their_class_means():
    x, y = pair()
    labels = classes_of(len(x))
    inside = reference.centred(x, labels), reference.centred(y, labels)
    for measure in (procrustes, mean_cca, svcca, pwcca):
        assert measure(x, y, labels=labels) == pytest.approx(measure(*inside), abs=1e-9)
    assert mutual_knn(x, y, labels=labels) == pytest.approx(reference.mutual_knn(*inside, 10), abs=1e-12)
    assert linear_cka(x, y, labels=labels, unbiased=False) == pytest.approx(linear_cka(*inside, unbiased=False))


def test_classes_alone_make_layers_similar_but_not_within_classes():
    chance = np.random.default_rng(8)
    labels = np.arange(1000) % 5
    x, y = (3 * chance.normal(size=(5, 20))[labels] + chance.normal(size=(1000, 20)) for _ in range(2))
    assert linear_cka(x, y) > 0.5
    assert abs(linear_cka(x, y, labels=labels)) < 0.02
    moved = labels + 10  # names of classes do not matter
    for measure in EVERY:
        assert measure(x, y, labels=labels) == measure(x, y, labels=moved) < measure(x, y)


def test_a_planted_shared_subspace_scores_1_once_the_svd_has_left_the_rest_out():
    chance = np.random.default_rng(9)
    shared = chance.normal(size=(2000, 5))
    x, y = (shared @ chance.normal(size=(5, 40)) + 1e-3 * chance.normal(size=(2000, 40)) for _ in range(2))
    for squared in (False, True):
        assert decompose(x).leading(0.99, squared=squared) <= 5
        assert svcca(x, y, squared=squared) > 0.9999
    assert mean_cca(x, y) < 0.3  # 5 of 40 directions are shared
    assert linear_cka(x, y) > 0.5
    assert pwcca(x, y) > 0.9


def test_both_readings_of_the_threshold_keep_different_directions():
    x, y = pair()
    assert decompose(x).leading(0.9) > decompose(x).leading(0.9, squared=True)
    assert svcca(x, y, threshold=0.9) != svcca(x, y, threshold=0.9, squared=True)


def test_decomposed_layers_score_what_their_activations_do():
    x, y = pair()
    labels = classes_of(len(x))
    for measure in EVERY:
        assert measure(decompose(x), decompose(y)) == measure(x, y)
        assert measure(decompose(x), y) == measure(x, decompose(y)) == measure(x, y)
        within = decompose(x, labels=labels), decompose(y, labels=labels)
        assert measure(*within) == measure(x, y, labels=labels)


def test_pwcca_is_not_symmetric():
    x, y = pair()
    assert abs(pwcca(x, y) - pwcca(y, x)) > 1e-3


@pytest.mark.parametrize("measure", [linear_cka, procrustes, mean_cca, svcca, pwcca])
def test_invariances(measure):
    x, y = pair()
    base = measure(x, y)
    assert measure(x, y @ orthogonal(7)) == pytest.approx(base, abs=1e-9)
    if measure is not pwcca:  # its weights look at x unit by unit
        assert measure(x @ orthogonal(10), y) == pytest.approx(base, abs=1e-9)
    assert measure(100 * x + 3, -0.01 * y) == pytest.approx(base, abs=1e-9)
    order = np.random.default_rng(2).permutation(len(x))
    assert measure(x[order], y[order]) == pytest.approx(base, abs=1e-9)
    dead = np.column_stack([x, np.zeros(len(x)), np.full(len(x), 0.1)])
    assert measure(dead, y) == pytest.approx(base, abs=1e-9)
    assert measure(x, x) == pytest.approx(1)
    assert measure(x, y) < 0.95


def test_mutual_knn_is_blind_to_rotations_and_to_the_scale_of_single_images():
    x, y = pair()
    base = mutual_knn(x, y)
    assert mutual_knn(x @ orthogonal(10), 100 * y @ orthogonal(7)) == base
    assert mutual_knn(x * np.linspace(1, 3, len(x))[:, None], y) == base
    order = np.random.default_rng(2).permutation(len(x))
    assert mutual_knn(x[order], y[order]) == base
    assert mutual_knn(x, x) == 1
    assert mutual_knn(x, y) == mutual_knn(y, x)
    assert mutual_knn(x - x.mean(0), y) != base  # cosines are those of the activations as they are


def test_cca_is_blind_to_every_invertible_map_and_cka_is_not():
    x, y = pair()
    bent = x @ (orthogonal(10) * np.geomspace(1, 100, 10))
    assert svcca(bent, y, threshold=1.0) == pytest.approx(svcca(x, y, threshold=1.0), abs=1e-9)
    assert svcca(bent, x, threshold=1.0) == pytest.approx(1)
    assert pwcca(bent, x) == pytest.approx(1)
    assert mean_cca(bent, y) == pytest.approx(mean_cca(x, y), abs=1e-9)
    assert procrustes(bent, x) < 0.99
    assert abs(linear_cka(bent, y) - linear_cka(x, y)) > 0.01


def test_pwcca_is_one_where_x_follows_from_y():
    _, y = pair()
    x = y[:, :3] @ orthogonal(3)
    assert pwcca(x, y) == pytest.approx(1)


def test_null_values_on_independent_gaussian_data():
    chance = np.random.default_rng(3)
    values = {name: [] for name in ("unbiased", "within", "biased", "svcca", "pwcca", "knn")}
    for _ in range(10):
        x, y = chance.normal(size=(2, 512, 256))
        values["unbiased"].append(linear_cka(x, y))
        values["biased"].append(linear_cka(x, y, unbiased=False))
        values["within"].append(linear_cka(x, y, labels=np.arange(512) % 16))
        values["knn"].append(mutual_knn(x, y))
    for _ in range(10):
        x, y = chance.normal(size=(2, 5000, 10))
        values["svcca"].append(svcca(x, y))
        values["pwcca"].append(pwcca(x, y))
    assert np.mean(values["unbiased"]) == pytest.approx(0, abs=0.005)
    assert np.mean(values["within"]) == pytest.approx(0, abs=0.005)
    assert np.mean(values["knn"]) == pytest.approx(10 / 511, abs=0.003)
    assert np.mean(values["biased"]) == pytest.approx(1 / 3, abs=0.01)
    assert np.mean(values["svcca"]) < (10 / 5000) ** 0.5
    assert np.mean(values["pwcca"]) < (10 / 5000) ** 0.5


@pytest.mark.parametrize("measure", EVERY)
def test_more_noise_is_less_similar(measure):
    chance = np.random.default_rng(4)
    x = chance.normal(size=(400, 8)) * np.geomspace(1, 3, 8)
    noise = chance.normal(size=x.shape)
    scores = [measure(x, x + level * noise) for level in (0, 0.5, 1, 2, 4)]
    assert (np.diff(scores) < 0).all()
    assert all(-0.1 <= score <= 1 + 1e-9 for score in scores)


@pytest.mark.parametrize("measure", EVERY)
def test_a_constant_side_has_no_similarity(measure):
    x, _ = pair()
    constant = np.full((120, 4), 0.1)
    assert np.isnan(measure(constant, x))
    assert np.isnan(measure(x, constant))
    assert np.isnan(linear_cka(x, constant, as_printed=True))


@pytest.mark.parametrize("measure", EVERY)
def test_kinds_and_precisions(measure):
    x, y = pair()
    single = x.astype(np.float32), y.astype(np.float32)
    result = measure(*single)
    assert isinstance(result, float)
    assert result == pytest.approx(measure(x, y), abs=1e-5)
    assert measure(torch.from_numpy(single[0]), torch.from_numpy(single[1])) == result
    assert measure(x.astype(np.float16), y.astype(np.float16)) == pytest.approx(result, abs=1e-2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("measure", BY_CCA)
def test_too_few_images_for_cca(measure):
    chance = np.random.default_rng(5)
    with pytest.raises(ValueError, match="got 30 images and 30 units"):
        measure(chance.normal(size=(30, 3)), chance.normal(size=(30, 30)))
    with pytest.warns(UserWarning, match="30 images and 7 units"):
        measure(chance.normal(size=(30, 3)), chance.normal(size=(30, 7)))
    assert measure(chance.normal(size=(35, 3)), chance.normal(size=(35, 7))) > 0
    labels = np.arange(30) % 10
    with pytest.raises(ValueError, match="got 30 images of 10 classes and 21 units"):
        measure(chance.normal(size=(30, 3)), chance.normal(size=(30, 21)), labels=labels)
    with pytest.warns(UserWarning, match="30 images of 10 classes and 5 units"):
        measure(chance.normal(size=(30, 3)), chance.normal(size=(30, 5)), labels=labels)


def test_errors(monkeypatch):
    x, y = pair()
    with pytest.raises(ValueError, match="at least 4 images for CKA, got 3"):
        linear_cka(x[:3], y[:3])
    for threshold in (0.0, 1.5):
        with pytest.raises(ValueError, match=f"threshold above 0, at most 1, got {threshold}"):
            svcca(x, y, threshold=threshold)
    broken = y.copy()
    broken[11, 3] = np.nan
    with pytest.raises(
        ValueError, match="at least 4 images of every class for CKA within classes, got 3 of class number 2"
    ):
        linear_cka(x[:11], y[:11], labels=np.arange(11) % 3)
    with pytest.raises(ValueError, match="at least 12 images for 10 neighbours, got 11"):
        mutual_knn(x[:11], y[:11])
    with pytest.raises(ValueError, match="at least 1 neighbour, got 0"):
        mutual_knn(x, y, n_neighbours=0)
    with pytest.raises(ValueError, match="labels before the layer is decomposed"):
        linear_cka(decompose(x), y, labels=classes_of(len(x)))
    with pytest.raises(ValueError, match="centred alike, got different classes"):
        linear_cka(decompose(x, labels=classes_of(len(x))), decompose(y))
    for measure in EVERY:
        with pytest.raises(ValueError, match=r"second side, got 1 values .* image 11, unit 3"):
            measure(x, broken)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    for measure in EVERY:
        with pytest.raises(ValueError, match="got 120 and 119"):
            measure(x, y[1:])
        with pytest.raises(ValueError, match="got 120 and 119"):
            measure(decompose(x), decompose(y[1:]))
        with pytest.raises(ValueError, match="a label for every image, got 119 labels and 120 images"):
            measure(x, y, labels=np.zeros(119, dtype=int))
