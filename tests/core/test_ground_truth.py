"""Studies whose answers are known, made smaller than the packaged ones: the numbers must say what is true of them."""

from pathlib import Path

import numpy as np
import pytest

from featcx_core.analyses.training.make import train
from featcx_core.artefacts.making import make
from featcx_core.images.generated import FACTORS, SIDE, SURE_PATCH, bits, factors, shortcut, twins, with_patch
from featcx_core.store.places import Store
from featcx_core.study.fields import Study
from featcx_core.study.files import load_study
from tests.ground_truth import (
    Interval,
    eta_squared,
    factor_concepts,
    known_codes,
    measured,
    patch_concept,
    planted_units,
    reliance,
    twin_concepts,
)
from tests.steps import table_of

SMALL = {"widths": [8, 16, 32], "blocks": 1}


def smaller(name: str, **parts: dict[str, object]) -> Study:
    """The packaged study with other values of some fields."""
    values = load_study(name).model_dump(mode="json")
    return Study.model_validate({**values, **{part: {**values[part], **fields} for part, fields in parts.items()}})


def analysed(study: Study, home: Path) -> Store:
    """The reference epoch's complexity and importance, and how early its concepts are."""
    store = train(study, home=home, device="cpu")
    reference = store.study.reference_epoch
    for name in ("complexity", "importance"):
        make(store, name, epoch=reference, device="cpu")
    for epoch in range(reference):
        make(store, "activations", epoch=epoch, device="cpu")
        layers = [store.anatomy.penultimate]
        make(store, "reference_v_information", epoch=epoch, layers=layers, device="cpu")
    make(store, "decode_time")
    return store


# -- the images ----------------------------------------------------------------------------------------------------------


def test_factors_are_independent_and_decide_the_class():
    known = factors(n_images=270)
    assert known.images.shape == (270, 3, SIDE, SIDE)
    assert np.bincount(known.labels).tolist() == [10] * 27
    names = [name.split("_") for name in known.class_names]
    for place, (factor, values) in enumerate(FACTORS.items()):
        told = [values.index(names[label][place]) for label in known.labels]
        assert known.factors[factor].tolist() == told
    again = factors(n_images=270)
    assert (again.images == known.images).all()
    assert (factors(n_images=270, seed=1).images != known.images).any()


def test_objects_differ_in_their_factors_only():
    known = factors(n_images=2700)
    shapes, textures = known.factors["shape"], known.factors["texture"]
    red = known.images[:, 0].astype(float) - known.images[:, 1:].mean(axis=1)  # the background is grey
    area = [(red[(shapes == s) & (known.factors["colour"] == 0)] > 60).mean() for s in range(3)]
    assert np.ptp(area) < 0.2 * np.mean(area)
    brightness = [known.images[textures == t].mean() for t in range(3)]
    assert np.ptp(brightness) < 3


def test_the_patch_goes_with_one_digit_and_changes_nothing_else():
    patched, plain = shortcut(), shortcut(has_patch=False)
    has = patched.factors["patch"].astype(bool)
    assert 0.9 < has[patched.labels == 3].mean() < 1
    assert 0 < has[patched.labels != 3].mean() < 0.05
    assert (patched.images[~has] == plain.images[~has]).all()
    assert (patched.images[has] == with_patch(plain.images[has])).all()
    assert (plain.images[:, 0] == plain.images[:, 2]).all()  # grey
    sure = shortcut(shares=SURE_PATCH)
    assert (sure.factors["patch"] == (sure.labels == 3)).all()


def test_bits_and_parities():
    known = bits(n_images=64)
    tiles = np.stack([known.factors[f"bit_{n}"] for n in range(8)], axis=1)
    seen = known.images[:, 0].reshape(64, 2, 8, 4, 8).mean(axis=(2, 4)).reshape(64, 8) > 127
    assert (seen == tiles).all()
    assert (known.factors["parity_3"] == tiles[:, :3].sum(axis=1) % 2).all()
    assert (known.labels == known.factors["parity_6"]).all()


def test_twins_are_alike_but_for_the_class():
    known = twins(n_images=4000)
    assert list(known.factors) == ["detector_bit", "blind_bit", "detector_parity", "blind_parity"]
    tiles = known.images[:, 0].reshape(4000, 2, 8, 4, 8).mean(axis=(2, 4)) > 127
    for row, name in enumerate(("detector", "blind")):
        assert (known.factors[f"{name}_bit"] == tiles[:, row, 0]).all()
        assert (known.factors[f"{name}_parity"] == tiles[:, row].sum(axis=1) % 2).all()
    told = [known.class_names[label] for label in known.labels[:2]]
    wanted = [("dark", "bright")[bit] for bit in known.factors["detector_bit"][:2]]
    assert [name.split("_")[0] for name in told] == wanted
    # four independent fair bits
    assert np.abs(np.corrcoef(np.stack(list(known.factors.values()))) - np.eye(4)).max() < 0.06


