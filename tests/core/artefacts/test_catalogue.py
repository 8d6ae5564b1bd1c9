"""Tests of the catalogue of declarations."""

from dataclasses import replace

import pytest

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.artefacts import catalogue as module
from featcx_core.artefacts.catalogue import Catalogue, artefact_called, catalogue
from featcx_core.artefacts.declaration import Need, Rows, resolve
from featcx_core.study.fields import Study, StudyError


def test_inputs_stand_before_what_is_made_from_them():
    names = [artefact.name for artefact in catalogue()]
    for artefact in catalogue():
        for need in catalogue().needs(artefact):
            assert names.index(need.artefact.name) < names.index(artefact.name), (need.artefact.name, artefact.name)


def test_every_function_that_a_declaration_names_is_there():
    for artefact in catalogue():
        functions = [artefact.make, artefact.preview, artefact.figures, artefact.refuse]
        for path in filter(None, [*functions, *(check.function for check in artefact.checks)]):
            assert callable(resolve(path)), path


def test_an_unknown_name_has_the_nearest():
    with pytest.raises(ValueError, match="no artefact 'complexities'; did you mean complexity"):
        artefact_called("complexities")


def test_an_analysis_needs_those_that_it_is_made_from():
    study = Study(name="any", analyses={"run": ("default",)})
    assert {"complexity", "correlations"} <= {artefact.name for artefact in catalogue().wanted(study)}
    assert "visualisation" not in {artefact.name for artefact in catalogue().wanted(study)}


def test_a_circle_is_named():
    first = replace(CODES, name="first", needs=(), holds=())
    second = replace(CODES, name="second", needs=(Need(first),), holds=())
    object.__setattr__(first, "needs", (Need(second),))
    with pytest.raises(ValueError, match="is made from itself"):
        Catalogue([first, second], broken=[])


@pytest.mark.parametrize("what", ["name", "table"])
def test_what_is_declared_twice_is_refused(what: str, monkeypatch: pytest.MonkeyPatch):
    table = CODES.tables[0]._replace(row="Another.")
    other = {"name": replace(COMPLEXITY, holds=()), "table": replace(CODES, name="other", holds=(Rows(table),))}[what]
    own = [*module._own(), other]
    monkeypatch.setattr(module, "_own", lambda: own)
    with pytest.raises(ValueError, match=r"two artefacts are called|is declared already"):
        module.catalogue.__wrapped__()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"grain": "layers"}, "grain: wanted one of: once, epoch, layer, group; got 'layers'"),
        ({"when": "often"}, "when: wanted one of"),
        ({"asked": "perhaps"}, "asked: wanted one of"),
        ({"group": "my measures"}, "group: wanted letters, digits and _"),
        ({"fields": ("dictionary.l3",)}, "no field 'dictionary.l3' of a study"),
    ],
)
def test_a_declaration_that_says_nonsense_is_refused(change: dict[str, object], said: str):
    declaration = replace(CODES)
    for name, value in change.items():  # past the tests' type checks, which users do not have
        object.__setattr__(declaration, name, value)
    with pytest.raises(ValueError, match=said):
        declaration.__post_init__()


def test_an_analysis_that_is_none_is_refused():
    with pytest.raises(StudyError, match="complexities"):
        catalogue().refuse_unknown(Study(name="any", analyses={"run": ("complexities",)}))
