import json

import pandas as pd

from featcx_core.findings.headlines import headlines
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic import REFERENCE, study


def test_headlines_hold_the_studys_numbers():
    tables = study()
    by_name = {headline.name: headline for headline in headlines(tables, reference_epoch=REFERENCE)}
    k = tables.complexity.query("epoch == @REFERENCE and kind == 'concept'")["complexity"]
    assert by_name["concepts"].value == "100, 97 alive"
    assert by_name["predictions kept"].value == "99.4 %"
    assert by_name["mean complexity K"].value.startswith(f"{k.mean():.2f} (95 % over concepts: ")
    without = headlines(tables._replace(sedimentation=tables.sedimentation.iloc[:0]), reference_epoch=REFERENCE)
    assert {headline.name: headline.value for headline in without}["mean complexity K"] == f"{k.mean():.2f}"
    assert float(by_name["V-information of shuffled codes"].value) < 0.01
    group = by_name["mean K, most important concepts"]
    assert f"{group.numbers['last_n']} concepts" in group.meaning
    between = by_name["K and Γ (importance)"].numbers
    assert between["low"] <= between["value"] <= between["high"]
    assert "with class information held fixed: " in by_name["K and Γ (importance)"].meaning
    assert between["partial_class_information"] is None  # the made-up study has none


def test_class_information_is_held_fixed_in_the_headline():
    tables = study()
    rows = tables.correlations.query("y == 'importance' and controls != ''").assign(
        controls="class_information", value=-0.03, low=-0.2, high=0.15
    )
    with_class = tables._replace(correlations=pd.concat([tables.correlations, rows], ignore_index=True))
    (headline,) = (
        each for each in headlines(with_class, reference_epoch=REFERENCE) if each.name == "K and Γ (importance)"
    )
    assert headline.meaning.endswith("with class information held fixed: −0.03 (95 % over concepts: −0.20 to 0.15)")
    assert headline.numbers["partial_class_information_high"] == 0.15


def test_headlines_without_rows_are_the_same_and_valid_json():
    empty = headlines(no_rows(), reference_epoch=REFERENCE)
    assert len(empty) == len(headlines(study(), reference_epoch=REFERENCE))
    json.dumps([headline.numbers for headline in empty], allow_nan=False)
