"""One run of Dagster in this process: a range of partitions of some assets, and why some of it failed."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import dagster as dg

from featcx_assets.assets import DEFECTS, FAILURES
from featcx_assets.automation import run_tags
from featcx_assets.dagster_home import PROCESS
from featcx_assets.dagster_private import was_interrupted
from featcx_assets.partitions import asset_key
from featcx_assets.stages import Work
from featcx_core.store.places import Store

_OF_INPUT = ("ValueError", "StudyError", "CheckpointError", "Altered", "Unreadable", "Damaged", "OSError", "FullDisk")


class Failure(NamedTuple):
    """Why something could not be made."""

    epoch: int
    """Its epoch; -1 where it has none."""
    reason: str
    """One line."""
    is_input: bool
    """Whether the input was at fault, not the program."""


def run_work(
    job: dg.JobDefinition,
    dagster: dg.DagsterInstance,
    store: Store,
    todo: Work,
    device: str,
    *,
    about: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> list[Failure]:
    """Run one range of a stage; gives what failed. Raises KeyboardInterrupt where the user ended it.

    `about`: further settings of the workbench, `tags`: further tags of the run.
    """
    keys = [asset_key(store.study.name, artefact.name) for artefact in todo.artefacts]
    every = run_tags(dagster, store, todo) | {**(tags or {})}
    return execute(job, dagster, keys, tags=every, device=device, what=todo.stage.name, about=about)


def execute(
    job: dg.JobDefinition,
    dagster: dg.DagsterInstance,
    keys: Sequence[dg.AssetKey],
    *,
    tags: Mapping[str, str],
    device: str,
    what: str,
    about: Mapping[str, Any] | None = None,
) -> list[Failure]:
    """Run assets in this process; gives what failed. Raises KeyboardInterrupt where the user ended it."""
    result = job.execute_in_process(
        instance=dagster,
        asset_selection=keys,
        tags={**tags, PROCESS: str(os.getpid())},
        run_config={
            "resources": {"workbench": {"config": {"device": device, **(about or {})}}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )
    steps = result.filter_events(lambda event: event.is_step_failure)
    if any(was_interrupted(event) for event in steps):
        raise KeyboardInterrupt  # which Dagster takes for a failure
    failures = [failure for event in steps for failure in _failures(event)]
    if not failures and not result.success:
        failures = [Failure(-1, f"{what}: run {result.run_id} failed; `featcx ui` shows why", is_input=False)]
    return failures


def _failures(event: dg.DagsterEvent) -> Iterator[Failure]:
    data = event.step_failure_data
    stated = data.user_failure_data
    if stated and FAILURES in stated.metadata:
        defects = cast(list[int], stated.metadata[DEFECTS].value)
        for epoch, reason in cast(dict[str, str], stated.metadata[FAILURES].value).items():
            yield Failure(int(epoch), reason, is_input=int(epoch) not in defects)
        return
    error = (data.error.cause or data.error) if data.error else None
    is_input = error is not None and error.cls_name in _OF_INPUT
    reason = str(event)
    if error:
        reason = error.message.strip().partition(": ")[2] if is_input else _where(event, error.message, error.stack)
    yield Failure(-1, stated.description or reason if stated else reason.strip(), is_input=bool(stated) or is_input)


def _where(event: dg.DagsterEvent, message: str, stack: Sequence[str]) -> str:
    """Tell an error that nobody foresaw: the asset, the error and the line that raised it."""
    raised = stack[-1].strip().splitlines()[0] if stack else "no traceback"
    return f"{event.step_key}: {message.strip()} ({raised})"
