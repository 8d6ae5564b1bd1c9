"""(i) Training of the built-in network against a plain `DataLoader` loop of the same recipe."""

import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from featcx_core.analyses.training.make import train
from featcx_core.checkpoints.recipe import schedule, settle_normalisation, sgd
from featcx_core.checkpoints.training import NORMALISATION_IMAGES
from featcx_core.images.data import StudyImages, load_data
from featcx_core.networks.models import build_model
from featcx_core.study.fields import Split, Study
from featcx_core.study.files import load_study
from tests.benchmarks.pairs import pairs
from tests.benchmarks.table import Row

EPOCHS = 1


class Digits(Dataset):  # type: ignore[type-arg]
    """Images one by one, normalised as is usual: to [0, 1], less the mean, over the deviation."""

    def __init__(self, data: StudyImages, part: str) -> None:
        self.data, self.rows = data, data.split[part]
        self.mean, self.std = (torch.tensor(x)[:, None, None] for x in (data.mean, data.std))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        row = self.rows[place]
        return (torch.tensor(self.data.images[row]) / 255 - self.mean) / self.std, int(self.data.labels[row])


def measure(device: str) -> list[Row]:
    """Whole trainings: steps, normalisation statistics, evaluation on all images and checkpoints on both sides."""
    default = load_study("mnist")
    fewer = {
        "training": {"epochs": EPOCHS, "save": ()},
        "data": {"split": Split(train=1400, fit=100, score=100, test=200)},
    }
    study = default.model_copy(
        update={part: getattr(default, part).model_copy(update=fields) for part, fields in fewer.items()}
    )
    images = EPOCHS * len(load_data(study).split["train"])

    def ours() -> None:
        train(study, home=Path(tempfile.mkdtemp(prefix="home-")), device=device)

    rows = []
    for workers in (0, 2):
        measured = pairs(ours, _plain(study, device, workers=workers), repeats=2, warm=not rows)
        seconds, peer_seconds = measured.seconds
        rows.append(
            Row(
                "i",
                f"training of the default network, {EPOCHS} epoch of {images // EPOCHS:,} images",
                f"{images / seconds:,.0f} images/s",
                f"{images / peer_seconds:,.0f} images/s (DataLoader loop, {workers} workers)",
                f"{measured.ratio} times faster",
                "≥ 1",
                measured.ratio.median >= 1,
                note="training images over the time of all: steps, statistics, evaluation, checkpoints",
            )
        )
    return rows


def _plain(study: Study, device: str, *, workers: int) -> Callable[[], None]:
    data, size = load_data(study), study.training.batch_size
    folder = tempfile.mkdtemp()

    def whole() -> None:
        model = build_model(study, n_classes=10, image_shape=data.image_shape).to(device)
        keep = {"num_workers": workers, "persistent_workers": workers > 0}
        steps = DataLoader(Digits(data, "train"), size, shuffle=True, drop_last=True, **keep)
        held = [DataLoader(Digits(data, part), 512, **keep) for part in ("train", "test")]
        optimizer = sgd(model, study)
        rate = schedule(optimizer, study, steps=len(steps))
        for epoch in range(EPOCHS + 1):
            if epoch:
                model.train()
                for images, labels in steps:
                    loss = nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    rate.step()
                settle_normalisation(model, (x.to(device) for x, _ in islice(steps, NORMALISATION_IMAGES // size)))
            model.eval()
            with torch.inference_mode():
                for loader in held:
                    sum(int((model(x.to(device)).argmax(1).cpu() == y).sum()) for x, y in loader)
            torch.save(model.state_dict(), Path(folder) / f"{epoch}.pt")

    return whole
