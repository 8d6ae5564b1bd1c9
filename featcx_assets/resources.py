"""Resources: where studies lie and on what device to compute. Neither changes a result."""

import os
from pathlib import Path

import dagster as dg

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

    def store(self, study: str) -> Store:
        """The artefacts of a study; a packaged one is registered on first use."""
        if study in packaged_studies() and not (home() / study / "study.toml").exists():
            from featcx_core.artefacts.register import register

            text = packaged_studies()[study].read_text(encoding="utf-8")
            return register(load_study(study), home=home(), text=text)
        return open_store(home(), study)
