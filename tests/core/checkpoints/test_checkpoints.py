import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints import accounts
from featcx_core.checkpoints import survey as checkpoints
from featcx_core.checkpoints.landing import landed
from featcx_core.checkpoints.survey import (
    load_checkpoint,
    read_head,
    read_metrics,
    survey,
    training_is_whole,
    untrained,
    write_checkpoint,
)
from featcx_core.networks.models import build_model
from featcx_core.networks.safetensors_files import CheckpointError, digest_safetensors, inspect_safetensors
from featcx_core.store.places import Store

TENSORS = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(4, dtype=torch.int64), "s": torch.tensor(7)}
METRICS = {"train_loss": 0.1, "learning_rate": None}


def written(folder: Path, name: str = "000001.safetensors", *, tensors=TENSORS, metrics=METRICS, made_by="f") -> Path:
    write_checkpoint(folder / name, tensors, metrics=metrics, made_by=made_by)
    return folder / name


def digest(path: Path) -> str:
    return digest_safetensors(path, {name: name for name in inspect_safetensors(path).tensors})


def test_a_checkpoint_comes_back(tmp_path):
    path = written(tmp_path)
    header = inspect_safetensors(path)
    assert header.shapes == {"a": (4,), "b": (2, 3), "s": ()}
    assert header.metadata["training"] == "f"
    assert json.loads(header.metadata["metrics"]) == METRICS
    assert all(torch.equal(load_file(path)[name], tensor) for name, tensor in TENSORS.items())


def test_channels_last_weights_are_written_in_plain_order(tmp_path):
    kernel = torch.arange(2 * 3 * 2 * 2.0).reshape(2, 3, 2, 2)
    one = written(tmp_path, "1.safetensors", tensors={"k": kernel})
    two = written(tmp_path, "2.safetensors", tensors={"k": kernel.contiguous(memory_format=torch.channels_last)})
    assert digest(one) == digest(two)


def test_metrics_of_a_foreign_file_are_unknown(trained: Store):
    assert read_metrics(trained, epoch=1)["train_loss"] > 0
    save_file(load_file(trained.checkpoint(1)), trained.checkpoint(1))
    assert read_metrics(trained, epoch=1) is None


def test_digest_is_of_the_tensors_not_of_the_metadata(tmp_path):
    first = digest(written(tmp_path, "1.safetensors"))
    assert digest(written(tmp_path, "2.safetensors", metrics={}, made_by="")) == first
    changed = {**TENSORS, "b": TENSORS["b"] + 1}
    assert digest(written(tmp_path, "3.safetensors", tensors=changed)) != first
    renamed = {"c" if name == "b" else name: tensor for name, tensor in TENSORS.items()}
    assert digest(written(tmp_path, "4.safetensors", tensors=renamed)) != first
    reshaped = {**TENSORS, "b": TENSORS["b"].reshape(3, 2)}
    assert digest(written(tmp_path, "5.safetensors", tensors=reshaped)) != first


def refuse_to_read(*_: object) -> None:
    raise AssertionError("read again")


def test_digests_are_remembered_until_a_file_changes(trained: Store, monkeypatch):
    before = survey(trained).digests
    assert {values[3] for values in json.loads(trained.digests_path.read_text())["accounts"].values()} == set(
        before.values()
    )
    monkeypatch.setattr(checkpoints, "contents", refuse_to_read)
    assert survey(trained).digests == before
    monkeypatch.undo()
    tensors = load_file(trained.checkpoint(1))
    save_file({**tensors, "fc.bias": tensors["fc.bias"] + 1}, trained.checkpoint(1))
    after = survey(trained).digests
    assert after[1] != before[1]
    assert (after[0], after[2]) == (before[0], before[2])


@pytest.mark.parametrize("memory", ["[1]", "not json", '{"x": [1]}', "{}"])
def test_a_broken_memory_is_not_believed(trained: Store, memory):
    before = survey(trained).digests
    trained.digests_path.write_text(memory)
    assert survey(trained).digests == before


def test_digests_where_nothing_can_be_written(trained: Store, monkeypatch):
    trained.digests_path.unlink(missing_ok=True)

    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(accounts, "write_bytes", refuse)
    assert sorted(survey(trained).digests) == [0, 1, 2]
    assert not trained.digests_path.exists()


def test_a_truncated_file_at_every_length(tmp_path):
    path = written(tmp_path)
    content = path.read_bytes()
    for size in (0, 3, 8, 40, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError, match=rf"000001\.safetensors is truncated: wanted .*bytes, got {size};"):
            inspect_safetensors(path)
    path.write_bytes(content + b"x")
    with pytest.raises(CheckpointError, match=rf"is corrupt: wanted {len(content)} bytes, got {len(content) + 1}"):
        inspect_safetensors(path)


def test_files_of_another_kind(tmp_path):
    path = tmp_path / "x.safetensors"
    torch.save(TENSORS, path)
    with pytest.raises(CheckpointError, match=r"x\.safetensors is not a safetensors file"):
        inspect_safetensors(path)
    for text in (b"garbage!", b"[1]     ", b'{"a":1} ', b'{"a":{}}'):
        path.write_bytes(struct.pack("<Q", len(text)) + text)
        with pytest.raises(CheckpointError, match="is not a safetensors file"):
            inspect_safetensors(path)
    text = b'{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,4]}}'
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"1234")
    with pytest.raises(CheckpointError, match=r"is corrupt: a F32 \[3\] has 4 bytes"):
        inspect_safetensors(path)
    with pytest.raises(CheckpointError, match=r"gone\.safetensors cannot be read: No such file"):
        inspect_safetensors(tmp_path / "gone.safetensors")


