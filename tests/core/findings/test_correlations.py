from featcx_core.findings.correlations import CONTROLS, correlation, raw_and_partial
from tests.core.findings.synthetic import REFERENCE, study


def test_correlation_finds_its_row_or_nothing():
    correlations = study().correlations
    raw = correlation(correlations, epoch=REFERENCE, y="importance")
    partial = correlation(correlations, epoch=REFERENCE, y="importance", controls=CONTROLS)
    assert raw.value < partial.value < 0
    both = raw_and_partial(correlations, epoch=REFERENCE, y="importance")
    assert [estimate[:4] for estimate in both] == [raw[:4], partial[:4]]
    assert correlation(correlations, epoch=77, y="importance").n == 0
