import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from featcx_core.analyses.training.make import train
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.recipe import schedule, settle_normalisation, sgd, shifted
from featcx_core.checkpoints.survey import read_metrics, survey, write_checkpoint
from featcx_core.checkpoints.training import evaluate, stops, train_epochs
from featcx_core.images.data import load_data
from featcx_core.networks.models import build_model
from featcx_core.networks.safetensors_files import inspect_safetensors
from featcx_core.store.damage import aside
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import Optimizer, Study, Training


def with_training(study: Study, **changes: object) -> Study:
    return study.model_copy(update={"training": study.training.model_copy(update=changes)})


def digests(store: Store) -> dict[int, str]:
    return survey(store).digests


def touched(store: Store) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in store.checkpoints.glob("*.safetensors")}


def fingerprint(store: Store) -> str:
    return Snapshot(store).fingerprint(Partition("training"))


def again(store: Store) -> list[int]:
    return list(train_epochs(store, fingerprint=fingerprint(store), device="cpu"))


def test_every_epoch_has_a_checkpoint_with_its_metrics(trained: Store, tiny: Study):
    data = load_data(tiny)
    for epoch in range(3):
        metrics = read_metrics(trained, epoch=epoch)
        model = build_model(tiny, n_classes=3, image_shape=data.image_shape)
        if epoch:
            assert metrics["learning_rate"] > 0
        else:
            assert metrics["learning_rate"] is None
            initial = model.state_dict()
            assert all(torch.equal(t, initial[n]) for n, t in load_file(trained.checkpoint(0)).items())
        model.load_state_dict(load_file(trained.checkpoint(epoch)))
        for part in ("train", "test"):
            loss, accuracy = evaluate(model, data, data.split[part])
            assert metrics[f"{part}_accuracy"] == accuracy
            assert metrics[f"{part}_loss"] == pytest.approx(loss, rel=1e-4)


def test_it_learns(tiny: Study, tmp_path):
    store = train(with_training(tiny, epochs=4, optimizer=Optimizer(lr=0.05)), home=tmp_path, device="cpu")
    assert read_metrics(store, epoch=4)["test_accuracy"] > 0.9


