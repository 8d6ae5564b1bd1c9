import pandas as pd

from featcx_core.findings.inhibitors import inhibitors_finding, signed_contributions, strongest_inhibitors
from tests.core.findings.frames import frame


def contributions(values: list[tuple[float, float]]) -> pd.DataFrame:
    """Return concepts with these absolute and signed importances; K rises by 0.1 from one to the next."""
    gamma = [
        {"epoch": 3, "concept": i, "importance": absolute, "signed_importance": signed}
        for i, (absolute, signed) in enumerate(values)
    ]
    k = [{"epoch": 3, "kind": "concept", "concept": i, "complexity": i / 10} for i in range(len(values))]
    names = [{"epoch": 3, "concept": i, "class_name": f"class{i}"} for i in range(len(values))]
    tables = frame("importance", gamma), frame("complexity", k), frame("concepts", names)
    return signed_contributions(*tables, epoch=3)


def test_inhibitors_by_hand():
    three_concepts = contributions([(1.0, 0.5), (1.0, -0.5), (2.0, 2.0)])
    sentence = inhibitors_finding(three_concepts)
    # negative contributions: 0.25, 0.75 and 0 of 4
    assert sentence.startswith("1 of 3 concepts are inhibitors on the whole (median K 0.10, the others 0.10)")
    assert "25.0 % are negative" in sentence
    title, text = strongest_inhibitors(three_concepts)
    assert title == "strongest inhibitors"
    assert "class1" in text
    assert "class0" not in text
    assert inhibitors_finding(three_concepts.iloc[:0]) == "Not measured."


def test_without_inhibitors_the_most_divided_concepts_are_listed():
    title, text = strongest_inhibitors(contributions([(1.0, 0.5), (0.0, 0.0), (2.0, 2.0)]))
    assert "none below 0" in title
    assert "25 %" in text.split("\n")[1]
