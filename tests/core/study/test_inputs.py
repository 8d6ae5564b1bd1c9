from featcx_core.study.fields import Data, Transform
from tests.core.images.sources import of_folder


def test_fingerprints_of_studies_without_new_fields_hold_and_names_touch_no_pixels(tmp_path):
    plain = of_folder(tmp_path)
    assert plain.data.digested().keys() == {"source", "split"}
    assert of_folder(tmp_path, transform="auto") == plain
    other = of_folder(tmp_path, classes="c.txt", superclasses={"a": ["b"]}, broken_share=0.5)
    assert other.digest("data", "data.transform") == plain.digest("data")
    moved = of_folder(tmp_path, transform={"crop": 3})
    assert moved.digest("data") != plain.digest("data")
    assert moved.digest("data.source", "data.transform") != plain.digest("data.source", "data.transform")


def test_every_field_of_the_data_says_what_it_is():
    assert all(field.description for part in (Data, Transform) for field in part.model_fields.values())
