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

from featcx_core.sources import checkpoints
from featcx_core.sources.checkpoints import (
    CheckpointError,
    checkpoint_digest,
    fingerprints,
    inspect_checkpoint,
    landed,
    load_checkpoint,
    read_head,
    read_metrics,
    survey,
    training_is_whole,
    untrained,
    write_checkpoint,
)
from featcx_core.sources.models import build_model
from featcx_core.store import Store

TENSORS = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(4, dtype=torch.int64), "s": torch.tensor(7)}
METRICS = {"train_loss": 0.1, "learning_rate": None}


def written(folder: Path, name: str = "000001.safetensors", *, tensors=TENSORS, metrics=METRICS, made_by="f") -> Path:
    write_checkpoint(folder / name, tensors, metrics=metrics, made_by=made_by)
    return folder / name


def test_a_checkpoint_comes_back(tmp_path):
    path = written(tmp_path)
    header = inspect_checkpoint(path)
    assert header.shapes == {"a": (4,), "b": (2, 3), "s": ()}
    assert header.metadata["training"] == "f"
    assert read_metrics(path) == METRICS
    assert all(torch.equal(load_file(path)[name], tensor) for name, tensor in TENSORS.items())


def test_channels_last_weights_are_written_in_plain_order(tmp_path):
    kernel = torch.arange(2 * 3 * 2 * 2.0).reshape(2, 3, 2, 2)
    one = written(tmp_path, "1.safetensors", tensors={"k": kernel})
    two = written(tmp_path, "2.safetensors", tensors={"k": kernel.contiguous(memory_format=torch.channels_last)})
    assert checkpoint_digest(one) == checkpoint_digest(two)


def test_metrics_of_a_foreign_file_are_unknown(tmp_path):
    save_file(TENSORS, tmp_path / "x.safetensors")
    assert read_metrics(tmp_path / "x.safetensors") is None


def test_digest_is_of_the_tensors_not_of_the_metadata(tmp_path):
    digest = checkpoint_digest(written(tmp_path, "1.safetensors"))
    assert checkpoint_digest(written(tmp_path, "2.safetensors", metrics={}, made_by="")) == digest
    changed = {**TENSORS, "b": TENSORS["b"] + 1}
    assert checkpoint_digest(written(tmp_path, "3.safetensors", tensors=changed)) != digest
    renamed = {"c" if name == "b" else name: tensor for name, tensor in TENSORS.items()}
    assert checkpoint_digest(written(tmp_path, "4.safetensors", tensors=renamed)) != digest
    reshaped = {**TENSORS, "b": TENSORS["b"].reshape(3, 2)}
    assert checkpoint_digest(written(tmp_path, "5.safetensors", tensors=reshaped)) != digest


def test_digest_is_remembered_until_the_file_changes(tmp_path, monkeypatch):
    path = written(tmp_path)
    digest = checkpoint_digest(path)
    assert json.loads((tmp_path / ".digests.json").read_text())[path.name][-1] == digest
    monkeypatch.setattr(checkpoints, "_CHUNK", None)  # hashing again would fail
    assert checkpoint_digest(path) == digest
    monkeypatch.undo()
    written(tmp_path, tensors={**TENSORS, "b": TENSORS["b"] + 1})
    assert checkpoint_digest(path) != digest


@pytest.mark.parametrize("memory", ["[1]", "not json"])
def test_a_broken_memory_is_not_believed(tmp_path, memory):
    path = written(tmp_path)
    digest = checkpoint_digest(path)
    (tmp_path / ".digests.json").write_text(memory)
    assert checkpoint_digest(path) == digest


def test_digest_where_nothing_can_be_written(tmp_path, monkeypatch):
    path = written(tmp_path)

    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checkpoints, "write_bytes", refuse)
    assert len(checkpoint_digest(path)) == 16
    assert not (tmp_path / ".digests.json").exists()


def test_a_truncated_file_at_every_length(tmp_path):
    path = written(tmp_path)
    content = path.read_bytes()
    for size in (0, 3, 8, 40, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError, match=rf"000001\.safetensors is truncated: wanted .*bytes, got {size};"):
            inspect_checkpoint(path)
    path.write_bytes(content + b"x")
    with pytest.raises(CheckpointError, match=rf"is corrupt: wanted {len(content)} bytes, got {len(content) + 1}"):
        inspect_checkpoint(path)


