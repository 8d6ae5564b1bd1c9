from pathlib import Path

import pytest

from featcx_core.study.fields import Model, Study, StudyError
from featcx_core.study.files import load_study, study_text, toml_value

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
