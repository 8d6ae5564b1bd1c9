"""When checkpoints land: a sensor asks for exactly what depends on them, a schedule refreshes what spans all epochs."""

import hashlib
import json
import time
from typing import Any

import dagster as dg
from filelock import FileLock, Timeout

from featcx_assets.cluster.outstanding import at_work
from featcx_assets.dagster_home import UNDER_WAY, is_of_command
from featcx_assets.partitions import asset_key, inserted_epochs, range_tags, register_epochs
from featcx_assets.resources import home
from featcx_assets.stages import Stage, Work, runs, stages, work
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.damage import aside
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import Study, StudyError

_BEGINS_WITHIN_SECONDS = 900.0


def epoch_stages() -> list[Stage]:
    """Return what the sensor asks for; training is started by people, what spans all epochs by the schedule."""
    return [stage for stage in stages(catalogue()) if stage.has_epochs]


def last_stage() -> Stage:
    """Return what spans all epochs."""
    return stages(catalogue())[-1]


def checkpoint_sensor(study: Study) -> dg.SensorDefinition:
    """Registers checkpoints that landed and asks, stage by stage, for what is stale; no checkpoint, nothing to do."""

    @dg.sensor(
        name=f"{study.name}_checkpoints",
        asset_selection=dg.AssetSelection.assets(
            *(asset_key(study.name, a.name) for a in catalogue().possible(study) if a.has_epochs)
        ),
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Watches the checkpoints of study {study.name}: analyses each new one, epoch by epoch.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            store = open_store(home(), study.name)
            snapshot = Snapshot(store)
        except (StudyError, OSError) as error:
            return dg.SkipReason(str(error))
        asked: dict[str, Any] = json.loads(context.cursor or "{}")
        _say_bad(context, snapshot, asked)
        settled = snapshot.survey.digests.keys() - snapshot.survey.young
        if not settled:
            return dg.SensorResult(skip_reason="no checkpoint yet", cursor=json.dumps(asked))
        if reason := _under_way(context.instance, store):
            return dg.SensorResult(skip_reason=reason, cursor=json.dumps(asked))
        register_epochs(context.instance, study.name, settled)
        for stage in epoch_stages():
            todo = work(snapshot, stage, epochs=settled)
            if todo and not _was_tried(context.instance, store, stage, key=_key(snapshot, todo), asked=asked):
                asked[stage.name] = _key(snapshot, todo)
                parts = runs(snapshot, todo, inserted=inserted_epochs(context.instance, study.name))
                requests = [_request(context.instance, store, part) for part in parts]
                return dg.SensorResult(run_requests=requests, cursor=json.dumps(asked))
        left = f"what spans all epochs is left to the schedule {study.name}_across_epochs"
        return dg.SensorResult(
            skip_reason=left if work(snapshot, last_stage()) else "nothing is stale", cursor=json.dumps(asked)
        )

    return sensor


def refresh_schedule(study: Study) -> dg.ScheduleDefinition:
    """Refreshes curves, figures and report of all epochs when one of their inputs changed."""

    @dg.schedule(
        name=f"{study.name}_across_epochs",
        cron_schedule="*/5 * * * *",
        target=dg.AssetSelection.assets(*(asset_key(study.name, a.name) for a in last_stage().artefacts)),
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Curves, figures and report of study {study.name}: made again when an epoch changed.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        try:
            store = open_store(home(), study.name)
            snapshot = Snapshot(store)
        except (StudyError, OSError) as error:
            return dg.SkipReason(str(error))
        if reason := _under_way(context.instance, store):
            return dg.SkipReason(reason)
        todo = work(snapshot, last_stage())
        return _request(context.instance, store, todo) if todo else dg.SkipReason("nothing is stale")

    return schedule


def is_being_run(store: Store) -> bool:
    """Whether `featcx run`, or jobs that it submitted, are at work on a study."""
    if at_work(store):
        return True
    path = store.lock_path("run")
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def _request(instance: dg.DagsterInstance, store: Store, todo: Work) -> dg.RunRequest:
    return dg.RunRequest(
        asset_selection=[asset_key(store.study.name, artefact.name) for artefact in todo.artefacts],
        tags=run_tags(instance, store, todo),
    )


def run_tags(instance: dg.DagsterInstance, store: Store, todo: Work) -> dict[str, str]:
    """Tags of the run of a stage: its study and, where it has partitions, their range."""
    tags = {"featcx/study": store.study.name, "featcx/stage": todo.stage.name}
    if not todo.stage.has_epochs:
        return tags
    inserted = inserted_epochs(instance, store.study.name)
    return tags | range_tags(todo.partitions, inserted=inserted, anatomy=store.anatomy)


def _under_way(instance: dg.DagsterInstance, store: Store) -> str:
    """Say in words who is at work on a study; empty for nobody."""
    if is_being_run(store):
        return "`featcx run` is at work on this study"
    waiting = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
    unfinished = instance.get_runs(dg.RunsFilter(statuses=[*waiting, *UNDER_WAY]))
    unfinished = [run for run in unfinished if not _never_started(instance, run)]
    alive = [run for run in unfinished if not is_of_command(run)]  # `featcx run` is not at work: its runs were killed
    mine = [run for run in alive if any(key.path[0] == store.study.name for key in run.asset_selection or ())]
    return "a run of this study is under way" if mine else ""


def _never_started(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run was created and nobody began it, as when a daemon is killed in between; it is ended here.

    It would hold up the study, and all others in the queue, for ever.
    """
    record = instance.get_run_record_by_id(run.run_id)
    if record is None or run.status not in (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING):
        return False
    if is_of_command(run) or abs(time.time() - record.update_timestamp.timestamp()) < _BEGINS_WITHIN_SECONDS:
        return False
    instance.report_run_failed(run, "nobody began it; it is asked for again")
    return True


def _was_tried(instance: dg.DagsterInstance, store: Store, stage: Stage, *, key: str, asked: dict[str, Any]) -> bool:
    """Whether this very work was asked for and ended by itself; what was cut off in between is asked for again."""
    if asked.get(stage.name) != key:
        return False
    tags = {"featcx/study": store.study.name, "featcx/stage": stage.name}
    last = instance.get_runs(dg.RunsFilter(tags=tags), limit=1)
    cut_off = last and last[0].status == dg.DagsterRunStatus.FAILURE
    return not cut_off or last[0].tags.get("dagster/failure_reason") == "STEP_FAILURE"


def _key(snapshot: Snapshot, todo: Work) -> str:
    """Names what is to be made and from what: the same work is asked for once, a failure is not tried for ever."""
    prints = sorted(snapshot.fingerprint(p) for p in todo.partitions)
    prints += aside(snapshot.store.root)  # the same once more, where something was found damaged since
    return hashlib.sha256("\n".join(prints).encode()).hexdigest()[:16]


def _say_bad(context: dg.SensorEvaluationContext, snapshot: Snapshot, asked: dict[str, Any]) -> None:
    """Name each broken checkpoint once, not at every tick, and not while it is being written."""
    already_named: list[str] = asked.get("bad", [])
    bad = [reason for epoch, reason in snapshot.survey.bad.items() if epoch not in snapshot.survey.young]
    for reason in bad:
        if reason not in already_named:
            context.log.error("left out: %s", reason)
    asked["bad"] = bad
