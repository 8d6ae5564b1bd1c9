"""The network's tensors out of the files that training programs write."""

import argparse
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from featcx_core.networks.safetensors_files import CheckpointError
from featcx_core.networks.state_dicts import contents, read_state_dict


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 3))


STATE = network().state_dict()
WANTED = {name: tuple(tensor.shape) for name, tensor in STATE.items()}


def prefixed(prefix: str, state=STATE) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def saved(tmp_path: Path, content: object, name: str = "x.pt") -> Path:
    torch.save(content, tmp_path / name)
    return tmp_path / name


SHIFTED = {name: tensor + 1 for name, tensor in STATE.items()}
OPTIMIZER = {
    "state": {0: {"exp_avg": torch.zeros(4, 1, 3, 3), "step": torch.tensor(3.0)}},
    "param_groups": [{"lr": 0.1}],
}
LAYOUTS = {
    "plain": (STATE, "", ""),
    "nested": ({"epoch": 3, "state_dict": STATE, "optimizer": OPTIMIZER}, "state_dict", ""),
    "ddp": ({"model": prefixed("module."), "optimizer": OPTIMIZER}, "model", "module."),
    "compiled": ({"net": prefixed("_orig_mod.")}, "net", ""),
    "compiled within": ({name.replace("3.", "3._orig_mod."): held for name, held in STATE.items()}, "", ""),
    "compiled ddp": (prefixed("module._orig_mod."), "", "module."),
    "lightning": ({"state_dict": {**prefixed("model."), "loss.weight": torch.ones(2)}}, "state_dict", "model."),
    "averaged": ({"n_averaged": torch.tensor(3), **prefixed("module.")}, "", "module."),
    "deep": ({"ema": {"module": STATE}, "step": 7}, "ema.module", ""),
    "with settings": ({"args": argparse.Namespace(lr=0.1), "best": np.float64(0.7), "model": STATE}, "model", ""),
    "parameters": (
        {name: nn.Parameter(held) if held.is_floating_point() else held for name, held in STATE.items()},
        "",
        "",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_found_wherever_programs_put_them(tmp_path, layout):
    content, key, prefix = LAYOUTS[layout]
    path = saved(tmp_path, content)
    tensors, match = read_state_dict(path, wanted=WANTED)
    assert (match.key, match.prefix) == (key, prefix)
    assert tensors.keys() == STATE.keys()
    assert all(torch.equal(tensors[name], STATE[name]) for name in STATE)
    network().load_state_dict(tensors)


@pytest.mark.parametrize("legacy", [False, True])
def test_the_digest_is_of_the_tensors_whatever_the_file(tmp_path, legacy):
    plain = tmp_path / "a.safetensors"
    save_file(STATE, plain)
    save_file(prefixed("module."), tmp_path / "b.safetensors")
    torch.save({"model": prefixed("module.")}, tmp_path / "c.pth", _use_new_zipfile_serialization=not legacy)
    torch.save(STATE, tmp_path / "channels_last.pt")
    kernel = STATE["0.weight"].contiguous(memory_format=torch.channels_last)
    torch.save({**STATE, "0.weight": kernel}, tmp_path / "d.pt")
    digests = {contents(path, wanted=WANTED)[0] for path in sorted(tmp_path.iterdir())}
    assert len(digests) == 1
    assert contents(saved(tmp_path, SHIFTED), wanted=WANTED)[0] not in digests


def test_an_average_is_taken_where_nothing_else_fits_or_it_is_asked_for(tmp_path):
    both = saved(tmp_path, {"model_ema": prefixed("module.", SHIFTED), "model": STATE})
    tensors, match = read_state_dict(both, wanted=WANTED)
    assert torch.equal(tensors["3.bias"], STATE["3.bias"])
    assert str(match) == "weights of model, not those of model_ema.module, which fit too (checkpoints.weights)"
    tensors, match = read_state_dict(both, wanted=WANTED, key="model_ema")
    assert torch.equal(tensors["3.bias"], SHIFTED["3.bias"])
    assert str(match) == "weights of model_ema, without the prefix module."
    alone = saved(tmp_path, {"model_ema": SHIFTED, "step": 3}, "y.pt")
    assert read_state_dict(alone, wanted=WANTED).match.key == "model_ema"


def test_several_prefixes_in_one_dictionary_are_told_apart(tmp_path):
    path = saved(tmp_path, {"model": prefixed("student.", STATE) | prefixed("teacher.", SHIFTED)})
    tensors, match = read_state_dict(path, wanted=WANTED)
    assert torch.equal(tensors["3.bias"], STATE["3.bias"])
    assert str(match) == (
        "weights of model, without the prefix student., not those of model.teacher, which fit too (checkpoints.weights)"
    )
    tensors, match = read_state_dict(path, wanted=WANTED, key="model.teacher")
    assert torch.equal(tensors["3.bias"], SHIFTED["3.bias"])
    assert str(match) == "weights of model, without the prefix teacher."
    flat = saved(tmp_path, prefixed("teacher.", SHIFTED) | prefixed("student.", STATE), "flat.pt")
    assert torch.equal(read_state_dict(flat, wanted=WANTED, key="student").tensors["3.bias"], STATE["3.bias"])
    assert read_state_dict(flat, wanted=WANTED).match.others == ("student",)  # in the order of the file
    with pytest.raises(
        CheckpointError, match="weights = 'tutor' is not in it; dictionaries of tensors: teacher, student"
    ):
        read_state_dict(flat, wanted=WANTED, key="tutor")


def test_counters_of_old_files_are_zero(tmp_path):
    old = {name: held for name, held in STATE.items() if not name.endswith("num_batches_tracked")}
    tensors, _ = read_state_dict(saved(tmp_path, old), wanted=WANTED)
    assert tensors["1.num_batches_tracked"] == 0
    network().load_state_dict(tensors)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "holds no tensors; wanted 9"),
        ({"epoch": 3}, "holds no tensors; wanted 9"),
        (
            {"model": {**STATE, "4.weight": torch.ones(1)}},
            r"\(model\): wanted 9 tensors, 1 unknown, first 4.weight; it",
        ),
        (
            {"0.weight": STATE["0.weight"]},
            r"wanted 9 tensors, 7 missing, first 0.bias, 1.bias, 1.running_mean; it belongs",
        ),
        ({**STATE, "3.bias": torch.ones(5)}, r"wanted 3.bias \[3\], got \[5\]; it belongs to another network"),
        (
            {"optimizer": OPTIMIZER, "model": {**STATE, "3.bias": torch.ones(5), "3.weight": torch.ones(5, 4)}},
            r"\(model\): wanted 3.weight \[3, 4\], got \[5, 4\], and 1 more of other shapes; it belongs",
        ),
    ],
)
def test_another_network(tmp_path, content, reason):
    with pytest.raises(CheckpointError, match=rf"x\.pt.*{reason}") as caught:
        read_state_dict(saved(tmp_path, content), wanted=WANTED)
    assert "\n" not in str(caught.value)


def test_a_key_that_is_not_there_names_those_that_are(tmp_path):
    path = saved(tmp_path, {"model": STATE, "ema": {"model": STATE}})
    with pytest.raises(
        CheckpointError, match=r"weights = 'best' is not in it; dictionaries of tensors: model, ema\.model"
    ):
        read_state_dict(path, wanted=WANTED, key="best")
    with pytest.raises(CheckpointError, match="is not in it; dictionaries of tensors: the file itself"):
        read_state_dict(saved(tmp_path, STATE), wanted=WANTED, key="best")


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
