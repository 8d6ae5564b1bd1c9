import contextlib
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from featcx_assets import cli
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.networks.models import build_model
from featcx_core.store.files import write_bytes
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import Model
from tests.assets.command import HEAVY, featcx, refused
from tests.assets.servers import free_port
from tests.steps import path_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def study(small_home: Path, empty_home: Path) -> Path:
    """A study file of which nothing is made."""
    return Path(shutil.copy(small_home / "tiny" / "study.toml", empty_home.parent / "tiny.toml"))


def change(path: Path, old: str, new: str) -> str:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return str(path)


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_an_unknown_study(empty_home: Path):
    assert (
        refused("run", "mnits") == "Error: no study 'mnits': wanted a path to a TOML file or one of: factors, "
        "memorisation_sweep, mnist, mnist_sweep, planted, shortcut, twins, width_sweep"
    )
    assert re.fullmatch(
        r"Error: no study 'tiny' in .*; it has none yet; `featcx run` makes .*", refused("status", "tiny")
    )
    assert not empty_home.exists()


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("atoms_per_class", "atom_per_class", "unknown key dictionary.atom_per_class; did you mean atoms_per_class?"),
        ("epochs = 2", "epochs = 0", "training.epochs: Input should be greater than or equal to 1, got 0"),
        ('name = "tiny"', 'name = "tiny', "not valid TOML: "),
        ('"layer2.0"', '"layer9.0"', "'layer9.0'"),
        ("atoms_per_class = 4", "atoms_per_class = 31", "class '0' has only 30 dictionary images"),
        ("train = 120", "train = 1200", "data.split: wanted 1350 images"),
        ("builtin:small_resnet", "builtin:big_resnet", "builtin:big_resnet"),
        ("tiny.npz", "other.npz", "other.npz"),
    ],
)
def test_a_study_file_that_cannot_be_used(study: Path, old: str, new: str, wanted: str):
    assert wanted in refused("run", change(study, old, new))


def test_a_home_that_cannot_be_written(study: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FEATCX_HOME", str(study / "home"))
    line = refused("run", str(study))
    assert line.startswith(f"Error: cannot write to {study}")
    assert line.endswith("Not a directory; choose another home")


def test_a_read_only_home(small: Store, monkeypatch: pytest.MonkeyPatch):
    from featcx_assets import runner

    def refuse(path: Path, *arguments: object, **named: object) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(runner, "FileLock", refuse)
    line = refused("run", "tiny")
    assert line == f"Error: cannot write to {small.lock_path('run')}: Read-only file system; choose another FEATCX_HOME"


@pytest.mark.parametrize("text", ["x", "1,", "5-", "-5", "3-1", "1.5", "1,,2"])
def test_epochs_that_are_not_numbers(small: Store, text: str):
    assert refused("run", "tiny", f"--epochs={text}") == (
        f"Error: --epochs: wanted numbers and ranges such as 0,5-8, got {text!r}"
    )


def test_epochs_that_are_not_there(small: Store):
    assert re.search(
        r"no checkpoint of epoch 5 in .*; there or to be trained: 0, 1, 2", refused("run", "tiny", "--epochs=1,5-8")
    )


def test_usage_errors(empty_home: Path):
    assert featcx("run", "--only", "everything").exit_code == 2
    assert featcx("nosuch").exit_code == 2
    assert featcx("layers", "builtin:small_resnet", "--image", "28").exit_code == 2
    assert "wanted CxHxW, for instance 3x224x224, got '28'" in refused(
        "layers", "builtin:small_resnet", "--image", "28"
    )
    assert "torchvision has no model 'nosuch'" in refused("layers", "torchvision:nosuch")


@pytest.mark.parametrize(
    ("device", "wanted"),
    [
        ("cuda:99", "device 'cuda:99' cannot be used here; wanted auto, cpu, cuda or mps"),
        ("gpu", "device 'gpu' cannot be used here; wanted auto"),
    ],
)
def test_a_device_that_is_not_there_is_refused_before_the_work(study: Path, device: str, wanted: str):
    assert wanted in refused("run", str(study), "--device", device)
    assert not (study.parent / "home").exists()


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("selec 1", "Parser Error: syntax error at or near"),
        ("select k from complexity", 'Referenced column "k" not found'),
        ("select * from complexty", 'Did you mean "complexity"?'),
        ("select cast('a' as int)", "Could not convert string 'a'"),
        ("create table mine (x int)", "only reads, got create"),
        ("", "wanted a query, got ''"),
    ],
)
def test_a_query_that_cannot_be_answered(small_home: Path, monkeypatch: pytest.MonkeyPatch, query: str, wanted: str):
    monkeypatch.setenv("FEATCX_HOME", str(small_home))
    assert wanted in refused("sql", query)