def test_files_of_another_kind(tmp_path):
    path = tmp_path / "x.safetensors"
    torch.save(TENSORS, path)
    with pytest.raises(CheckpointError, match=r"x\.safetensors is not a safetensors file"):
        inspect_checkpoint(path)
    for text in (b"garbage!", b"[1]     ", b'{"a":1} ', b'{"a":{}}'):
        path.write_bytes(struct.pack("<Q", len(text)) + text)
        with pytest.raises(CheckpointError, match="is not a safetensors file"):
            inspect_checkpoint(path)
    text = b'{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,4]}}'
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"1234")
    with pytest.raises(CheckpointError, match=r"is corrupt: a F32 \[3\] has 4 bytes"):
        inspect_checkpoint(path)
    with pytest.raises(CheckpointError, match=r"gone\.safetensors cannot be read: No such file"):
        inspect_checkpoint(tmp_path / "gone.safetensors")


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
        6: "wanted 128 tensors, 2 missing, first fc.bias",
        7: "wanted 128 tensors, 1 unknown, first more",
    }.items():
        assert reason in found.bad[epoch]
        assert "\n" not in found.bad[epoch]
    assert sorted(landed(trained)) == list(range(9))
    assert fingerprints(trained).digests == found.digests


def test_training_is_whole_unless_its_own_file_is_missing_or_of_another_training(trained: Store):
    mine = inspect_checkpoint(trained.checkpoint(0)).metadata["training"]
    assert training_is_whole(trained, mine)
    assert untrained(trained, "another") == [0, 1, 2]
    trained.checkpoint(1).write_bytes(b"corrupt: for its owner to delete")
    save_file(load_file(trained.checkpoint(2)), trained.checkpoint(2))  # somebody else's
    assert untrained(trained, "another") == [0]
    trained.checkpoint(1).unlink()
    assert untrained(trained, mine) == [1]


def test_loading_sets_every_tensor(trained: Store, tiny):
    model = build_model(tiny, n_classes=3, image_shape=(1, 12, 12))
    load_checkpoint(trained.checkpoint(2), model)
    saved = load_file(trained.checkpoint(2))
    assert all(torch.equal(saved[name], tensor) for name, tensor in model.state_dict().items())
    other = build_model(tiny, n_classes=4, image_shape=(1, 12, 12))
    with pytest.raises(CheckpointError, match=r"wanted fc\.bias \[4\], got \[3\]|wanted fc\.weight \[4, 64\], got"):
        load_checkpoint(trained.checkpoint(2), other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_head_is_units_by_classes_in_float32(trained: Store, dtype):
    tensors = {
        name: t.to(dtype) if name.startswith("fc") else t for name, t in load_file(trained.checkpoint(2)).items()
    }
    save_file(tensors, trained.checkpoint(2))
    weight, bias = read_head(trained.checkpoint(2), trained.anatomy)
    assert weight.dtype == bias.dtype == np.float32
    np.testing.assert_array_equal(weight, tensors["fc.weight"].float().numpy().T)
    np.testing.assert_array_equal(bias, tensors["fc.bias"].float().numpy())


def test_head_without_bias_or_with_another_name(trained: Store):
    tensors = load_file(trained.checkpoint(2))
    del tensors["fc.bias"]
    save_file(tensors, trained.checkpoint(2))
    _, bias = read_head(trained.checkpoint(2), trained.anatomy)
    assert (bias == 0).all()
    with pytest.raises(CheckpointError, match=r"wanted the head's last\.weight, which is missing"):
        read_head(trained.checkpoint(2), trained.anatomy.model_copy(update={"head": "last"}))
    save_file({"fc.weight": torch.zeros(3, 64, dtype=torch.int64)}, trained.checkpoint(2))
    with pytest.raises(CheckpointError, match=r"wanted fc\.weight in floating point, got I64"):
        read_head(trained.checkpoint(2), trained.anatomy)


def test_what_is_there_is_known_without_torch(trained: Store):
    code = f"""
import sys
from featcx_core.store import open_store
from featcx_core.sources.checkpoints import fingerprints, read_head, survey, training_is_whole
store = open_store({str(trained.home)!r}, "tiny")
prints = fingerprints(store)
assert training_is_whole(store, prints.of("training"))
assert sorted(survey(store).digests) == [0, 1, 2]
read_head(store.checkpoint(1), store.anatomy)
print(sorted({{"torch", "sklearn", "torchvision", "mlxtend"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
