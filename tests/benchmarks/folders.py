"""(k) Extraction from a folder of JPEG files: peak memory at 100 and at 800 files, and the time it waits for them.

The files are crops of scikit-learn's two photographs (320 to 640 pixels wide), resized and cropped to 224 when they are
read. Memory is counted as in part (e), each size in a process of its own: `python -m tests.benchmarks.folders FILES
NETWORK DEVICE`. A second, smaller network shows when decoding is what one waits for.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from tests.benchmarks.memory import GIVE_BACK, Peak, anonymous_megabytes
from tests.benchmarks.table import Row
from tests.photographs import crop, photographs

SIZES = (100, 800)
NETWORKS = {"torchvision:resnet18": "ResNet-18", "torchvision:shufflenet_v2_x0_5": "ShuffleNetV2 x0.5"}


def measure(device: str) -> list[Row]:
    """Peaks at both sizes, and the shares of time."""
    rows = []
    for source, name in NETWORKS.items():
        small, large = (_measured(size, source, device) for size in SIZES)
        ratio = large["peak"] / small["peak"]
        what = f"{SIZES[1]:,} JPEG files, {name} at 224 px"
        rows.append(
            Row(
                "k",
                f"peak memory of extraction, {what}, against {SIZES[0]} files",
                f"{large['peak']:.0f} MB",
                f"{small['peak']:.0f} MB (at {SIZES[0]})",
                f"{ratio:.3f} times",
                "≤ 1.1",
                ratio <= 1.1,
                note=f"{small['idle']:.0f} MB are the libraries and the network's tables",
            )
        )
        waited = large["waited"]
        wanted = {"wanted": "≤ 10 %", "reached": waited <= 10} if name == "ResNet-18" else {}
        rows.append(
            Row(
                "k",
                f"share of time waiting for decoded images, {what}",
                f"{waited:.0f} %",
                note=f"{SIZES[1] / large['seconds']:.0f} images/s in all, {large['threads']} threads decode",
                **wanted,
            )
        )
    return rows


def _measured(size: int, source: str, device: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.folders", str(size), source, device]
    output = subprocess.run(command, env={**os.environ, **GIVE_BACK}, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


class _Waiting(logging.Handler):
    """Keeps what `featcx_core.images.decoding` says at the end of a pass."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "waiting for data" in record.msg and isinstance(record.args, tuple):
            self.shares.append(float(str(record.args[-1])))


def _child(size: int, source: str, device: str) -> None:
    from featcx_core.analyses.activations.make import record_activations
    from featcx_core.artefacts.making import make
    from featcx_core.artefacts.register import register
    from featcx_core.checkpoints.survey import write_checkpoint
    from featcx_core.images.data import probe_digest
    from featcx_core.images.decoding import N_THREADS
    from featcx_core.networks.models import build_model
    from featcx_core.study.fields import Study

    folder = Path(tempfile.mkdtemp(prefix="photographs-"))
    n = _write(folder / "images", size + 100)
    part = (n - 100) // 2
    study = Study.model_validate(
        {
            "name": "photographs",
            "data": {
                "source": f"folder:{folder / 'images'}",
                "split": {"train": 60, "fit": part, "score": part, "test": 40},
                "transform": {"resize": 256, "crop": 224, "interpolation": "bicubic"},
            },
            "model": {"source": source},
        }
    )
    store = register(study, home=folder / "home")
    model = build_model(study, n_classes=2, image_shape=(3, 224, 224))
    write_checkpoint(store.checkpoint(1), model.state_dict(), metrics={"test_loss": 1.0}, made_by="")
    del model
    make(store, "checkpoint", epoch=1, device=device)
    probe_digest(study)  # a pass of its own over the files, once a process
    waiting, idle = _Waiting(), anonymous_megabytes()
    logger = logging.getLogger("featcx")
    logger.setLevel(logging.INFO)
    logger.addHandler(waiting)
    watched, started = Peak(), perf_counter()
    record_activations(store, epoch=1, device=device)
    found = {"idle": idle, "peak": watched.end(), "seconds": perf_counter() - started, "threads": N_THREADS}
    sys.stdout.write(json.dumps({**found, "waited": waiting.shares[-1]}))


def _write(folder: Path, n: int) -> int:
    """Crops of two photographs, a class each; gives how many."""
    for photograph in photographs()[:2]:
        (folder / photograph.name).mkdir(parents=True)
        chance = np.random.default_rng(0)
        for i in range(n // 2):
            crop(photograph, chance).save(folder / photograph.name / f"{i:04}.jpg", quality=95)
    return n // 2 * 2


if __name__ == "__main__":
    _child(int(sys.argv[1]), sys.argv[2], sys.argv[3])
