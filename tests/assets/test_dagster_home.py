"""Dagster's folder in a home."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from featcx_assets.dagster_home import instance


def test_a_new_home_may_be_opened_by_several_at_once(tmp_path: Path):
    def number_of_runs() -> int:
        with instance(tmp_path) as dagster:
            return dagster.get_runs_count()

    with ThreadPoolExecutor(6) as pool:
        opened = [pool.submit(number_of_runs) for _ in range(6)]
    assert [future.result() for future in opened] == [0] * 6
