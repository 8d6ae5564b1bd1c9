"""Training: stochastic gradient descent with a checkpoint before the first epoch, at shares of it, and after each.

Cross-entropy; no augmentation but, where the study asks for it, shifts by some pixels; the last, smaller batch of an
epoch is dropped; at each checkpoint the statistics of batch normalisation are set to those of its epoch's first 1,024
images. An epoch's chance (order of the images, shifts, dropout) follows from the study's seed and the epoch's number
alone, and within an epoch the state of the random numbers is kept, so a training that was killed goes on to the very
same weights. They do not depend on which checkpoints are saved.
"""

import logging
import math
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from safetensors.torch import load
from torch import nn

from featcx_core.checkpoints.recipe import schedule, settle_normalisation, sgd, shifted
from featcx_core.checkpoints.state_file import read_state, write_state
from featcx_core.checkpoints.survey import damaged, survey, untrained, write_checkpoint
from featcx_core.images.answers import is_right, losses_of_right
from featcx_core.images.data import StudyImages, batches, load_data, normalised
from featcx_core.images.outputs import ClassOutputs, class_outputs, right_outputs
from featcx_core.networks.models import build_model, on_device, torch_device
from featcx_core.networks.safetensors_files import CheckpointError, inspect_safetensors, refuse_altered
from featcx_core.progress import Progress, silent
from featcx_core.store.damage import Damaged
from featcx_core.store.places import Store
from featcx_core.study.fields import Training

NORMALISATION_IMAGES = 1024
"""Images behind the statistics of batch normalisation; more change nothing that counts."""
logger = logging.getLogger("featcx")


class Stop(NamedTuple):
    """The moment of a checkpoint."""

    epoch: int
    """Epoch in which it is, counted from 1; 0: before training."""
    step: int
    """Steps of that epoch before it."""
    n_steps: int
    """Steps of an epoch."""

    @property
    def passes(self) -> float:
        """Passes over the training images so far."""
        return self.epoch - 1 + self.step / self.n_steps if self.epoch else 0.0


class Evaluation(NamedTuple):
    """Loss and accuracy of a model."""

    loss: float
    """Mean cross-entropy, in nats."""
    accuracy: float
    """Share classified rightly."""


def train_epochs(
    store: Store, *, fingerprint: str, device: str = "auto", progress: Progress | None = None
) -> Iterator[int]:
    """Train, yielding every checkpoint's number, 0 first, once it is committed; those that are there come at once.

    `fingerprint` is that of the training, written into its checkpoints. The state to resume from is written before each
    checkpoint. Training goes on from it when it is of the same training and all earlier checkpoints are there;
    otherwise from the start, to the same weights, up to the last checkpoint that is missing. A damaged one is put aside
    first. One that is there is never written again, nor is one that somebody else put there. The caller holds the
    training's lock.

    Raises ValueError when the loss is not finite, or training again gives other weights than a checkpoint there.
    """
    last, done = store.study.training.last, -1
    run: _Run | None = None
    if todo := untrained(store, fingerprint):
        for epoch in todo:
            if reason := damaged(store, epoch):
                remedy = "training goes there again, to the same weights"
                store.put_aside(store.checkpoint(epoch), reason.partition(" is damaged: ")[2] or reason, remedy=remedy)
        run = _Run(store, torch_device(device), fingerprint)
        done = run.resume(first_missing=todo[0])
    ready = last if run is None or done >= max(todo) else done
    usable = survey(store).digests
    yield from (number for number in range(ready + 1) if number in usable)
    if run is not None:
        for number in (progress or silent)(range(done + 1, max(todo) + 1), desc="training"):
            run.checkpoint(number)
            if number in survey(store).digests:
                yield number
        yield from (number for number in range(max(todo) + 1, last + 1) if ready < last and number in usable)


def stops(training: Training, *, n_steps: int) -> list[Stop]:
    """Return the moments of all checkpoints, in the order of their numbers.

    >>> [(stop.epoch, stop.step) for stop in stops(Training(epochs=2, save=(0.1, 0.5)), n_steps=8)]
    [(0, 0), (1, 1), (1, 4), (1, 8), (2, 8)]
    """
    early = [Stop(1, max(1, round(share * n_steps)), n_steps) for share in training.save]
    return [Stop(0, 0, n_steps), *early, *(Stop(epoch, n_steps, n_steps) for epoch in training.whole)]


