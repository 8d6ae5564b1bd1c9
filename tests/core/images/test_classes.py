import pytest

from featcx_core.images.data import (
    load_data,
)
from featcx_core.study.fields import StudyError
from tests.core.images.sources import folder, of_folder


def test_class_names_from_a_file(tmp_path):
    folder(tmp_path / "d", classes=("n01", "n02"))
    names = tmp_path / "names.txt"
    names.write_text("tench\ngreat white shark\n\n")
    assert load_data(of_folder(tmp_path / "d", classes=str(names))).class_names == ("tench", "great white shark")
    names.write_text("n02 great white shark\nn01 tench, Tinca tinca\nn03 more\n")
    data = load_data(of_folder(tmp_path / "d", classes=str(names)))
    assert data.class_names == ("tench, Tinca tinca", "great white shark")
    names.write_text("a\nb\nc\n")
    with pytest.raises(StudyError, match=r"names\.txt: wanted 2 names, one a class, got 3 lines"):
        load_data(of_folder(tmp_path / "d", classes=str(names)))
    with pytest.raises(StudyError, match=r"data\.classes: cannot read .*lost\.txt"):
        load_data(of_folder(tmp_path / "d", classes=str(tmp_path / "lost.txt")))


def test_superclasses_from_the_study_or_a_file(tmp_path):
    folder(tmp_path / "d", classes=("car", "cat", "dog"))
    groups = {"animal": ["cat", "dog"]}
    assert load_data(of_folder(tmp_path / "d", superclasses=groups)).superclass_of == ("", "animal", "animal")
    file = tmp_path / "groups.toml"
    file.write_text('animal = ["cat", "dog"]\nthing = ["car"]')
    data = load_data(of_folder(tmp_path / "d", superclasses=str(file)))
    assert data.superclass_of == ("thing", "animal", "animal")
    for text, message in {
        'animal = ["cta"]': r"animal: no class 'cta'; did you mean cat",
        'a = ["cat"]\nb = ["cat"]': r"class 'cat' is in a and in b; keep one",
        "a = 3": r"wanted lines NAME = .* got a = 3",
        "a = [": "not valid TOML",
    }.items():
        file.write_text(text)
        with pytest.raises(StudyError, match=message):
            load_data(of_folder(tmp_path / "d", superclasses=str(file)))