def test_evaluation_by_hand(tiny: Study):
    data = load_data(tiny)

    class Always(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.logits = nn.Parameter(torch.tensor([0.0, 2.0, 0.0]))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            assert not self.training
            return self.logits.expand(len(images), 3)

    model, rows = Always(), data.split["test"]
    loss, accuracy = evaluate(model, data, rows, batch_size=7)
    assert accuracy == (data.labels[rows] == 1).mean() == pytest.approx(1 / 3)
    assert loss == pytest.approx(np.log(np.exp(2) + 2) - 2 / 3, rel=1e-6)
    assert model.training


def test_done_is_done(trained: Store):
    before = touched(trained)
    assert again(trained) == [0, 1, 2]
    assert touched(trained) == before


def test_a_second_training_gives_the_same_weights_whatever_the_global_chance(trained: Store, tiny: Study, tmp_path):
    torch.manual_seed(99)
    state = torch.random.get_rng_state()
    other = train(tiny, home=tmp_path / "other", device="cpu")
    assert digests(other) == digests(trained)
    assert torch.equal(torch.random.get_rng_state(), state)
    seeded = train(tiny.model_copy(update={"seed": 1}), home=tmp_path / "seeded", device="cpu")
    assert digests(seeded)[2] != digests(trained)[2]


def test_training_goes_on_where_it_was_stopped(tiny: Study, trained: Store, tmp_path):
    store = register(tiny, home=tmp_path / "stopped")
    epochs = train_epochs(store, fingerprint=fingerprint(store), device="cpu")
    assert [next(epochs), next(epochs)] == [0, 1]
    epochs.close()
    shown: list[list[int]] = []

    def progress(items, *, desc):
        assert desc == "training"
        shown.append(list(items))
        return shown[-1]

    assert list(train_epochs(store, fingerprint=fingerprint(store), device="cpu", progress=progress)) == [0, 1, 2]
    assert shown == [[2]]
    assert digests(store) == digests(trained)


def test_the_last_checkpoint_is_written_again_from_the_state(trained: Store):
    before = digests(trained)
    metrics = read_metrics(trained, epoch=2)
    trained.checkpoint(2).unlink()
    untouched = touched(trained)
    assert again(trained) == [0, 1, 2]
    assert digests(trained) == before
    assert read_metrics(trained, epoch=2) == metrics
    assert untouched.items() <= touched(trained).items()


@pytest.mark.parametrize("damage", ["missing", "truncated", "pickle"])
def test_without_a_usable_state_training_starts_again_to_the_same_weights(trained: Store, damage):
    before, state = digests(trained), trained.training_state
    trained.checkpoint(1).unlink()  # the state is of epoch 2, so it is of no use either
    match damage:
        case "missing":
            state.unlink()
        case "truncated":
            state.write_bytes(state.read_bytes()[:1000])
        case "pickle":
            state.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    untouched = touched(trained)
    assert again(trained) == [0, 1, 2]
    assert digests(trained) == before
    assert untouched.items() <= touched(trained).items()  # the same content is left as it is


def test_another_training_replaces_its_checkpoints(trained: Store, tiny: Study):
    before = digests(trained)
    changed = with_training(tiny, optimizer=Optimizer(lr=0.05))
    store = train(changed, home=trained.home, device="cpu")
    after = digests(store)
    assert after[0] == before[0]
    assert after[2] != before[2]
    assert len({inspect_safetensors(store.checkpoint(epoch)).metadata["training"] for epoch in range(3)}) == 1


def test_corrupt_and_foreign_checkpoints_are_left_alone(trained: Store):
    trained.checkpoint(1).write_bytes(b"corrupt")
    foreign = {name: tensor + 1 for name, tensor in load_file(trained.checkpoint(2)).items()}
    save_file(foreign, trained.checkpoint(2))
    save_file(foreign, trained.checkpoint(7))
    trained.checkpoint(0).unlink()
    digest = digests(trained)[7]
    assert again(trained) == [0, 2]
    assert trained.checkpoint(1).read_bytes() == b"corrupt"
    assert digests(trained)[2] == digests(trained)[7] == digest
    trained.checkpoint(1).unlink()
    assert again(trained) == [0, 1, 2]


def altered(path: Path, position: int = -9) -> None:
    """Flip a bit, an hour ago: the time of change stays, and the file is not being written."""
    content = bytearray(path.read_bytes())
    content[position] ^= 4
    path.write_bytes(content)
    os.utime(path, (time.time() - 3600, time.time() - 3600))


@pytest.mark.parametrize("damage", ["flip", "cut", "of another epoch"])
def test_a_damaged_checkpoint_is_put_aside_and_trained_again(trained: Store, damage: str, caplog):
    before, path = digests(trained), trained.checkpoint(1)
    match damage:
        case "flip":
            altered(path)
        case "cut":
            path.write_bytes(path.read_bytes()[:-100])
        case _:
            path.write_bytes(trained.checkpoint(2).read_bytes())
    os.utime(path, (time.time() - 3600, time.time() - 3600))
    surveyed = survey(trained)
    assert surveyed.digests == {epoch: digest for epoch, digest in before.items() if epoch != 1}  # never a new one
    assert {"flip": "is not as it was written", "cut": "is truncated", "of another epoch": "holds epoch 000002"}[
        damage
    ] in surveyed.bad[1]
    assert again(trained) == [0, 1, 2]
    assert digests(trained) == before
    assert len(aside(trained.root)) == 1
    assert sum("put aside as damaged/checkpoints/000001.safetensors" in line for line in caplog.messages) == 1


def test_a_checkpoint_that_is_there_is_never_written_again(trained: Store):
    path = trained.checkpoint(1)
    other = {name: tensor + 1 for name, tensor in load_file(path).items()}
    write_checkpoint(path, other, metrics={}, made_by=fingerprint(trained))
    content = path.read_bytes()
    trained.checkpoint(2).unlink()
    trained.training_state.unlink()
    with pytest.raises(ValueError, match=r"epoch 1: training again gives other weights than .*000001\.safetensors holds, so the "
                                         r"checkpoints of epochs 2 are lost; put back training_state, or delete"):  # fmt: skip
        again(trained)
    assert path.read_bytes() == content


def test_a_damaged_training_state_is_put_aside(trained: Store):
    before = digests(trained)
    trained.checkpoint(2).unlink()
    altered(trained.training_state, 5000)
    assert again(trained) == [0, 1, 2]
    assert digests(trained) == before
    assert [name.partition(".")[0] for name in aside(trained.root)] == ["checkpoints/training_state"]


def test_divergence_is_an_error_and_commits_nothing(tiny: Study, tmp_path):
    store = register(with_training(tiny, optimizer=Optimizer(lr=1e20), schedule="constant"), home=tmp_path)
    with pytest.raises(
        ValueError, match=r"diverged: the loss after 1 epochs is .*; lower training\.optimizer\.lr, now 1e\+20"
    ):
        list(train_epochs(store, fingerprint=fingerprint(store), device="cpu"))
    assert sorted(digests(store)) == [0]


def test_killed_at_any_moment_it_ends_with_the_same_weights(tiny: Study, trained: Store, tmp_path):
    """The state or the checkpoint of an epoch is the last thing a killed training wrote; both must do."""
    home = tmp_path / "killed"
    store = register(tiny, home=home)
    processes = multiprocessing.get_context("forkserver")  # loads the libraries once for all
    processes.set_forkserver_preload(["featcx_core.checkpoints.training", "torch._dynamo"])
    for last in (store.checkpoint(0), store.training_state, store.checkpoint(1)):
        stamp = last.stat().st_mtime_ns if last.exists() else None
        process = processes.Process(target=train, args=(tiny,), kwargs={"home": home, "device": "cpu"})
        process.start()
        deadline = time.monotonic() + 120
        while process.is_alive() and time.monotonic() < deadline:
            if last.exists() and last.stat().st_mtime_ns != stamp:
                process.kill()
            process.join(timeout=0.002)
    again(open_store(home, "tiny"))
    assert digests(store) == digests(trained)
    assert not [path for path in Path(home).rglob("*") if path.suffix == ".safetensors" and not path.stat().st_size]


def test_weight_decay_spares_biases_and_normalisation(tiny: Study):
    model = build_model(tiny, n_classes=3, image_shape=(1, 12, 12))
    decayed, spared = sgd(model, tiny).param_groups
    assert {p.ndim for p in decayed["params"]} == {2, 4}
    assert {p.ndim for p in spared["params"]} == {1}
    assert len(decayed["params"]) + len(spared["params"]) == len(list(model.parameters()))
    assert (decayed["weight_decay"], spared["weight_decay"]) == (5e-4, 0)
    assert decayed["nesterov"]
    assert not sgd(model, with_training(tiny, optimizer=Optimizer(momentum=0))).param_groups[0]["nesterov"]


def test_one_cycle_peaks_at_a_quarter_and_ends_near_zero(tiny: Study):
    study = with_training(tiny, epochs=10)
    optimizer = sgd(build_model(study, n_classes=3, image_shape=(1, 12, 12)), study)
    cycle, rates = schedule(optimizer, study, steps=4), []
    for _ in range(40):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        cycle.step()
    assert max(rates) == pytest.approx(0.2, rel=1e-3)
    assert int(np.argmax(rates)) == 9
    assert rates[-1] < 1e-5
    assert (np.diff(rates[:10]) > 0).all()
    assert (np.diff(rates[9:]) < 0).all()
    assert optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("epochs", [1, 3, 4, 5, 7])
def test_one_cycle_of_a_few_steps_still_trains(tiny: Study, epochs: int):
    study = with_training(tiny, epochs=epochs)
    optimizer = sgd(build_model(study, n_classes=3, image_shape=(1, 12, 12)), study)
    cycle, rates = schedule(optimizer, study, steps=1), []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        cycle.step()
    assert 0.15 < max(rates) <= 0.2
    assert min(rates) > 0


def test_settled_statistics_are_the_means_over_the_batches():
    """By hand: batches 0, 2 and 4, 6 have means 1 and 5 and unbiased variances 2 and 2."""
    model = nn.Sequential(nn.BatchNorm2d(1))
    images = [torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1), torch.tensor([4.0, 6.0]).reshape(2, 1, 1, 1)]
    settle_normalisation(model.eval(), images)
    assert model[0].running_mean.item() == pytest.approx(3)
    assert model[0].running_var.item() == pytest.approx(2)
    assert model[0].momentum == 0.1
    assert not model.training


