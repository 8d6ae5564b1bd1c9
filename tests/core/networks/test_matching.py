import argparse

import numpy as np
import pytest
import torch
from torch import nn

from featcx_core.networks.safetensors_files import CheckpointError
from featcx_core.networks.state_dicts import read_state_dict
from tests.core.networks.states import OPTIMIZER, SHIFTED, STATE, WANTED, network, prefixed, saved

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
