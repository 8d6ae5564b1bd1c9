"""Code that a study file may run."""

from pathlib import Path
from typing import Any

import pytest

from featcx_core.networks.allowed import allow, allowed_path
from featcx_core.networks.sources import factory_of
from featcx_core.study.fields import Model, StudyError

NETWORK = """
import os
from pathlib import Path
from torch import nn

Path(__file__).with_name("ran").touch()

class Net(nn.Sequential):
    pass

class Other:
    pass

def make(n_classes=3):
    return nn.Sequential(nn.Flatten(), nn.Linear(4, n_classes))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a network, for a user who has allowed nothing yet."""
    monkeypatch.delenv("FEATCX_ALLOW_CODE")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.syspath_prepend(str(tmp_path / "nothing"))
    folder = tmp_path / "beside"
    folder.mkdir()
    (folder / f"net_{tmp_path.name}.py").write_text(NETWORK)
    return folder


def made(source: str, folder: Path | str = "") -> Any:
    return factory_of(Model(source=source, folder=str(folder)), n_classes=3, image_shape=(3, 8, 8)).make


def test_code_beside_a_study_file_runs_once_its_folder_is_allowed(folder: Path):
    (module,) = (path.stem for path in folder.glob("*.py"))
    with pytest.raises(
        StudyError, match=rf"{module}:make is code in .*beside, which runs once you allow it: featcx allow"
    ):
        made(f"{module}:make", folder)
    assert not (folder / "ran").exists()
    allow(folder)
    allow(folder)
    assert allowed_path().read_text() == f"{folder}\n"
    assert made(f"{module}:make", folder)(n_classes=2)[1].out_features == 2
    assert (folder / "ran").exists()
    assert made(f"{module}:Net", folder).__name__ == "Net"
    for name in ("os.system", "Path", "Other", "os.path.join"):
        with pytest.raises(StudyError, match=r"wanted a torch\.nn\.Module class"):
            made(f"{module}:{name}", folder)


@pytest.mark.parametrize("source", ["os:system", "subprocess:run", "builtins:eval", "shutil:rmtree", "pickle:loads"])
def test_nothing_of_the_standard_library_is_a_network(source: str):
    with pytest.raises(StudyError, match=r"is of Python's standard library; wanted a torch\.nn\.Module class"):
        made(source)


@pytest.mark.parametrize("source", ["torch:load", "torch.hub:load", "numpy:load", "pandas:read_pickle", "joblib:load",
                                    "featcx_core.store.files:write_bytes"])  # fmt: skip
def test_nor_are_functions_that_build_none(source: str):
    with pytest.raises(StudyError, match=r"is no factory of networks; wanted a torch\.nn\.Module class, or a function"):
        made(source)


def test_classes_and_factories_of_packages_are():
    assert made("torchvision.models:resnet18").__name__ == "resnet18"
    assert made("torch.nn:Identity").__name__ == "Identity"


def test_what_is_allowed_is_a_folder(tmp_path: Path):
    with pytest.raises(StudyError, match="wanted a folder, got"):
        allow(tmp_path / "none")
