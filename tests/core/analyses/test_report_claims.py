"""Claims that a declaration names, as the report judges them."""

from dataclasses import replace

import pandas as pd

from featcx_core.analyses.direction_paths import DIRECTION_PATHS
from featcx_core.analyses.projection import PROJECTION
from featcx_core.analyses.report.make import _claims
from tests.core.findings.test_projection import rows


def test_a_declaration_without_claims_has_none():
    assert _claims(DIRECTION_PATHS, pd.DataFrame()) == []


def test_claims_are_judged_from_the_rows():
    units = {"random_units": (0.1, 0.3, 1.0), "most_active_units": (0.2, 0.2, 1.0)}
    (claim,) = _claims(PROJECTION, rows(svcca=(0.5, 0.9), **units))
    assert claim.verdict == "holds"


def test_claims_that_fail_say_why():
    (claim,) = _claims(replace(PROJECTION, findings="featcx_core.findings.projection:gone"), pd.DataFrame())
    assert claim.verdict == "not measured"
    assert "featcx_core.findings.projection:gone failed: ValueError: wanted module:function" in claim.finding
    (claim,) = _claims(PROJECTION, pd.DataFrame({"layer": ["x"]}))
    assert "failed: KeyError: 'basis'" in claim.finding