def test_share_of_variance_between_values():
    values = np.array([0, 0, 1, 1])
    codes = np.array([[1.0, 0.0, 5.0], [1.0, 2.0, 5.0], [3.0, 0.0, 5.0], [3.0, 2.0, 5.0]])
    assert eta_squared(codes, values).tolist() == [1.0, 0.0, 0.0]


# -- what is measured of them --------------------------------------------------------------------------------------------


def test_planted_parities_lie_where_they_must(tmp_path: Path):
    sizes = {"train": 600, "fit": 600, "score": 600, "test": 100}
    store = analysed(smaller("planted", data={"split": sizes}, training={"epochs": 1}), tmp_path)
    units = planted_units(store)
    assert [unit.expected for unit in units] == [0.0] * 9 + [0.2, 0.4, 0.6, 0.8]
    for unit in units:
        assert unit.measured.value == pytest.approx(unit.expected, abs=0.01), unit
    table = table_of(store, "complexity")
    noise = table[(table["epoch"] == 1) & (table["kind"] == "shuffled")]["complexity"]
    assert noise.min() > 0.97  # codes that have nothing to do with their images


def test_class_information_tells_detectors_from_class_blind_concepts_of_equal_complexity(tmp_path: Path):
    sizes = {"train": 600, "fit": 600, "score": 600, "test": 100}
    store = analysed(smaller("twins", data={"split": sizes}, training={"epochs": 1}), tmp_path)
    concepts = twin_concepts(store)
    assert list(concepts) == ["detector_bit", "blind_bit", "detector_parity", "blind_parity"]
    assert len({concept.concept for concept in concepts.values()}) == 4
    for name, concept in concepts.items():
        assert concept.cosine > 0.99  # the dictionary finds each by itself
        is_detector, is_parity = name.startswith("detector"), name.endswith("parity")
        assert concept.complexity == pytest.approx(0.5 if is_parity else 0.0, abs=0.01)
        assert concept.class_information == pytest.approx(1.0 if is_detector else 0.0, abs=0.02)
        # nothing else tells them apart
        assert concept.prevalence == pytest.approx(0.5, abs=0.05)
        assert concept.variance == pytest.approx(0.25, abs=0.01)


@pytest.fixture(scope="module")
def factors_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    sizes = {"train": 1080, "fit": 540, "score": 540, "test": 54}
    parts: dict[str, dict[str, object]] = {
        "data": {"split": sizes},
        "model": {"arguments": SMALL},
        "training": {"epochs": 5, "batch_size": 32},
        "dictionary": {"atoms_per_class": 20, "images_per_class": 10},
    }
    return analysed(smaller("factors", **parts), tmp_path_factory.mktemp("factors"))


def test_colour_is_simpler_and_earlier_than_shape(factors_store: Store):
    known = factors()
    found = measured(factors_store, known_codes(factors_store, known))
    assert found["colour"].complexity.high < found["texture"].complexity.low
    assert found["texture"].complexity.high < found["shape"].complexity.low
    assert found["colour"].decode_time < found["texture"].decode_time < found["shape"].decode_time
    assert found["colour"].first_epoch == 1
    # what has nothing to do with the images, and what is linear in their pixels
    assert found["noise"].complexity.low > 0.97
    assert found["brightness"].by_layer[0] > 0.9
    assert found["brightness"].untrained.high < 0.1


def test_concepts_belong_to_the_factor_that_explains_them(factors_store: Store):
    found = factor_concepts(factors_store, factors())
    assert len(found["colour"].complexity) > 0
    assert Interval.of_mean(found["colour"].complexity).high < 0.5


@pytest.fixture(scope="module")
def shortcut_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    sizes = {"train": 1500, "fit": 400, "score": 400, "test": 100}
    parts: dict[str, dict[str, object]] = {
        "data": {"split": sizes},
        "model": {"arguments": SMALL},
        "training": {"epochs": 4, "batch_size": 32},
        "dictionary": {"images_per_class": 60},
    }
    return analysed(smaller("shortcut", **parts), tmp_path_factory.mktemp("shortcut"))


def test_a_shortcut_is_found_among_the_simplest_and_most_important(shortcut_store: Store):
    found = patch_concept(shortcut_store)
    assert found.effect > 1
    assert found.class_name == "3"
    assert found.simpler < 0.1
    assert found.earlier < 0.25
    # every 3 has the patch and no other digit: the network needs nothing else
    assert found.more_important < 0.1
    assert found.more_by_logit == 0  # removing it changes most of all, on the images that have the patch
    assert found.more_by_loss == 0
    assert found.without_patch > 0.3  # gone when the patch is taken from the images


def test_the_network_relies_on_the_shortcut(shortcut_store: Store):
    relied = reliance(shortcut_store)
    assert relied.says_3_with > relied.says_3_without + 0.3
    assert relied.finds_3_with > relied.finds_3_without + 0.3
