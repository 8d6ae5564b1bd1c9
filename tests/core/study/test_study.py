from pathlib import Path

import pytest

from featcx_core.store.places import Store
from featcx_core.study.fields import Analyses, Probe, Study, StudyError
from featcx_core.study.files import load_study, packaged_studies


def loaded(tmp_path: Path, text: str) -> Study:
    path = tmp_path / "s.toml"
    path.write_text(text)
    return load_study(path)


def test_the_packaged_study_states_every_default():
    assert load_study("mnist") == Study(name="mnist")
    assert list(packaged_studies()) == ["factors", "mnist", "planted", "shortcut"]


def test_what_is_not_stated_is_the_default(tmp_path):
    study = loaded(tmp_path, 'name = "a"\n[dictionary]\nl1 = 0.5')
    assert (study.dictionary.l1, study.dictionary.l2, study.seed) == (0.5, 1e-6, 0)


def test_every_field_says_what_it_is():
    parts = [
        Study,
        *(field.annotation for field in Study.model_fields.values() if hasattr(field.annotation, "model_fields")),
    ]
    assert len(parts) == 14
    assert all(field.description for part in parts for field in part.model_fields.values())


def test_a_study_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Study(name="a").seed = 3


def test_a_relative_path_is_relative_to_the_study_file(tmp_path):
    assert (
        loaded(tmp_path, 'name = "a"\n[data]\nsource = "npz:../d.npz"').data.source
        == f"npz:{tmp_path.parent / 'd.npz'}"
    )
    assert loaded(tmp_path, 'name = "a"\n[data]\nsource = "npz:/d.npz"').data.source == "npz:/d.npz"


MISTAKES = {
    'nme = "a"': r"unknown key nme; did you mean name\?",
    'name = "a"\n[dictionary]\natoms = 3': r"unknown key dictionary\.atoms; did you mean atoms_per_class\?",
    'name = "a"\n[probe.penalties]\nzzz = 3': r"unknown key probe\.penalties\.zzz; wanted one of: count, low, high",
    'name = "a b"': r"name: String should match pattern .* got 'a b'",
    'name = "dagster"': r"the name dagster is taken",
    'name = "a"\nseed = -1': r"seed: .*greater than or equal to 0, got -1",
    'name = "a"\n[data.split]\nfit = 0': r"data\.split\.fit.*greater than 0",
    'name = "a"\n[activations]\npooling = "max"': r"activations\.pooling: .*got 'max'",
    'name = "a"\n[training]\nepochs = 3\n[probe]\nreference_epoch = 4': r"reference_epoch = 4 is beyond .* = 3",
    'name = "a"\n[analyses]\nrun = ["sedimentation", "complexity"]': r"sedimentation needs importance in analyses\.run",
    'name = "a"\n[analyses]\nend_shares = []': r"analyses\.end_shares: wanted at least 1 entry, got \[\]$",
    'name = "a"\n[redundancy]\nmasked_fractions = []': r"redundancy\.masked_fractions: wanted at least 1 entry, got \[\]$",
    'name = "a"\n[redundancy]\nmasked_fractions = [1.5]': r"masked_fractions\.0: .*less than 1, got 1\.5$",
    'name = "a"\n[clusters]\ncount = -3': r"clusters\.count: Input should be 'auto' or greater than or equal to 2, got -3$",
    'name = "a"\n[analyses]\nrun = ["visualization"]': r"analyses\.run\.0: .*got 'visualization'; did you mean visualisation\?$",
    'name = "a"\n[sensitivity]\nsigmas = []': r"sensitivity\.sigmas: wanted at least 1 entry, got \[\]$",
    'name = "a': r"not valid TOML",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_one_line_that_names_file_and_place(tmp_path, text):
    with pytest.raises(StudyError, match=MISTAKES[text]) as caught:
        loaded(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/s.toml: ")
    assert "\n" not in str(caught.value)


def test_no_such_study():
    with pytest.raises(StudyError, match=r"no study 'mnits': wanted a path to a TOML file or one of: factors, mnist"):
        load_study("mnits")


def test_the_reference_epoch_is_the_last_that_training_makes():
    assert Study(name="a").reference_epoch == 12
    assert Study(name="a", probe=Probe(reference_epoch=3)).reference_epoch == 3


def test_digest_depends_on_the_named_fields_only():
    one, two = Study(name="a"), Study(name="b", seed=1, analyses=Analyses(bootstrap=200))
    fields = ("data", "dictionary.l1", "activations.layers")
    assert one.digest(*fields) == two.digest(*fields)
    assert one.digest("seed") != two.digest("seed")
    assert one.digest("seed") != one.digest("dictionary.l2")
    assert one.digest("analyses") != two.digest("analyses")


def test_digest_is_the_same_in_every_process():
    assert Study(name="a").digest("dictionary.l1", "seed") == "98772dc8cd5fdef7"


def test_store_places_are_under_home_and_study(tmp_path):
    store = Store(tmp_path, Study(name="a"))
    assert store.checkpoint(12) == tmp_path / "a" / "checkpoints" / "000012.safetensors"
    assert store.activations(12, "layer3.2") == tmp_path / "a" / "activations" / "000012" / "layer3.2.zarr"


def test_fewer_score_images_than_groups_are_refused():
    with pytest.raises(ValueError, match=r"probe\.groups = 20 needs as many score images, got data\.split\.score = 9"):
        Study(name="x", data={"split": {"score": 9}})
