import pytest

from featcx_core.study.fields import Analyses, Probe, Study


def test_every_field_says_what_it_is():
    parts = [
        Study,
        *(field.annotation for field in Study.model_fields.values() if hasattr(field.annotation, "model_fields")),
    ]
    assert len(parts) == 23
    assert all(field.description for part in parts for field in part.model_fields.values())


def test_a_study_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Study(name="a").seed = 3


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


def test_fewer_score_images_than_groups_are_refused():
    with pytest.raises(ValueError, match=r"probe\.groups = 20 needs as many score images, got data\.split\.score = 9"):
        Study(name="x", data={"split": {"score": 9}})
