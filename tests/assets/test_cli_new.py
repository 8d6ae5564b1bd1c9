"""`featcx new`: what it prints, writes, registers and refuses."""

import json
import re
from pathlib import Path

import pytest
import torch

from featcx_core.networks.small_resnet import SmallResNet
from featcx_core.store.places import open_store
from featcx_core.study.files import load_study
from tests.assets.command import featcx, refused
from tests.conftest import rehearse_less, write_tiny


@pytest.fixture
def desk(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with `tiny.npz` and an empty home."""
    folder = empty_home.parent
    write_tiny(folder).unlink()
    monkeypatch.chdir(folder)
    rehearse_less(monkeypatch)
    return folder


def new(*arguments: str, **options: str) -> list[str]:
    given = {"data": "tiny.npz", "argument": "widths=[4, 8]", **options}
    return ["new", "mine", *(f"--{name}={value}" for name, value in given.items()), *arguments]


def checkpoints(folder: Path, epochs: tuple[int, ...]) -> str:
    folder.mkdir()
    for epoch in epochs:
        torch.manual_seed(epoch)
        torch.save(SmallResNet(channels=1, n_classes=3, widths=(4, 8)).state_dict(), folder / f"epoch_{epoch}.pt")
    return str(folder)


def told(stderr: str) -> list[str]:
    """The lines on stderr but for the bar, which is shown where the dry run takes long."""
    return [line for line in stderr.splitlines() if line.strip() and not line.startswith("one epoch:")]


def test_a_study_is_written_registered_and_run(desk: Path, empty_home: Path):
    result = featcx(*new("--epochs", "1"))
    assert result.exit_code == 0, result.output
    assert told(result.stderr) == []
    lines = result.stdout.splitlines()
    assert lines[0] == f"data: npz:{desk / 'tiny.npz'}: 270 images"
    for start in (
        "model: builtin:small_resnet: ",
        "  head: fc, 3 outputs",
        "time: about ",
        "disk: about ",
        "memory: ",
    ):
        assert any(line.startswith(start) for line in lines), start
    assert lines[-1] == "written: mine.toml (registered; `featcx run mine.toml` makes all of it)"
    store = open_store(empty_home, "mine")
    assert store.study == load_study(desk / "mine.toml")
    assert store.study.training.epochs == 1
    assert store.study.model.arguments == {"widths": [4, 8]}
    assert featcx("run", "mine.toml", "--only", "complexity", "--device", "cpu").exit_code == 0


def test_checkpoints_of_another_program_are_run(desk: Path):
    checkpoints(desk / "runs", (1, 4))
    result = featcx(*new("--no-dry-run", checkpoints="runs"))
    assert result.exit_code == 0, result.output
    assert "  epochs: 1, 4" in result.stdout.splitlines()
    assert "time: about" not in result.stdout
    again = featcx("run", "mine.toml", "--only", "importance", "--device", "cpu")
    assert again.exit_code == 0, again.output
    assert "[2/8] checkpoint: 2 partitions, 2 epochs, 1 to 4" in again.stderr


def test_a_network_that_guesses_is_pointed_out(desk: Path):
    checkpoints(desk / "runs", (1,))  # never trained
    result = featcx(*new(checkpoints="runs"))
    assert result.exit_code == 0, result.output
    (line,) = told(result.stderr)
    assert re.fullmatch(
        r"look: held-out accuracy at epoch 1 is \d+\.\d%, about a guess's \(33\.3%\): are images prepared as "
        r"in the network's training \(data\.transform: mean, std, resize, crop\), its classes in this order\?",
        line,
    )


def test_what_machines_read(desk: Path):
    result = featcx(*new("--epochs", "1", "--json", file="other.toml"))
    values = json.loads(result.stdout)
    assert values["file"] == str(desk / "other.toml")
    assert values["lacking"] == []
    assert values["found"][0].startswith("data: ")
    assert values["study"]["training"] == {"epochs": 1}
    assert values["dry_run"]["seconds"] > 0
    assert (desk / "other.toml").is_file()


def test_what_has_to_be_mended_leaves_nothing_behind(desk: Path, empty_home: Path):
    (desk / "runs").mkdir()
    before = sorted(desk.rglob("*"))
    result = featcx(*new(checkpoints="runs"))
    assert result.exit_code == 2
    assert result.stderr.startswith("to be mended: checkpoints: no file with the ending")
    assert result.stdout.splitlines()[-1].startswith("nothing is written; ")
    assert sorted(desk.rglob("*")) == before
    assert not empty_home.exists()


def test_what_has_to_be_mended_is_kept_where_asked_but_not_registered(desk: Path, empty_home: Path):
    (desk / "runs").mkdir()
    result = featcx(*new("--keep", checkpoints="runs"))
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("to be mended: checkpoints: no file with the ending .safetensors")
    assert result.stdout.splitlines()[-1] == "written: mine.toml (mend it, then `featcx run mine.toml`)"
    assert load_study(desk / "mine.toml").checkpoints.folder == str(desk / "runs")
    assert not empty_home.exists()
    values = json.loads(featcx(*new("--keep", "--json", checkpoints="runs", file="b.toml")).stdout)
    assert len(values["lacking"]) == 1
    assert values["dry_run"] is None


def test_weights_that_cannot_be_analysed_are_to_be_mended(desk: Path):
    state = SmallResNet(channels=1, n_classes=3, widths=(4, 8)).state_dict()
    state["stem.0.weight"][:] = torch.nan
    torch.save(state, desk / "broken.pt")
    result = featcx(*new(checkpoints="broken.pt"))
    assert result.exit_code == 2
    assert f"to be mended: dry run: {desk / 'broken.pt'}: the loss is nan; " in result.stderr
    assert "the checkpoint's weights are broken: replace or delete it" in result.stderr
    assert not (desk / "mine.toml").exists()


def test_bad_input_is_one_line_and_nothing_is_written(desk: Path, empty_home: Path):
    (desk / "there.toml").touch()
    assert refused(*new(file="there.toml")) == (
        "Error: there.toml is there already and is not written over; choose another name or --file"
    )
    assert refused(*new(file="no/such.toml")) == f"Error: --file: no folder {desk / 'no'}"
    assert "name: " in refused("new", "a b")
    assert "torchvision has no model 'resnt18'; did you mean resnet18" in refused(*new(model="torchvision:resnt18"))
    assert "data: wanted a folder, an .npz file or one of" in refused(*new(data="nosuch"))
    assert "no folder or file" in refused(*new(checkpoints="nosuch"))
    assert "wanted KEY=VALUE, got 'widths'" in refused(*new(argument="widths"))
    assert "--epochs is of a training by featcx" in refused(*new("--epochs", "2", checkpoints="runs"))
    assert "device 'gpu' cannot be used here" in refused(*new(device="gpu"))
    assert [path.name for path in desk.glob("*.toml")] == ["there.toml"]
    assert not empty_home.exists()


def test_a_registered_name_is_not_taken_again(desk: Path, empty_home: Path):
    assert featcx(*new("--no-dry-run")).exit_code == 0
    line = refused(*new(file="b.toml"))
    assert line == f"Error: study mine is registered in {empty_home} already; choose another name or delete its folder"
