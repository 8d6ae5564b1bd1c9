"""The short form of `python -m tests.faults`."""

from pathlib import Path

import pytest

from tests.faults.campaign import campaign


def test_nothing_goes_silently_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FEATCX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "200")
    results = list(campaign(tmp_path, seed=4, n=12))
    bad = [result for result in results if result.outcome not in ("healed", "named")]
    assert not bad
    assert len({result.kind for result in results}) > 6
