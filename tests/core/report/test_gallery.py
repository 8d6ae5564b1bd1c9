import re

import numpy as np
from matplotlib.legend import Legend
from matplotlib.text import Text

from featcx_core.figures.canvas import png
from featcx_core.findings.study_tables import StudyTables
from featcx_core.report.gallery import gallery
from tests.core.figures.drawn import is_drawn, is_png, texts
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import REFERENCE, study
from tests.core.findings.synthetic_properties import study_with_properties


def test_every_figure_of_the_gallery_is_drawn_and_asks_a_question():
    figures = gallery(study_with_properties(), reference_epoch=REFERENCE)
    assert all(is_png(png(figure, dots_per_inch=50)) for figure in figures.values())
    assert all(figure.get_suptitle().rstrip().endswith("?") for figure in figures.values())
    assert "nothing to show" not in "\n".join(texts(figure) for figure in figures.values())


def test_tables_without_rows_give_figures_that_say_why():
    for name, figure in gallery(no_rows(), reference_epoch=REFERENCE).items():
        assert "nothing to show:" in texts(figure), name


def test_epochs_that_the_study_names_are_shown_in_place_of_its_ends():
    tables = study_with_properties()
    detailed = ("branches", "redundancy", "sensitivity", "support", "clusters")
    moved = {name: getattr(tables, name).replace({"epoch": {0: 3, REFERENCE: 6}}) for name in detailed}
    figures = gallery(tables._replace(**moved), reference_epoch=REFERENCE)
    for name in (
        "branches_by_block",
        "redundancy_against_complexity",
        "sensitivity_against_complexity",
        "support_curves",
    ):
        assert set(re.findall(r"^epoch (\d+)", texts(figures[name]), flags=re.MULTILINE)) == {"3", "6"}, name
    assert "Epoch 6" in texts(figures["concept_dendrogram"])


def test_a_single_epoch_is_enough():
    for figure in gallery(study(n_epochs=1), reference_epoch=0).values():
        assert is_drawn(figure)
    tables = study_with_properties()
    last_alone = StudyTables(*(t[t["epoch"] == REFERENCE] if "epoch" in t else t for t in tables))
    for figure in gallery(last_alone, reference_epoch=REFERENCE).values():
        assert is_drawn(figure)


def test_legends_stand_where_no_mark_can_be():
    tables = study_with_properties()
    few = tables.decode_time.assign(first_epoch=np.resize([1, 2, np.nan], len(tables.decode_time)))
    figures = gallery(tables._replace(decode_time=few), reference_epoch=REFERENCE)
    for name in (
        "information_by_layer_and_epoch",
        "complexity_against_decode_time",
        "support_curves",
        "concept_paths",
    ):
        figure = figures[name]
        figure.draw_without_rendering()
        (legend,) = figure.findobj(Legend)
        place = legend.get_window_extent()
        (title,) = figure.findobj(lambda part: isinstance(part, Text) and part.get_fontsize() == 13)
        others = [axes.get_window_extent() for axes in figure.axes if axes.axison]
        assert not any(place.overlaps(other) for other in [*others, title.get_window_extent()]), name
        assert place.x1 < figure.bbox.x1, name
