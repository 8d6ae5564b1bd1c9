"""(e) Peak memory of extraction, codes and V-information at 10,000 and at 40,000 images.

Each size runs in a process of its own (`python -m tests.benchmarks.memory IMAGES DEVICE`). Counted is what the process
itself allocates: pages of files that are mapped, the source images among them, belong to the system. The C library
keeps blocks that were freed, more or fewer from run to run (100 MB either way); here it is told to give back what is
larger than 1 MB, so that what is counted is what is in use.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from tests.benchmarks.table import Row

SIZES = (10_000, 40_000)
SMALL = {"widths": [8, 16, 32], "blocks": 2}
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "1000000", "MALLOC_TRIM_THRESHOLD_": "1000000"}


def measure(device: str) -> list[Row]:
    """The peaks, beyond what the process holds once the libraries are loaded."""
    found = {}
    for size in SIZES:
        command = [sys.executable, "-m", "tests.benchmarks.memory", str(size), device]
        environment = {**os.environ, **GIVE_BACK}
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        found[size] = json.loads(output.splitlines()[-1])
    small, large = (max(found[size]["peaks"].values()) for size in SIZES)
    first, last = (found[size]["peaks"] for size in SIZES)
    steps = "; ".join(f"{name} {first[name]:.0f} and {last[name]:.0f}" for name in first)
    return [
        Row(
            "e",
            f"peak memory of extraction, codes and V-information, {SIZES[1]:,} images against {SIZES[0]:,}",
            f"{large:.0f} MB",
            f"{small:.0f} MB (at {SIZES[0]:,})",
            f"{large / small:.3f} times",
            "≤ 1.1",
            large / small <= 1.1,
            note=f"MB at both sizes: {steps}; {found[SIZES[0]]['idle']:.0f} MB are the libraries; built-in network at 48 px, "
            "7 layers, 100 concepts",
        )
    ]


class Peak:
    """The largest anonymous memory of this process while it is watched, in MB (Linux)."""

    def __init__(self) -> None:
        self.value, self.ended = anonymous_megabytes(), threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while not self.ended.wait(0.005):
            self.value = max(self.value, anonymous_megabytes())

    def end(self) -> float:
        """Stop watching; the peak."""
        self.ended.set()
        self.thread.join()
        return self.value


def anonymous_megabytes() -> float:
    """Memory that the process has allocated."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("wanted RssAnon in /proc/self/status, which Linux has since 4.5")


def _child(size: int, device: str) -> None:
    from featcx_core.artefacts.making import make
    from tests.benchmarks.inputs import study_on_noise

    source = "builtin:small_resnet"
    store = study_on_noise(source=source, side=48, channels=1, classes=10, train=1000, probe=size, arguments=SMALL)
    make(store, "dictionary", epoch=0, device=device)
    idle, peaks = anonymous_megabytes(), {}
    for step, name in {"extraction": "activations", "codes": "codes", "V-information": "v_information"}.items():
        watched = Peak()
        make(store, name, epoch=0, inputs=False, device=device)
        peaks[step] = watched.end()
    sys.stdout.write(json.dumps({"idle": idle, "peaks": peaks}))


if __name__ == "__main__":
    _child(int(sys.argv[1]), sys.argv[2])
