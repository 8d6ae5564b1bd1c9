from pathlib import Path

import pytest

from featcx_core.images.data import (
    load_data,
)
from featcx_core.study.fields import Model, Study, StudyError
from featcx_core.study.files import load_study, packaged_studies, study_text, toml_value
from tests.core.images.sources import folder

FORMS = {
    "a table": '[model]  # a\nsource = "net:make"  # b\n\n[model.arguments]  # c\nwide = true\n',
    "dots": 'model.source = "net:make"  # b\nmodel.arguments.wide = true  # c\n',
    "one line": 'model = {source = "net:make", arguments = {wide = true}}  # c\n',
    "only a part of it": '[model.arguments]  # c\nwide = true\n[model]\nsource = "net:make"  # b\n',
}


@pytest.mark.parametrize("form", FORMS)
def test_a_network_beside_the_study_file_is_named_in_the_authors_text(tmp_path: Path, form: str):
    path, text = tmp_path / "s.toml", f'# mine\nname = "a"\n{FORMS[form]}'
    path.write_text(text)
    study = load_study(path)
    assert study.model == Model(source="net:make", arguments={"wide": True}, folder=str(tmp_path))
    kept = study_text(study, text=text)
    assert [kept.count(note) for note in ("# mine", "# a", "# b", "# c")] == [
        text.count(c) for c in ("# mine", "# a", "# b", "# c")
    ]
    assert str(tmp_path) in kept
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "s.toml"
    path.write_text(kept)
    assert load_study(path) == study


def test_lists_that_are_nested_without_end_are_one_line(tmp_path: Path):
    (tmp_path / "s.toml").write_text(f"name = {'[' * 100_000}")
    with pytest.raises(StudyError, match=r"s\.toml: not valid TOML: lists or tables are nested too deeply"):
        load_study(tmp_path / "s.toml")


def test_a_value_is_written_in_one_line():
    assert (
        toml_value({"a b": [1, {"c": 2.5, "d": "é\n"}], "e": (), "f": {}})
        == r'{"a b" = [1, {c = 2.5, d = "é\n"}], e = [], f = {}}'
    )
    assert [toml_value(value) for value in (True, 1e-6, 3.0, [])] == ["true", "1e-06", "3.0", "[]"]
    with pytest.raises(StudyError, match="a study file cannot hold None; wanted text, numbers, true or false"):
        toml_value({"x": [None]})


def test_a_study_comes_back_from_its_text():
    study = Study(name="a", model=Model(arguments={"widths": [1, 2.5], "o": {"né": 'q"\\\n'}}))
    assert study_text(study).startswith('name = "a"\nseed = 0\n\n[data]\n')


TEXT = """# mine
name = "x"
[data]
source = 'folder:pictures'  # drawn by hand
split = {train = 0.4, fit = 0.2, score = 0.2, test = 0.2}
classes = "names.txt"
superclasses = "groups.toml"
[data.transform]
crop = 8
[probe]
groups = 2
"""


def test_relative_paths_of_a_study_file_become_absolute(tmp_path):
    folder(tmp_path / "pictures")
    (tmp_path / "names.txt").write_text("Cat\nDog\n")
    (tmp_path / "groups.toml").write_text('pet = ["Cat", "Dog"]')
    (tmp_path / "x.toml").write_text(TEXT)
    read = load_study(tmp_path / "x.toml")
    assert read.data.source == f"folder:{tmp_path}/pictures"
    assert load_data(read).superclass_of == ("pet", "pet")
    text = study_text(read, text=TEXT)
    assert text.startswith("# mine")
    assert f'source = "folder:{tmp_path}/pictures"  # drawn by hand' in text
    (tmp_path / "y.toml").write_text(study_text(read))
    assert load_study(tmp_path / "y.toml") == read
    for field in ("crop", "crp"):
        (tmp_path / "z.toml").write_text(TEXT.replace("crop = 8", f"{field} = 8"))
        if field == "crp":
            with pytest.raises(StudyError, match=r"unknown key data\.transform\.crp; did you mean crop\?"):
                load_study(tmp_path / "z.toml")


def loaded(tmp_path: Path, text: str) -> Study:
    path = tmp_path / "s.toml"
    path.write_text(text)
    return load_study(path)


def test_the_packaged_study_states_every_default():
    assert load_study("mnist") == Study(name="mnist")
    assert list(packaged_studies()) == ["factors", "mnist", "planted", "shortcut", "twins"]


def test_what_is_not_stated_is_the_default(tmp_path):
    study = loaded(tmp_path, 'name = "a"\n[dictionary]\nl1 = 0.5')
    assert (study.dictionary.l1, study.dictionary.l2, study.seed) == (0.5, 1e-6, 0)


def test_a_relative_path_is_relative_to_the_study_file(tmp_path):
    assert (
        loaded(tmp_path, 'name = "a"\n[data]\nsource = "npz:../d.npz"').data.source
        == f"npz:{tmp_path.parent / 'd.npz'}"
    )
    assert loaded(tmp_path, 'name = "a"\n[data]\nsource = "npz:/d.npz"').data.source == "npz:/d.npz"


def test_no_such_study():
    with pytest.raises(StudyError, match=r"no study 'mnits': wanted a path to a TOML file or one of: factors, mnist"):
        load_study("mnits")
