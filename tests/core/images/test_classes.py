import pytest

from featcx_core.images.data import (
    load_data,
)
from featcx_core.images.outputs import class_outputs, refuse_other_outputs
from featcx_core.study.fields import Model, StudyError
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


def test_a_class_is_the_output_that_the_study_says():
    names = ("cat", "dog")
    assert class_outputs(Model(), names) == ((0,), (1,))
    assert class_outputs(Model(outputs={"dog": 3, "cat": 9}), names) == ((9,), (3,))
    assert class_outputs(Model(outputs="none"), names) == ()
    for message, outputs in {
        "no class 'dgo'; did you mean dog": {"cat": 1, "dgo": 2},
        r"wanted the output of every class, got none of 'dog' \(1 of 2 classes have theirs\)": {"cat": 1},
        "dog = 5, but the network has 5 outputs, 0 to 4": {"cat": 1, "dog": 5},
    }.items():
        with pytest.raises(StudyError, match=message):
            refuse_other_outputs(Model(outputs=outputs), names, n_outputs=5)
    refuse_other_outputs(Model(outputs="none"), names, n_outputs=5)
    with pytest.raises(StudyError, match=r"wanted 2 outputs, one a class of the data, got 5; .* model\.outputs"):
        refuse_other_outputs(Model(), names, n_outputs=5)
