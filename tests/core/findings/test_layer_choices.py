import pandas as pd

from featcx_core.findings.layer_choices import choice_rows, choices_finding
from tests.core.findings.frames import frame, no_rows


def table(*choices: str) -> pd.DataFrame:
    rows = [
        {
            "epoch": 2, "choice": choice, "n_layers": 9, "effective_layers": 1.4, "n_concepts": 50, "mean_complexity": 0.5,
            "rank_correlation": 1 - 0.1 * i, "rank_correlation_low": 0.6, "rank_correlation_high": 1.0,
            "importance_correlation": -0.6 + 0.2 * i,
        }
        for i, choice in enumerate(choices)
    ]  # fmt: skip
    return frame("layer_choices", rows)


def test_says_how_far_the_order_moves_and_how_to_ask_for_more():
    assert choices_finding(table("all", "without_first"), epoch=2) == (
        "Other choices rank concepts as K does with a Spearman of at least 0.90 (95 %: 0.60 to 1.00) (without the first layer). "
        "K with Γ ranges from −0.60 to −0.40 over all of them. A non-linear reader is measured where `analyses.run` "
        'names "readers".'
    )
    assert choices_finding(table("all", "rbf"), epoch=2).endswith("to −0.40 over all of them.")


def test_without_another_choice_it_says_so():
    assert choices_finding(no_rows().layer_choices, epoch=2) == "Not measured."
    assert choices_finding(table("all"), epoch=3) == "Not measured at epoch 3; measured at 2 (`analyses.epochs`)."


def test_rows_are_in_words():
    first, second = choice_rows(table("all", "rbf"), epoch=2)
    assert (first.name, first.layers, first.order) == (
        "all layers, linear reader (K)",
        "9 (1.4 effective)",
        "1.00 (95 %: 0.60 to 1.00)",
    )
    assert second.name == "all layers, radial reader"
