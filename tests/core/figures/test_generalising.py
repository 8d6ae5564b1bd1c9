import pandas as pd

from featcx_core.figures.generalising import group_figures, separation_figures, sign_figures
from tests.core.findings.signs_of import groups, rows


def test_each_sign_is_a_panel_with_a_dot_for_each_group():
    of = groups()
    (figure,) = group_figures(rows(of), of).values()
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title("left") for axes in shown] == [
        "accuracy gap", "ablation area", "images learned late", "selectivity", "noise spectrum", "complexity",
    ]  # fmt: skip
    values = [line.get_xdata()[0] for line in shown[0].lines]
    assert values == rows(of).query("sign == 'accuracy_gap'")["mean"].tolist()
    assert shown[0].get_xlabel() == "memorises: larger →"
    assert group_figures(rows(of)[:0], of) == group_figures(rows(groups("true")), groups("true")) == {}


def test_the_signs_of_one_study_stand_in_lines():
    signs = pd.DataFrame({"sign": ["complexity", "accuracy_gap", "train_accuracy"], "value": [0.5, 0.1, 1.0]})
    (figure,) = sign_figures(signs.assign(low=0.0, high=1.0)).values()
    assert [label.get_text().partition("\n")[0] for label in figure.axes[0].get_yticklabels()] == [
        "accuracy gap", "complexity",
    ]  # fmt: skip
    assert sign_figures(signs[2:]) == {}


def test_measures_are_drawn_from_the_best_on():
    about = {"field": "labels", "layer": "", "centring": "plain", "auprc_chance": 0.1, "auprc_low": 0.1,
             "auprc_high": 0.9, "violation_rate": 0.2, "violation_rate_low": 0.1, "violation_rate_high": 0.3}  # fmt: skip
    table = pd.DataFrame([{**about, "measure": "cka", "auprc": 0.5}, {**about, "measure": "svcca", "auprc": 0.8}])
    (figure,) = separation_figures(table, "labels").values()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["SVCCA", "CKA"]
    assert separation_figures(table, "seed") == separation_figures(pd.DataFrame(), "labels") == {}