def test_survey_names_what_cannot_be_used_and_keeps_the_rest(trained: Store):
    good = trained.checkpoint(1).read_bytes()
    trained.checkpoint(3).write_bytes(good[:-10])
    trained.checkpoint(4).write_bytes(b"garbage, that is not a header")
    tensors = load_file(trained.checkpoint(1))
    save_file({**tensors, "fc.weight": torch.zeros(4, 64)}, trained.checkpoint(5))
    save_file({name: t for name, t in tensors.items() if not name.startswith("fc")}, trained.checkpoint(6))
    save_file({**tensors, "more": torch.zeros(1)}, trained.checkpoint(7))
    shutil.copy(trained.checkpoint(1), trained.checkpoint(8))
    (trained.checkpoints / "best.safetensors").write_bytes(good)
    found = survey(trained)
    assert sorted(found.digests) == [0, 1, 2, 8]
    assert found.digests[8] == found.digests[1] != found.digests[2]
    assert sorted(found.bad) == [3, 4, 5, 6, 7]
    for epoch, reason in {
        3: "000003.safetensors is truncated: wanted",
        4: "000004.safetensors is not a safetensors file",
        5: "wanted fc.weight [3, 64], got [4, 64]; it belongs to another network",
        6: "wanted 128 tensors, 2 missing, first fc.bias, fc.weight;",
        7: "wanted 128 tensors, 1 unknown, first more;",
    }.items():
        assert reason in found.bad[epoch]
        assert "\n" not in found.bad[epoch]
    assert sorted(landed(trained)) == list(range(9))
    assert Snapshot(trained).survey.digests == found.digests


def test_training_is_whole_unless_its_own_file_is_missing_or_of_another_training(trained: Store):
    mine = inspect_safetensors(trained.checkpoint(0)).metadata["training"]
    assert training_is_whole(trained, mine)
    assert untrained(trained, "another") == [0, 1, 2]
    trained.checkpoint(1).write_bytes(b"corrupt: for its owner to delete")
    save_file(load_file(trained.checkpoint(2)), trained.checkpoint(2))  # somebody else's
    assert untrained(trained, "another") == [0]
    trained.checkpoint(1).unlink()
    assert untrained(trained, mine) == [1]


def test_loading_sets_every_tensor(trained: Store, tiny):
    model = build_model(tiny, n_classes=3, image_shape=(1, 12, 12))
    load_checkpoint(trained, model, epoch=2)
    saved = load_file(trained.checkpoint(2))
    assert all(torch.equal(saved[name], tensor) for name, tensor in model.state_dict().items())
    other = build_model(tiny, n_classes=4, image_shape=(1, 12, 12))
    with pytest.raises(CheckpointError, match=r"wanted fc\.(bias|weight) \[4.*got \[3.*and 1 more of other shapes"):
        load_checkpoint(trained, other, epoch=2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_head_is_units_by_classes_in_float32(trained: Store, dtype):
    tensors = {
        name: t.to(dtype) if name.startswith("fc") else t for name, t in load_file(trained.checkpoint(2)).items()
    }
    save_file(tensors, trained.checkpoint(2))
    weight, bias = read_head(trained, epoch=2)
    assert weight.dtype == bias.dtype == np.float32
    np.testing.assert_array_equal(weight, tensors["fc.weight"].float().numpy().T)
    np.testing.assert_array_equal(bias, tensors["fc.bias"].float().numpy())


def test_head_without_bias_of_another_name_or_not_in_floating_point(trained: Store, monkeypatch):
    tensors, anatomy = load_file(trained.checkpoint(2)), trained.anatomy
    bare = {name: shape for name, shape in anatomy.parameters.items() if name != "fc.bias"}
    monkeypatch.setattr(Store, "anatomy", anatomy.model_copy(update={"parameters": bare}))
    del tensors["fc.bias"]
    save_file(tensors, trained.checkpoint(2))
    _, bias = read_head(trained, epoch=2)
    assert (bias == 0).all()
    save_file({**tensors, "fc.weight": torch.zeros(3, 64, dtype=torch.int64)}, trained.checkpoint(2))
    with pytest.raises(CheckpointError, match=r"wanted fc\.weight in floating point, got I64"):
        read_head(trained, epoch=2)
    monkeypatch.setattr(Store, "anatomy", anatomy.model_copy(update={"head": "last"}))
    with pytest.raises(CheckpointError, match=r"wanted the head's last\.weight, which the network does not have"):
        read_head(trained, epoch=2)


def test_what_is_there_is_known_without_torch(trained: Store):
    code = f"""
import sys
from featcx_core.store.places import open_store
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.survey import read_head, survey
store = open_store({str(trained.home)!r}, "tiny")
assert Snapshot(store).is_current(Partition("training"))
assert sorted(survey(store).digests) == [0, 1, 2]
read_head(store, epoch=1)
print(sorted({{"torch", "sklearn", "torchvision", "mlxtend"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
