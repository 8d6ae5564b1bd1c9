"""What a change of the study, of a checkpoint or of the code makes stale, and what it leaves alone."""

import json

import pytest

from featcx_core.artefacts import fingerprints
from featcx_core.artefacts.fingerprints import CODE_VERSIONS, Fingerprints, combine
from featcx_core.networks.anatomy import Anatomy, read_anatomy
from featcx_core.study.fields import Study
from featcx_core.study.files import load_study, packaged_studies

DIGESTS = {0: "a", 1: "b", 12: "c"}
OF_EPOCHS = (*EPOCHLY, *GRID)


def downstream(*assets: str) -> set[str]:
    """The assets and everything that is made from them."""
    found = set(assets)
    for asset in ASSETS:
        if found & {*NEEDS[asset]}:
            found.add(asset)
    return found


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return read_anatomy(packaged_studies()["mnist"].with_suffix(".layers.json"))


def all_of(study: Study, anatomy: Anatomy, digests: dict[int, str] = DIGESTS) -> dict[tuple[str, int, str], str]:
    prints = Fingerprints(study, anatomy, digests)
    found = {("training", -1, ""): prints.of("training")}
    for epoch in digests:
        found |= {(asset, epoch, ""): prints.of(asset, epoch) for asset in EPOCHLY}
        found |= {(asset, epoch, layer): prints.of(asset, epoch, layer) for asset in GRID for layer in anatomy.names}
    found |= {(asset, -1, ""): prints.fields(asset) for asset in ONCE if asset != "training"}
    return found


def changed(study: Study, **parts: dict[str, object]) -> Study:
    """The study with other values of some fields."""
    values = study.model_dump(mode="json")
    for name, fields in parts.items():
        values[name] = {**values[name], **fields} if isinstance(fields, dict) else fields
    return Study.model_validate_json(json.dumps(values))


# Training is not among what follows: the checkpoints' own digests say whether it was done anew.
@pytest.mark.parametrize(
    ("parts", "stale"),
    [
        ({"name": "other"}, {"figures", "report", "explorer"}),
        ({"training": {"batch_size": 64}}, {"training"}),
        ({"training": {"schedule": "constant"}}, {"training"}),
        ({"activations": {"pooling": "grid:2"}}, downstream("activations") & {*OF_EPOCHS}),
        ({"activations": {"dtype": "float16"}}, downstream("activations", "dictionary_activations") & {*OF_EPOCHS}),
        ({"dictionary": {"images_per_class": 9}}, downstream("dictionary_activations") & {*OF_EPOCHS}),
        ({"dictionary": {"atoms_per_class": 9}}, downstream("dictionary") & {*OF_EPOCHS}),
        ({"dictionary": {"scope": "all"}}, downstream("dictionary") & {*OF_EPOCHS}),
        ({"dictionary": {"keep_positions_gb": 0.0}}, set()),
        ({"clusters": {"count": 7}}, {"clusters"}),
        ({"data": {"superclasses": {"even": ["0"]}}}, {"clusters"}),
        ({"dictionary": {"l1": 0.5}}, downstream("codes") & {*OF_EPOCHS}),
        (
            {"probe": {"groups": 9}},
            downstream("v_information", "reference_v_information", "branches", "importance", "sensitivity")
            & {*OF_EPOCHS},
        ),
        (
            {"analyses": {"bootstrap": 500}},
            {
                "sensitivity",
                "support",
                "sedimentation",
                "layer_information",
                "correlations",
                "meta_features",
                "figures",
                "report",
                "explorer",
            },
        ),
        ({"analyses": {"top_shares": [0.5]}}, {"sedimentation", "figures", "report", "explorer"}),
    ],
)
def test_a_field_makes_stale_what_uses_it_and_what_follows(anatomy: Anatomy, parts: dict, stale: set[str]):
    study = load_study("mnist")
    before, after = all_of(study, anatomy), all_of(changed(study, **parts), anatomy)
    differs = {key for key in before if before[key] != after[key]}
    assert {asset for asset, _, _ in differs} == stale
    assert all(key in differs for key in before if key[0] in stale)  # in every epoch and layer


def test_the_reference_epoch_moves_only_what_is_measured_against_it(anatomy: Anatomy):
    study = load_study("mnist")
    before, after = all_of(study, anatomy), all_of(changed(study, probe={"reference_epoch": 1}), anatomy)
    assert {key[0] for key in before if before[key] != after[key]} == {
        "reference_v_information",
        "decode_time",
        "correlations",
        "concept_paths",
        "figures",
        "report",
        "explorer",
    }


def test_a_replaced_checkpoint_touches_its_epoch_and_what_is_measured_against_it(anatomy: Anatomy):
    study = load_study("mnist")
    before = all_of(study, anatomy)
    after = all_of(study, anatomy, {**DIGESTS, 1: "other"})
    assert {key[1] for key in before if before[key] != after[key]} == {1}
    after = all_of(study, anatomy, {**DIGESTS, 12: "other"})
    others = {key for key in before if before[key] != after[key] and key[1] != 12}
    assert {key[0] for key in others} == {"reference_v_information"}  # the reference epoch's codes are new


def test_a_further_checkpoint_touches_nothing(anatomy: Anatomy):
    study = load_study("mnist")
    before = all_of(study, anatomy)
    assert all_of(study, anatomy, {**DIGESTS, 13: "d"}).items() >= before.items()


def test_every_partition_has_its_own_fingerprint(anatomy: Anatomy):
    prints = all_of(load_study("mnist"), anatomy, {0: "same", 1: "same", 12: "same"})
    own = [digest for (asset, _, _), digest in prints.items() if asset not in ONCE]
    assert len(set(own)) == len(own)


@pytest.mark.parametrize("asset", ASSETS)
def test_another_code_version_is_another_fingerprint(monkeypatch: pytest.MonkeyPatch, asset: str):
    before = combine(asset, "x")
    monkeypatch.setitem(fingerprints.CODE_VERSIONS, asset, 99)
    assert combine(asset, "x") != before


def test_every_asset_has_a_code_version():
    assert CODE_VERSIONS.keys() == {*ASSETS}


def test_an_epoch_without_a_checkpoint_has_none(anatomy: Anatomy):
    with pytest.raises(KeyError):
        Fingerprints(load_study("mnist"), anatomy, DIGESTS).of("codes", 7)
    with pytest.raises(ValueError, match="wanted an asset made once an epoch, got 'report'"):
        Fingerprints(load_study("mnist"), anatomy, DIGESTS).of("report", 1)
