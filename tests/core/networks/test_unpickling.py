import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from featcx_core.networks.safetensors_files import CheckpointError
from featcx_core.networks.state_dicts import read_state_dict
from tests.core.networks.states import STATE, WANTED, network, saved


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_what_is_more_than_tensors_is_never_unpickled(tmp_path):
    target = tmp_path / "executed"
    path = saved(tmp_path, {"model": STATE, "extra": Trap(target)})
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Trap(target), protocol=2))
    for file in (path, tmp_path / "bare.pt"):
        with pytest.raises(CheckpointError, match=r"holds more than tensors \(\w+\.mkdir\) and is not unpickled"):
            read_state_dict(file, wanted=WANTED)
    with pytest.raises(CheckpointError, match=r"holds more than tensors \(torch\.nn\.modules\.container\.Sequential\)"):
        read_state_dict(saved(tmp_path, network()), wanted=WANTED)
    assert not target.exists()


def test_an_archive_that_unpacks_to_more_than_itself_is_not_opened(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))
        archive.writestr("archive/data/0", bytes(1 << 20))
    with pytest.raises(
        CheckpointError, match=r"bomb\.pt is an archive of \d+ bytes that unpacks to 10\d{5}, .*not opened"
    ):
        read_state_dict(tmp_path / "bomb.pt", wanted=WANTED)


def test_dictionaries_within_one_another_are_looked_at_once(tmp_path):
    held: dict[str, object] = {"weight": torch.zeros(1)}
    for _ in range(60):  # 2^60 ways through them
        held = {"a": held, "b": held}
    with pytest.raises(CheckpointError, match=r"nested\.pt"):
        read_state_dict(saved(tmp_path, held, name="nested.pt"), wanted=WANTED)


def test_a_pickle_of_another_program(tmp_path):
    for protocol in (2, 4):
        (tmp_path / "other.pt").write_bytes(pickle.dumps({"weights": [1.0, 2.0]}, protocol=protocol))
        with pytest.raises(
            CheckpointError, match=r"other\.pt (is a pickle that torch\.save did not write|holds no tensors)"
        ):
            read_state_dict(tmp_path / "other.pt", wanted=WANTED)
    torch.save(STATE, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "old.pt").write_bytes((tmp_path / "old.pt").read_bytes()[:-40])
    with pytest.raises(CheckpointError, match=r"old\.pt is truncated, corrupt"):
        read_state_dict(tmp_path / "old.pt", wanted=WANTED)


def test_a_truncated_file_at_many_lengths(tmp_path):
    content = saved(tmp_path, {"model": STATE}).read_bytes()
    path = tmp_path / "cut.pt"
    for size in (0, 1, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError, match=r"cut\.pt is truncated, corrupt or no file of PyTorch \(.*\); copy"):
            read_state_dict(path, wanted=WANTED)
    with pytest.raises(CheckpointError, match=r"gone\.pt cannot be read: No such file"):
        read_state_dict(tmp_path / "gone.pt", wanted=WANTED)