def test_a_network_without_normalisation_is_not_run():
    def never():
        raise AssertionError
        yield

    settle_normalisation(nn.Sequential(nn.Conv2d(1, 1, 1)), never())


def test_a_batch_larger_than_the_training_images_is_all_of_them(tiny: Study, tmp_path):
    study = tiny.model_copy(update={"training": Training(epochs=1, save=(), batch_size=5000)})
    store = train(study, home=tmp_path, device="cpu")
    assert sorted(digests(store)) == [0, 1]


def test_images_mapped_from_their_file_give_the_same_weights(trained: Store, tiny: Study, tmp_path):
    with np.load(tiny.data.source.partition(":")[2]) as archive:
        for name, held in archive.items():
            np.save(tmp_path / f"{name}.npy", held)
    study = tiny.model_copy(update={"data": tiny.data.model_copy(update={"source": f"npy:{tmp_path}"})})
    assert isinstance(load_data(study).images, np.memmap)
    store = train(study, home=tmp_path / "home", device="cpu")
    assert digests(store) == digests(trained)


# -- checkpoints within the first epoch ----------------------------------------------------------------------------------


SAVE = (0.1, 0.3, 0.5)


@pytest.fixture
def finely(tiny: Study) -> Study:
    """The tiny study with three checkpoints within its first epoch."""
    return with_training(tiny, save=SAVE)