def test_before_the_first_run(empty_home: Path):
    assert refused("sql", "select 1").endswith("`featcx run` makes the first, FEATCX_HOME points elsewhere")
    assert refused("status") == f"Error: no study in {empty_home} yet; `featcx run` makes the first"


@pytest.mark.usefixtures("no_gallery")
def test_bad_checkpoints_are_named_and_the_good_ones_finished(small: Store):
    good, weights = small.checkpoint(2), load_file(small.checkpoint(2))
    shutil.copy(good, small.checkpoint(4))
    write_bytes(small.checkpoint(3), good.read_bytes()[:-100])
    write_bytes(small.checkpoint(5), b"\x10" + bytes(7) + b"not what it says")
    narrow = Model(source="builtin:small_resnet", arguments={"widths": [4, 8, 16]})
    other = build_model(small.study.model_copy(update={"model": narrow}), n_classes=3, image_shape=(1, 12, 12))
    save_file(other.state_dict(), small.checkpoint(6))
    weights["layer1.0.conv1.weight"][:] = torch.nan
    save_file(weights, small.checkpoint(7))
    metrics = dict.fromkeys(("train_loss", "train_accuracy", "test_loss", "test_accuracy"), 0.5)
    save_file(weights, small.checkpoint(1), metadata={"metrics": json.dumps(metrics)})  # amid those that are good
    change(small.study_path, "atoms_per_class = 4", "atoms_per_class = 3")

    result = featcx("run", "tiny", "--device", "cpu", "--only", "importance")
    assert result.exit_code == 2
    failed = [line for line in result.stderr.splitlines() if line.startswith("failed: ")]
    reasons = [
        r"epoch 1, layer layer2\.0: .* activations are NaN or infinite; the checkpoint's weights are broken",
        r"epoch 1, layer layer3\.2: .* activations are NaN",  # of the training images
        r"000003\.safetensors is truncated: wanted \d+ bytes, got \d+; copy it again",
        r"000005\.safetensors is not a safetensors file \(or its header is corrupt\); copy it again",
        r"000006\.safetensors: wanted .* \[.*\], got \[.*\], and \d+ more of other shapes; it belongs",
        r"000007\.safetensors: the loss is nan; the checkpoint's weights are broken: replace or delete it",
    ]
    for reason in reasons:
        (line,) = (line for line in failed if re.search(reason, line))
        failed.remove(line)
    assert failed == []
    current = {p.epoch for p in Snapshot(open_store(small.home, "tiny")).current if p.artefact == "importance"}
    assert current == {0, 2, 4}
    assert re.fullmatch(r"tiny: done except for what failed, \d+ parts in .*", result.stdout.splitlines()[0])
    again = featcx("run", "tiny", "--epochs", "3")
    assert again.stdout.splitlines()[0].startswith(
        "tiny: done except for what failed, 6 parts in "
    )  # figures, report and explorer of the others
    assert "failed: " in again.stderr


# -- results -----------------------------------------------------------------------------------------------------------


def test_a_refused_setting_hides_no_results(small: Store):
    before = featcx("sql", "select count(*) from clusters", "--csv").stdout
    assert int(before.split()[-1]) > 0
    text = small.study_path.read_text()
    small.study_path.write_text(text + "[clusters]\ncount = 500\n")
    assert "clusters" in refused("run", "tiny")
    small.study_path.write_text(text)
    assert featcx("sql", "select count(*) from clusters", "--csv").stdout == before


