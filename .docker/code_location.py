"""Start the code location of docker-compose.yml.

Runs are its processes, so those that were under way when its container ended have ended with it. Dagster's launcher
cannot tell, and a run that seems to go on would keep all others waiting in the queue: they are marked as failed first.
"""

import os

import dagster as dg

UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]

with dg.DagsterInstance.get() as instance:
    for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)):
        instance.report_run_failed(run, "the code location ended while the run was under way; start the run again")

os.execvp("dagster", ["dagster", "code-server", "start", "--module-name", "featcx_assets.definitions"])
