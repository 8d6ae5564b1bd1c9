import pytest
import torch
from safetensors.torch import save_file

from featcx_core.networks.state_dicts import contents, read_state_dict
from tests.core.networks.states import SHIFTED, STATE, WANTED, network, prefixed, saved


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


def test_counters_of_old_files_are_zero(tmp_path):
    old = {name: held for name, held in STATE.items() if not name.endswith("num_batches_tracked")}
    tensors, _ = read_state_dict(saved(tmp_path, old), wanted=WANTED)
    assert tensors["1.num_batches_tracked"] == 0
    network().load_state_dict(tensors)
