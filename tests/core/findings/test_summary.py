from featcx_core.findings.summary import concept_rows, control_rows, notes, super_class_rows
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import N_CONCEPTS, REFERENCE, study
from tests.core.findings.synthetic_means import with_means


def test_concept_rows_are_ordered():
    rows = concept_rows(study(), reference_epoch=REFERENCE)
    gammas = [float(row.importance) for row in rows["most important"]]
    assert gammas == sorted(gammas, reverse=True)
    assert rows["simplest"][0].complexity < rows["most complex"][0].complexity
    assert all("nan" not in " ".join(map(str, row)) for listed in rows.values() for row in listed)


def test_control_rows_hold_every_kind_and_the_untrained_network():
    rows = {
        name: (count, complexity) for name, count, complexity, _ in control_rows(study(), reference_epoch=REFERENCE)
    }
    assert set(rows) >= {"concept", "random direction", "unit", "class logit", "shuffled"}
    assert rows["concept before training (epoch 0)"][0] == 97
    assert float(rows["shuffled"][1]) > 0.99


def test_super_classes_go_from_simple_to_complex():
    tables = study()
    rows = super_class_rows(tables, reference_epoch=REFERENCE)
    assert {row.name for row in rows} == {"round", "straight", "none: digit 8, digit 9"}
    assert {row.name: row.n_classes for row in rows} == {"round": 4, "straight": 4, "none: digit 8, digit 9": 2}
    assert sum(row.n for row in rows) == N_CONCEPTS - 3
    means = [float(row.complexity.split()[0]) for row in rows]
    assert means == sorted(means)
    unnamed = with_means(tables._replace(clusters=tables.clusters.assign(super_class="")))
    assert super_class_rows(unnamed, reference_epoch=REFERENCE) == []


def test_notes_say_what_was_not_measured():
    assert all(note.startswith("Not measured") for note in notes(no_rows(), reference_epoch=REFERENCE).values())
    assert not any(note.startswith("Not measured") for note in notes(study(), reference_epoch=REFERENCE).values())
