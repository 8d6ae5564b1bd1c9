"""Start the code location of docker-compose.yml; runs are its processes, so those of its last container have ended."""

import os

import dagster as dg

from featcx_assets.dagster_home import end_interrupted_runs

with dg.DagsterInstance.get() as instance:
    end_interrupted_runs(instance)

os.execvp("dagster", ["dagster", "code-server", "start", "--module-name", "featcx_assets.definitions"])
