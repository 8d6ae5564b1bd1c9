"""What a change of the study, of a checkpoint or of the code makes stale, and what it leaves alone."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from featcx_core.artefacts import snapshot as module
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.declaration import Artefact
from featcx_core.artefacts.fingerprints import combine
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.survey import Survey
from featcx_core.networks.anatomy import Anatomy, anatomy_text, read_anatomy
from featcx_core.store.places import Store
from featcx_core.study.fields import Study
from featcx_core.study.files import load_study, packaged_studies

DIGESTS = {0: "a", 1: "b", 12: "c"}
ONCE = {artefact.name for artefact in catalogue().shown if not artefact.has_epochs}
OF_EPOCHS = {artefact.name for artefact in catalogue().shown if artefact.has_epochs}
Prints = dict[Partition, str]
Look = Callable[..., Snapshot]


def downstream(*names: str) -> set[str]:
    """The artefacts and everything that is made from them."""
    found = set(names)
    for artefact in catalogue():
        if found & {need.artefact.name for need in catalogue().needs(artefact) if need.uses != "order"}:
            found.add(artefact.name)
    return found & {*catalogue().names}


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return read_anatomy(packaged_studies()["mnist"].with_suffix(".layers.json"))


@pytest.fixture
def look(anatomy: Anatomy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Gives the snapshot of a study with such checkpoints, of which nothing is made."""

    def taken(study: Study, digests: dict[int, str] = DIGESTS) -> Snapshot:
        store = Store(tmp_path, study)
        store.root.mkdir(exist_ok=True)
        store.layers_path.write_text(anatomy_text(anatomy))
        monkeypatch.setattr(module, "survey", lambda store, **_: Survey(digests, {}, frozenset(), frozenset(), {}))
        return Snapshot(store, also=["visualisation"])

    return taken


def all_of(snapshot: Snapshot) -> Prints:
    """The fingerprint of every partition; of what is made once of a study, the digest of its fields."""
    prints = {}
    for artefact in catalogue().shown:
        for place in snapshot.partitions(artefact):
            parts = (snapshot.fingerprint(place),) if artefact.has_epochs else snapshot._fixed_parts(artefact, place)
            prints[place] = " ".join(parts)
    return prints


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
        ({"dictionary": {"l1": 0.5}}, downstream("codes", "learning_curve") & {*OF_EPOCHS}),
        (
            {"probe": {"groups": 9}},
            downstream("codes", "similarity", "similarity_to_end") & {*OF_EPOCHS} | {"projection", "spectra"},
        ),
        ({"similarity": {"permutations": 9}}, {"similarity", "similarity_to_end"}),
        ({"similarity": {"kept": [3]}}, {"projection"}),
        (
            {"analyses": {"bootstrap": 500}},
            {
                "sensitivity",
                "layer_choices",
                "sedimentation",
                "layer_information",
                "decode_time",
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
def test_a_field_makes_stale_what_uses_it_and_what_follows(look: Look, parts: dict, stale: set[str]):
    study = load_study("mnist")
    before, after = all_of(look(study)), all_of(look(changed(study, **parts)))
    differs = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    assert {place.artefact for place in differs} == stale
    assert all(key in differs for key in before if key[0] in stale)  # in every epoch and layer


def test_the_reference_epoch_moves_only_what_is_measured_against_it(look: Look):
    study = load_study("mnist")
    before, after = all_of(look(study)), all_of(look(changed(study, probe={"reference_epoch": 1})))
    assert {key[0] for key in before.keys() & after.keys() if before[key] != after[key]} == {
        "reference_v_information",
        "layer_choices",
        "similarity_to_end",
        "direction_paths",
        "projection",
        "decode_time",
        "correlations",
        "concept_paths",
        "generalising",
        "figures",
        "report",
        "explorer",
    }


def test_a_replaced_checkpoint_touches_its_epoch_and_what_is_measured_against_it(look: Look):
    study = load_study("mnist")
    before = all_of(look(study))
    after = all_of(look(study, {**DIGESTS, 1: "other"}))
    assert {key[1] for key in before.keys() & after.keys() if before[key] != after[key]} == {1}
    after = all_of(look(study, {**DIGESTS, 12: "other"}))
    others = {key for key in before if before[key] != after[key] and key[1] != 12}
    # the reference epoch's codes and activations are new
    assert {key[0] for key in others} == {"reference_v_information", "similarity_to_end"}


def test_a_further_checkpoint_touches_nothing(look: Look):
    study = load_study("mnist")
    before = all_of(look(study))
    assert all_of(look(study, {**DIGESTS, 13: "d"})).items() >= before.items()


def test_every_partition_has_its_own_fingerprint(look: Look):
    prints = all_of(look(load_study("mnist"), {0: "same", 1: "same", 12: "same"}))
    own = [digest for (asset, _, _), digest in prints.items() if asset not in ONCE]
    assert len(set(own)) == len(own)


@pytest.mark.parametrize("artefact", list(catalogue()), ids=lambda artefact: artefact.name)
def test_another_version_is_another_fingerprint(artefact: Artefact):
    place = Partition(artefact.name, 1)
    assert combine(artefact, "x", partition=place) != combine(replace(artefact, version=99), "x", partition=place)


def test_an_epoch_without_a_checkpoint_has_none(look: Look):
    with pytest.raises(KeyError):
        look(load_study("mnist")).fingerprint(Partition("codes", 7))
