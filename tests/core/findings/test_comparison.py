import pandas as pd

from featcx_core.findings.comparison import by_value, drawn_fields, measure_label, measures_of
from featcx_core.measures.comparison import compare
from tests.core.measures.test_comparison import grid, measured


def test_measures_have_an_order_and_words():
    measures = ["v_information_penultimate", "mean_complexity_top_10pct", "mean_complexity_all", "test_accuracy"]
    assert measures_of(pd.DataFrame({"measure": measures})) == [
        "test_accuracy",
        "mean_complexity_all",
        "mean_complexity_top_10pct",
        "v_information_penultimate",
    ]
    assert measure_label("something_else") == "something_else"


def test_of_fields_that_part_the_studies_alike_the_first_is_drawn():
    settings = {"seed": {"a": "0", "b": "1", "c": "0"}, "data.source": {"a": "x", "b": "y", "c": "x"}}
    settings["probe.groups"] = {"a": "20", "b": "20", "c": "5"}
    assert drawn_fields(settings) == ["seed", "probe.groups"]


def test_the_table_of_a_field_has_means_then_differences():
    settings = grid()
    table = by_value(compare(measured(settings), settings), settings, field="schedule")
    assert table.header == ["measure", "one_cycle (n = 6)", "constant (n = 6)", "constant − one_cycle (6 pairs)"]
    assert [row[0] for row in table.rows] == ["held-out accuracy", "mean K, all concepts"]
    assert table.rows[0][3].startswith("0.3")
    assert table.has_pairs
