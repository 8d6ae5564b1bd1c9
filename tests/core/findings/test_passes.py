import pandas as pd

from featcx_core.findings.passes import in_words, training_progress


def checkpoints(passes):
    return pd.DataFrame({"epoch": range(len(passes)), "passes": passes})


def test_places_are_passes_where_all_are_known():
    progress = training_progress(checkpoints([0.0, 0.25, 1.0, 2.0]))
    assert progress.of(pd.Series([3, 1, 7])).tolist() == [2.0, 0.25, 7.0]
    assert progress.is_fine
    assert progress.unit == "passes"
    assert in_words(progress, 3) == " (after 2 passes over the data)"


def test_places_are_numbers_where_passes_are_not_known_or_do_not_rise():
    for passes in ([None, None, None], [0.0, None, 2.0], [2.0, 1.0, 0.0], [0.5, 0.5, 0.5], [0.0, 1.0, 2.0]):
        progress = training_progress(checkpoints(passes))
        assert progress.places == {0: 0.0, 1: 1.0, 2: 2.0}
        assert (progress.label, progress.unit, progress.is_fine) == ("epoch", "epoch", False)
        assert in_words(progress, 2) == ""
    assert training_progress(checkpoints([])).places == {}


def test_missing_epochs_stay_missing():
    progress = training_progress(checkpoints([0.0, 0.5, 1.0]))
    assert progress.of(pd.Series([1, None], dtype="Int64")).isna().tolist() == [False, True]