def test_a_reader_that_has_seen_enough_is_no_error(empty_home: Path):
    command = [sys.executable, "-c", "from featcx_assets.cli import main; main()", "tables"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


def test_a_run_with_nothing_to_do_loads_nothing_heavy(small: Store):
    code = f"""
import sys
from featcx_assets.cli import main
main(["run", "tiny", "--only", "sedimentation"], standalone_mode=False)
print(sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_run_answers_first_and_says_where_to_look(small: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(small.home)
    result = featcx("run", "tiny", "--only", "sedimentation")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:2] == ["tiny: nothing to do, everything is current", ""]
    assert " % of unseen images right; 12 concepts keep " in result.stdout
    assert re.search(r"^  training    mean complexity \d\.\d\d -> \d\.\d\d", result.stdout, re.MULTILINE)
    assert lines[-1] == f"  open   {path_of(small, 'report').relative_to(small.home)}"
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 100
    assert result.stderr == ""


def test_run_tells_every_number_where_asked(small: Store):
    result = featcx("run", "tiny", "--only", "sedimentation", "--verbose")
    first, *numbers, report, explorer, database = result.stdout.splitlines()
    assert first == "tiny: nothing to do, everything is current"
    assert any("held-out accuracy" in line for line in numbers)
    assert report == f"report: {path_of(small, 'report')}"
    assert explorer == f"explorer: {path_of(small, 'explorer') / 'index.html'}"
    assert database == f"database: {small.home / 'featcx.duckdb'}"
    values = json.loads(featcx("run", "tiny", "--only", "sedimentation", "--json").stdout)
    assert values["made"] == 0
    assert values["failures"] == []
    assert {"name", "value", "meaning"} <= values["numbers"][0].keys()
    assert values["answer"]["n_concepts"] == 12
    assert values["answer"]["unknown"] == []


def test_a_summary_of_what_is_not_there_yet(study: Path):
    result = featcx("run", str(study), "--only", "checkpoint", "--epochs", "0", "--device", "cpu")
    assert result.exit_code == 0
    assert re.fullmatch(r"tiny: done, 2 parts in \d+ s", result.stdout.splitlines()[0])
    assert result.stderr.splitlines() == ["[1/8] training", "[2/8] checkpoint: 1 partitions, epoch 0"]


def test_training_that_diverges(study: Path):
    study.write_text(study.read_text().replace("[training]", "[training]\noptimizer = {lr = 1e12}"))
    result = featcx("run", str(study), "--only", "checkpoint", "--device", "cpu")
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("failed: ")]
    assert re.fullmatch(
        r"failed: training diverged: the loss after epoch \d is (nan|inf); lower training.optimizer.lr, now 1e\+12|.*1000000000000.0",
        line,
    )


def test_queries_answer_as_a_table_json_or_csv(small_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FEATCX_HOME", str(small_home))
    query = "select epoch, digest, train_loss from epochs order by epoch"
    rows = json.loads(featcx("sql", query, "--json").stdout)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    frame = pd.read_csv(io.StringIO(featcx("sql", query, "--csv").stdout))
    pd.testing.assert_frame_equal(frame, pd.DataFrame(rows)[["epoch", "digest", "train_loss"]])


def test_status_counts_what_is_made_stale_and_missing(small: Store):
    shutil.rmtree(path_of(small, "codes", 1))
    write_bytes(small.checkpoint(3), b"")
    change(small.study_path, "[dictionary]", "[dictionary]\nl1 = 0.002")
    lines = featcx("status").stdout.splitlines()
    assert lines[0] == "tiny"
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in lines[1:]}
    assert rows["activations"] == "9 of 9"
    assert rows["codes"] == "0 of 3 2 stale, 1 missing"
    assert rows["figures"] == "0 of 1 1 stale, 0 missing"
    assert lines[-1].startswith(f"  bad checkpoint: {small.checkpoint(3)} is truncated")
    found = json.loads(featcx("status", "tiny", "--json").stdout)["tiny"]
    assert {row["asset"] for row in found["assets"]} == {*catalogue().names} - {
        *("ablation", "monitor", "projection", "readers", "visualisation"),
    }  # not asked for
    assert len(found["bad_checkpoints"]) == 1


def test_status_shows_a_broken_study_beside_the_others(small: Store):
    broken = small.home / "broken"
    broken.mkdir()
    (broken / "study.toml").write_text("name = ")
    lines = featcx("status").stdout.splitlines()
    assert lines[0].startswith("broken: ")
    assert "not valid TOML" in lines[0]
    assert lines[1] == "tiny"


def test_a_study_file_that_says_something_else_replaces_the_registered_one_and_says_so(small: Store, tmp_path: Path):
    study = Path(shutil.copy(small.study_path, tmp_path / "mine.toml"))
    change(study, "[dictionary]", "[dictionary]\nl2 = 1e-5")
    result = featcx("run", str(study), "--only", "checkpoint")
    assert result.stderr == f"{small.study_path} is now as {study}; changed: dictionary.l2: 1e-06 -> 1e-05\n"
    assert small.study_path.read_text() == study.read_text()
    assert featcx("run", str(study), "--only", "checkpoint").stderr == ""


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("train = 120", "train = 1200", "data.split: wanted 1350 images"),
        ("atoms_per_class = 4", "atoms_per_class = 31", "class '0' has only 30 dictionary images"),
        ("images_per_class = 30", "images_per_class = 300\nscope = 'all'\n", "only 64 units"),
        ("tiny.npz", "other.npz", "other.npz"),
    ],
)
def test_a_file_that_cannot_be_used_replaces_nothing(small: Store, tmp_path: Path, old: str, new: str, wanted: str):
    before = small.study_path.read_text()
    study = Path(shutil.copy(small.study_path, tmp_path / "mine.toml"))
    change(study, old, new)
    if "scope" in new:
        change(study, "atoms_per_class = 4", "atoms_per_class = 65")
    assert wanted in refused("run", str(study))
    assert small.study_path.read_text() == before


def test_layers_of_a_model():
    result = featcx("layers", "builtin:small_resnet", "--image", "1x28x28", "--classes", "10")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["layer", "role", "kind", "units", "positions", "shortcut", "branches"]
    assert [line.split()[0] for line in lines[1:4]] == ["stem", "layer1.0", "layer1.1"]
    assert lines[2].split()[-3:] == ["identity", "residual,", "main"]
    assert lines[-1] == "head: fc, 10 classes"
    found = json.loads(
        featcx("layers", "builtin:small_resnet", "--image", "1x28x28", "--classes", "10", "--json").stdout
    )
    assert found["layers"][-1]["role"] == "penultimate"


def test_calls_of_one_module_are_layers_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "one_relu.py").write_text(ONE_RELU)
    monkeypatch.syspath_prepend(tmp_path)
    lines = featcx("layers", "one_relu:Net", "--image", "1x12x12", "--classes", "3").stdout.splitlines()
    assert lines[1].split() == ["relu", "other", "ReLU", "4", "12x12"]
    assert lines[2].split() == ["relu#2", "penultimate", "ReLU,", "call", "2", "4", "12x12"]


ONE_RELU = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu, self.fc = nn.ReLU(), nn.Linear(4, 3)
        self.one, self.two = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        return self.fc(self.relu(self.two(self.relu(self.one(x)))).mean((2, 3)))
"""


def test_tables_are_described():
    text = featcx("tables").stdout
    for table in catalogue().tables.values():
        assert f"{table.name}: {table.row} Key: {', '.join(table.keys)}." in text
        assert all(column.description in text for column in table.columns)
    assert json.loads(featcx("tables", "--json").stdout).keys() == catalogue().tables.keys()


def test_the_web_ui_is_on_loopback_and_of_this_home(small: Store, monkeypatch: pytest.MonkeyPatch):
    started = []

    def start(
        command: Sequence[str], *, env: dict[str, str], start_new_session: bool
    ) -> contextlib.nullcontext[SimpleNamespace]:
        started.append((" ".join(command[1:]), env))
        assert handled == {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}  # what we ignore they would ignore, too
        return contextlib.nullcontext(SimpleNamespace(returncode=0))

    handled: set[signal.Signals] = set()
    monkeypatch.setattr(cli.subprocess, "Popen", start)
    monkeypatch.setattr(cli.signal, "signal", lambda ending, _: handled.add(ending))
    result = featcx("ui", "--port", (port := str(free_port())))
    assert result.exit_code == 0
    ((command, env),) = started
    token = (small.home / "dagster" / "ui_token").read_text()
    assert result.stdout.startswith(f"http://127.0.0.1:{port}/?token={token} ")
    assert env["FEATCX_UI_TOKEN"] == token
    assert command == (
        f"-m featcx_assets.serving dev -m featcx_assets.definitions --host 127.0.0.1 --port {port} --log-level warning"
    )
    assert env["DAGSTER_HOME"] == str(small.home / "dagster")
    assert env["FEATCX_HOME"] == str(small.home)


def test_every_command_has_help_and_is_in_the_docs():
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name, command in cli.main.commands.items():
        assert command.help, name
        assert featcx(name, "--help").exit_code == 0
        assert f"featcx {name}" in page, name
        for option in command.params:
            assert option.param_type_name == "argument" or option.help, (name, option.name)