def test_stops_are_whole_steps_in_order():
    moments = stops(Training(epochs=2, save=(0.0625, 0.125, 0.25, 0.5)), n_steps=27)
    assert [(stop.epoch, stop.step) for stop in moments] == [(0, 0), (1, 2), (1, 3), (1, 7), (1, 14), (1, 27), (2, 27)]
    assert [stop.passes for stop in moments] == [0, *(step / 27 for step in (2, 3, 7, 14)), 1, 2]
    few = stops(Training(epochs=1, save=(0.1, 0.2, 0.9)), n_steps=3)
    assert [stop.step for stop in few] == [0, 1, 1, 3, 3]  # no step is halved, and none of them is the first


def test_fewer_checkpoints_change_no_weights(tiny: Study, tmp_path):
    settings = {"epochs": 3, "batch_size": 60}
    plain = digests(train(with_training(tiny, **settings), home=tmp_path / "plain", device="cpu"))
    sparse = train(with_training(tiny, **settings, every=2, save=(0.5,)), home=tmp_path / "sparse", device="cpu")
    assert [stop.passes for stop in stops(sparse.study.training, n_steps=2)] == [0, 0.5, 2, 3]
    assert [digests(sparse)[number] for number in (0, 2, 3)] == [plain[0], plain[2], plain[3]]
    assert [read_metrics(sparse, epoch=number)["passes"] for number in range(4)] == [0, 0.5, 2, 3]
    assert sparse.study.reference_epoch == 3


