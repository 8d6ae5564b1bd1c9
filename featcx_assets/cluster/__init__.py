"""Several processes make one study: tasks of a Slurm cluster, or workers on this machine.

`plan` cuts what is stale into tasks, each with its own epochs, so that no two write the same partition and no lock
between nodes is needed. `record` is what all of them read and write beside the study, one file a task. `task` is what
a process does: it makes and commits, and touches neither Dagster's databases nor the views before the last task.
`slurm` and `local` start tasks. `following` waits for them and says how far they are, `telling` tells the web UI.
"""