def evaluate(
    model: nn.Module,
    data: StudyImages,
    indices: Int[np.ndarray, "image"],
    *,
    outputs: ClassOutputs | None = None,
    batch_size: int = 512,
) -> Evaluation:
    """Loss and accuracy over all outputs in evaluation mode, on the model's own device.

    `outputs`: the outputs of each class; None: a class's own number. The loss is -log of their probability; an image is
    classified rightly where the largest of all outputs is one of its class's.
    """
    device = next(model.parameters()).device
    was_training, loss, right = model.training, 0.0, 0
    targets, batch_size = _targets(data, indices, outputs), data.at_once(batch_size)
    model.eval()
    with torch.inference_mode():
        starts = range(0, len(indices), batch_size)
        for start, images in zip(starts, batches(data, indices, batch_size=batch_size, device=device), strict=True):
            wanted = targets[start : start + batch_size].to(device)
            logits = model(images).float()
            loss += losses_of_right(logits, wanted).sum().item()
            right += int(is_right(logits.argmax(1), wanted).sum())
    model.train(was_training)
    return Evaluation(loss / len(indices), right / len(indices))


class _Run:
    """A training in progress: the model and everything that its next step depends on."""

    def __init__(self, store: Store, device: torch.device, fingerprint: str) -> None:
        study, self.store, self.fingerprint = store.study, store, fingerprint
        self.data = load_data(study)
        self.outputs = class_outputs(study.model, self.data.class_names)
        n_classes, shape = len(self.data.class_names), self.data.image_shape
        model = build_model(study, n_classes=n_classes, image_shape=shape)
        self.model = on_device(model, device)
        rows = self.data.split["train"]
        # Small data lies on the device; what is mapped or decoded is read batch by batch.
        self.pixels = torch.tensor(self.data.images[rows], device=device) if self.data.in_memory else None
        self.labels = _targets(self.data, rows, self.outputs).to(device)
        self.batch_size = min(study.training.batch_size, len(rows))
        self.optimizer = sgd(self.model, study)
        n_steps = len(rows) // self.batch_size
        self.schedule = schedule(self.optimizer, study, steps=n_steps)
        self.stops = stops(study.training, n_steps=n_steps)
        self.chance: dict[str, torch.Tensor] = {}
        self.learning_rate: float | None = None

    def resume(self, *, first_missing: int) -> int:
        """Load the state of the last checkpoint and make sure of its file; -1 to start from the beginning."""
        state = _read_state(self.store)
        if state.get("fingerprint") != self.fingerprint or state["epoch"] > first_missing:
            return -1
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.chance, self.learning_rate = state["chance"], state["metrics"]["learning_rate"]
        self._commit_checkpoint(state["epoch"], state["metrics"])
        return int(state["epoch"])

    def checkpoint(self, number: int) -> None:
        """Train from the last checkpoint to this one (0: not at all) and commit it."""
        stop = self.stops[number]
        if number:
            last = self.stops[number - 1]
            ends = [Stop(epoch, stop.n_steps, stop.n_steps) for epoch in range(max(last.epoch, 1), stop.epoch)]
            for end in [*(end for end in ends if end.passes > last.passes), stop]:
                self._train(last, end)
                last = end
        train, test = (
            evaluate(self.model, self.data, self.data.split[part], outputs=self.outputs) for part in ("train", "test")
        )
        if not (math.isfinite(train.loss) and math.isfinite(test.loss)):
            raise ValueError(
                f"training diverged: the loss after {stop.passes:.3g} epochs is {train.loss}; "
                f"lower training.optimizer.lr, now {self.store.study.training.optimizer.lr}"
            )
        metrics: dict[str, float | None] = {
            "train_loss": train.loss,
            "train_accuracy": train.accuracy,
            "test_loss": test.loss,
            "test_accuracy": test.accuracy,
            "learning_rate": self.learning_rate,
            "passes": stop.passes,
        }
        self._commit_state(number, metrics)
        logger.info("checkpoint %d: held-out accuracy %.4f", number, test.accuracy)
        self._commit_checkpoint(number, metrics)

    def _train(self, last: Stop, stop: Stop) -> None:
        """Take the steps of an epoch from the last checkpoint to this one, and settle the normalisation."""
        device, first_step = self.labels.device, last.step if last.epoch == stop.epoch else 0
        seed = int(np.random.SeedSequence([self.store.study.seed, stop.epoch]).generate_state(1)[0])
        order = torch.randperm(len(self.labels), generator=torch.Generator().manual_seed(seed)).to(device)
        self.model.train()
        starts = range(0, len(order) - self.batch_size + 1, self.batch_size)
        exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, benchmark=False, allow_tf32=False)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), exact:
            torch.manual_seed(seed)  # dropout and the like
            if first_step:
                _set_chance(self.chance)
            for rows, images in self._batches(order, starts[first_step : stop.step]):
                loss = nn.functional.cross_entropy(self.model(images), self.labels[rows])
                self.optimizer.zero_grad()
                torch.autograd.backward(loss)
                self.optimizer.step()
                self.learning_rate = float(self.optimizer.param_groups[0]["lr"])
                self.schedule.step()
            self.chance = _chance(device)  # settling draws numbers, too, which the next steps must not miss
            first = starts[: math.ceil(NORMALISATION_IMAGES / self.batch_size)]
            settle_normalisation(self.model, (images for _, images in self._batches(order, first)))

    def _batches(
        self, order: Int[torch.Tensor, "image"], starts: range
    ) -> Iterator[tuple[Int[torch.Tensor, "_"], Float[torch.Tensor, "_ channel height width"]]]:
        """Rows of the training images in that order, a batch for each start, and their images, shifted where asked."""
        most, black = self.store.study.training.shift, torch.from_numpy(-self.data.mean / self.data.std)
        for rows, images in self._as_they_are(order, starts):
            yield rows, shifted(images, most=most, black=black.to(images.device)) if most else images

    def _as_they_are(
        self, order: Int[torch.Tensor, "image"], starts: range
    ) -> Iterator[tuple[Int[torch.Tensor, "_"], Float[torch.Tensor, "_ channel height width"]]]:
        rows = [order[start : start + self.batch_size] for start in starts]
        if not rows:
            return
        if self.pixels is not None:
            yield from ((part, normalised(self.pixels[part], self.data)) for part in rows)
            return
        indices = self.data.split["train"][torch.cat(rows).cpu().numpy()]
        images = batches(self.data, indices, batch_size=self.batch_size, device=order.device)
        yield from zip(rows, images, strict=True)

    def _commit_state(self, epoch: int, metrics: dict[str, float | None]) -> None:
        state = {
            "fingerprint": self.fingerprint,
            "epoch": epoch,
            "metrics": metrics,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "chance": self.chance,
        }
        content = BytesIO()
        torch.save(state, content)
        write_state(self.store.training_state, content.getvalue())

    def _commit_checkpoint(self, epoch: int, metrics: dict[str, float | None]) -> None:
        """Write the checkpoint unless one is there. Raises ValueError where training gave that one other weights."""
        path, state = self.store.checkpoint(epoch), self.model.state_dict()
        if path.exists():
            try:
                training = inspect_safetensors(path).metadata.get("training")
                if training is None or (training == self.fingerprint and _holds(path, state)):
                    return
            except CheckpointError:
                logger.warning("epoch %d: the checkpoint is corrupt and kept; delete it to have it made again", epoch)
                return
            if training == self.fingerprint:
                lost = ", ".join(map(str, untrained(self.store, self.fingerprint)))
                raise ValueError(
                    f"epoch {epoch}: training again gives other weights than {path} holds, so the checkpoints of "
                    f"epochs {lost or 'none'} are lost; put back {self.store.training_state.name}, or delete "
                    f"{path.parent} to train all of it anew"
                )
        write_checkpoint(path, state, metrics=metrics, made_by=self.fingerprint)