def test_shifted_images_are_the_same_with_black_coming_in():
    images = torch.arange(1.0, 25.0).reshape(2, 1, 3, 4)
    torch.manual_seed(0)
    moves = torch.randint(-1, 2, (2, 2))
    torch.manual_seed(0)
    moved = shifted(images, most=1, black=torch.tensor([-7.0]))
    assert moves.any()
    for image, result, (down, right) in zip(images[:, 0], moved[:, 0], moves.tolist(), strict=True):
        for row in range(3):
            for column in range(4):
                y, x = row - down, column - right
                wanted = image[y, x] if 0 <= y < 3 and 0 <= x < 4 else -7.0
                assert result[row, column] == wanted
    assert torch.equal(shifted(images, most=0, black=torch.zeros(1)), images)


def test_augmentation_is_another_training_that_resumes_to_the_same_weights(tiny: Study, trained: Store, tmp_path):
    moving = with_training(tiny, shift=1)
    whole = digests(train(moving, home=tmp_path / "whole", device="cpu"))
    assert whole[0] == digests(trained)[0]
    assert whole[2] != digests(trained)[2]
    store = register(moving, home=tmp_path / "half")
    steps = train_epochs(store, fingerprint=fingerprint(store), device="cpu")
    assert [next(steps), next(steps)] == [0, 1]
    steps.close()
    assert again(store) == [0, 1, 2]
    assert digests(store) == whole


def test_saving_within_the_first_epoch_changes_no_weights(finely: Study, trained: Store, tmp_path):
    store = train(finely, home=tmp_path, device="cpu")
    fine, plain = digests(store), digests(trained)
    assert sorted(fine) == [0, 1, 2, 3, 4, 5]
    assert (fine[0], fine[4], fine[5]) == (plain[0], plain[1], plain[2])
    assert len(set(fine.values())) == 5  # of three steps, a tenth and three tenths are both the first
    assert fine[1] == fine[2]
    passes = [read_metrics(store, epoch=number)["passes"] for number in range(6)]
    assert passes == [0, 1 / 3, 1 / 3, 2 / 3, 1, 2]
    assert [read_metrics(trained, epoch=number)["passes"] for number in range(3)] == [0, 1, 2]
    rates = [read_metrics(store, epoch=number)["learning_rate"] for number in range(1, 6)]
    assert rates[0] == rates[1] != rates[2]
    assert rates[3:] == [read_metrics(trained, epoch=number)["learning_rate"] for number in (1, 2)]


class Dropping(nn.Module):
    """A network whose steps draw random numbers, as does settling its normalisation."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pool(self.body(images)).flatten(1))


@pytest.fixture
def dropping(finely: Study) -> Study:
    model = finely.model.model_copy(update={"source": f"{__name__}:Dropping", "arguments": {"num_classes": 3}})
    return finely.model_copy(
        update={"model": model, "activations": finely.activations.model_copy(update={"layers": ("body.2",)})}
    )


@pytest.mark.parametrize("n_done", [1, 2, 3, 4, 5])
def test_training_goes_on_within_the_first_epoch_to_the_very_same_weights(dropping: Study, tmp_path, n_done):
    whole = train(dropping, home=tmp_path / "whole", device="cpu")
    store = register(dropping, home=tmp_path / "stopped")
    numbers = train_epochs(store, fingerprint=fingerprint(store), device="cpu")
    assert [next(numbers) for _ in range(n_done)] == list(range(n_done))
    numbers.close()
    torch.manual_seed(n_done)  # nothing depends on the chance of the process
    assert again(store) == [0, 1, 2, 3, 4, 5]
    assert digests(store) == digests(whole)
    coarse = train(with_training(dropping, save=()), home=tmp_path / "coarse", device="cpu")
    assert [digests(coarse)[number] for number in (0, 1, 2)] == [digests(whole)[number] for number in (0, 4, 5)]


@pytest.mark.parametrize(
    ("save", "message"),
    [
        ((0.5, 0.25), r"training\.save: wanted shares of the first epoch that rise, got \[0\.5, 0\.25\]"),
        ((0.25, 0.25), "that rise"),
        ((0.5, 1.0), "less than 1"),
        ((0.0,), "greater than 0"),
    ],
)
def test_shares_of_the_first_epoch_that_cannot_be(save, message):
    with pytest.raises(ValueError, match=message):
        Training(save=save)
