"""The section of a study file that says how its jobs are asked for on a cluster; it decides no number."""

from typing import Annotated, Literal

from pydantic import Field

from featcx_core.study.part import Part


class ClusterSettings(Part):
    """Resources of the jobs of `featcx run --on slurm`. No result depends on it, and nothing becomes stale by it."""

    tasks: Annotated[int, Field(ge=1)] = 8
    """Tasks at a time, at most."""
    epochs_per_task: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Epochs that a task makes, one after another. `auto`: as many as keep the start of the process below 5 % of the
    task, as measured in the study's last run; before the first, all epochs are dealt to `tasks` tasks."""
    hours: Annotated[float, Field(gt=0)] = 4.0
    """Time limit of a task. A task that reaches it is put back into the queue and goes on where it was."""
    partition: str = ""
    """Slurm's partition; empty: the cluster's default."""
    account: str = ""
    """Account to charge; empty: yours by default."""
    gpus: Annotated[int, Field(ge=0)] = 0
    """GPUs of a task; a task uses one."""
    cpus: Annotated[int, Field(ge=1)] = 4
    """Cores of a task."""
    memory_gb: Annotated[float, Field(gt=0)] = 16.0
    """Memory of a task."""
    setup: tuple[str, ...] = ()
    """Lines of shell before a task, such as `module load cuda`."""
    sbatch: dict[str, str | int | bool] = Field(default_factory=dict)
    """Further options of `sbatch`, by their long names: `{qos = "long", constraint = "a100"}`."""