def _chance(device: torch.device) -> dict[str, torch.Tensor]:
    """Return the state of the random numbers, of the CPU and of the device."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def _set_chance(states: Mapping[str, torch.Tensor]) -> None:
    """Set the state of the random numbers, as far as a training on this kind of device has left one."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
    if "mps" in states and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"])


def _targets(
    data: StudyImages, indices: Int[np.ndarray, "image"], outputs: ClassOutputs | None
) -> Int64[torch.Tensor, "image *output"]:
    """The outputs that are right for each image."""
    labels = data.labels[indices]
    return torch.from_numpy(labels if outputs is None else right_outputs(outputs, labels))


def _read_state(store: Store) -> dict[str, Any]:
    """Read the training state; empty where there is none that is as it was written."""
    try:
        content = read_state(store.training_state)
    except (Damaged, OSError) as error:
        reason = error.reason if isinstance(error, Damaged) else str(error)
        store.put_aside(store.training_state, reason, remedy="training starts again, to the same weights")
        return {}
    if content is None:
        return {}
    state: dict[str, Any] = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    return state


def _holds(path: Path, state: Mapping[str, torch.Tensor]) -> bool:
    """Whether a checkpoint holds these very tensors."""
    refuse_altered(path)
    saved = load(path.read_bytes())
    return saved.keys() == state.keys() and all(torch.equal(saved[name], t.cpu()) for name, t in state.items())
