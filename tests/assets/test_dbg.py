from tests.assets.test_cli import *


def test_dbg(small):
    good, weights = small.checkpoint(2), load_file(small.checkpoint(2))
    shutil.copy(good, small.checkpoint(4))
    broken = {
        name: torch.full_like(t, torch.nan) if name == "layer1.0.conv1.weight" else t for name, t in weights.items()
    }
    header = {"metrics": json.dumps({"train_loss": 1.0, "train_accuracy": 0.5, "test_loss": 1.0, "test_accuracy": 0.5})}
    save_file(broken, small.checkpoint(1), metadata=header)
    change(small.study_path, "atoms_per_class = 4", "atoms_per_class = 3")
    result = featcx("run", "tiny", "--device", "cpu", "--only", "sedimentation")
    print(result.stderr)
    print(result.stdout)
    print(featcx("status").stdout)
    assert 0
