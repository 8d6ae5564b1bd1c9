"""An engine: it starts the tasks of a plan and says which are waiting and which are running."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from featcx_assets.cluster.record import Jobs
from featcx_core.store.places import Store


class State(NamedTuple):
    """A task that the engine knows of."""

    is_running: bool
    """Whether it runs; it waits otherwise."""
    says: str = ""
    """Where it runs, or why it waits."""


class Engine(Protocol):
    """Starts tasks, looks after them, ends them."""

    @property
    def name(self) -> Literal["slurm", "local"]:
        """As `--on` names it."""

    @property
    def outlives(self) -> bool:
        """Whether tasks go on where the process that submitted them ends."""

    def side_by_side(self, store: Store) -> int:
        """Return how many tasks it runs at a time."""

    def submit(self, store: Store, folder: Path, jobs: Jobs) -> Iterator[list[str]]:
        """Submit all tasks, some at a time; yields their names. Raises StudyError where it refuses."""

    def states(self, jobs: Jobs) -> dict[int, State] | None:
        """Return the tasks that wait or run, by number; None where that cannot be told now."""

    def cancel(self, jobs: Jobs) -> None:
        """End all tasks; what they have committed stays."""
