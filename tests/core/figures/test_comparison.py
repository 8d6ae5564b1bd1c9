from featcx_core.figures.canvas import png
from featcx_core.figures.comparison import comparison_figures, differences
from featcx_core.measures.comparison import compare
from tests.core.figures.drawn import is_png, texts
from tests.core.measures.test_comparison import FIELDS, grid, measured


def test_every_figure_is_a_question_and_shows_every_value():
    settings = grid()
    values = measured(settings)
    figures = comparison_figures(values, compare(values, settings), settings)
    assert list(figures) == [
        "differences",
        *(f"{kind}_by_{field}" for field in FIELDS for kind in ("at_the_end", "over_epochs")),
    ]
    for name, figure in figures.items():
        assert is_png(png(figure)), name
        assert figure.get_suptitle().endswith("?"), name
    for field, values_of_field in FIELDS.items():
        for kind in ("at_the_end", "over_epochs"):
            written = set(texts(figures[f"{kind}_by_{field}"]).split("\n"))
            assert written >= {*values_of_field, "held-out accuracy", "mean K, all concepts"}


def test_a_figure_without_data_says_so():
    settings = {"seed": {"a": "0", "b": "1"}}
    values = measured({"schedule": {"a": "x", "b": "x"}})
    nothing = compare(values, settings).head(0)
    figures = comparison_figures(values.head(0), nothing, settings)
    assert all("nothing to show" in texts(figure) for figure in figures.values())
    assert "no two studies differ in one field alone" in texts(differences(nothing))


def test_many_values_have_colours_of_their_own():
    settings = {"seed": {f"s{i}": str(i) for i in range(9)}}
    values = measured({"schedule": dict.fromkeys(settings["seed"], "x")})
    figure = comparison_figures(values, compare(values, settings), settings)["over_epochs_by_seed"]
    (legend,) = figure.legends
    assert len({line.get_color() for line in legend.get_lines()}) == 9
