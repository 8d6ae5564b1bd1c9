"""Resources: where studies lie and on what device to compute. Neither changes a result."""

import os
from pathlib import Path

import dagster as dg
from pydantic import Field

from featcx_core.store.places import Store, open_store
from featcx_core.study.files import load_study, packaged_studies


def home() -> Path:
    """The folder of all studies: `FEATCX_HOME`, by default `.featcx` in the current folder."""
    return Path(os.environ.get("FEATCX_HOME", ".featcx")).resolve()


class Workbench(dg.ConfigurableResource[None]):
    """Run-time settings of every asset."""

    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    batch_size: int = 256
    """Images at a time in forward passes."""
    told: dict[str, str] = Field(default_factory=dict)
    """Where tasks of a cluster have made it, and the run only tells: the task, by epoch; `all`: of all epochs."""
    failed: dict[str, str] = Field(default_factory=dict)
    """Why tasks of a cluster could not make something, by artefact and epoch (`codes 3`, `report`)."""

    def store(self, study: str) -> Store:
        """The artefacts of a study; a packaged one is registered on first use."""
        if study in packaged_studies() and not (home() / study / "study.toml").exists():
            from featcx_core.artefacts.register import register

            text = packaged_studies()[study].read_text(encoding="utf-8")
            return register(load_study(study), home=home(), text=text)
        return open_store(home(), study)
