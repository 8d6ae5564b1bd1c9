"""One small member of each family of networks, with random weights.

Run as a module, a page of what is found in each (docs/families.md) and, with `--analyse`, how its whole analysis went.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

import featcx_core as fx
from featcx_core.networks.anatomy import Anatomy
from featcx_core.networks.layers import resolve_anatomy
from featcx_core.networks.models import build_model
from featcx_core.study.fields import Model, Study

N_CLASSES = 3


class Family(NamedTuple):
    """A member of a family."""

    family: str
    source: str
    side: int = 64
    arguments: dict[str, Any] = {}  # noqa: RUF012 - never changed

    @property
    def study(self) -> Study:
        return Study(name="family", model=Model(source=self.source, arguments=self.arguments))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return (3, self.side, self.side)

    def build(self) -> nn.Module:
        """The network; what it initialises with zeros is random, or its logits would be the same for all images."""
        model = build_model(self.study, n_classes=N_CLASSES, image_shape=self.image_shape).eval()
        generator = torch.Generator().manual_seed(1)
        for parameter in model.parameters():
            if not parameter.detach().any():
                nn.init.normal_(parameter, std=0.1, generator=generator)
        return model

    def anatomy(self, model: nn.Module) -> Anatomy:
        return resolve_anatomy(model, self.study, image_shape=self.image_shape)


TORCHVISION = (
    Family("ResNet", "torchvision:resnet18"),
    Family("ResNeXt", "torchvision:resnext50_32x4d"),
    Family("WideResNet", "torchvision:wide_resnet50_2"),
    Family("RegNet", "torchvision:regnet_y_400mf"),
    Family("VGG", "torchvision:vgg11", 32),
    Family("DenseNet", "torchvision:densenet121"),
    Family("MobileNetV2", "torchvision:mobilenet_v2"),
    Family("MobileNetV3", "torchvision:mobilenet_v3_small"),
    Family("EfficientNet", "torchvision:efficientnet_b0"),
    Family("ConvNeXt", "torchvision:convnext_tiny"),
    Family("ViT", "torchvision:vit_b_16", 32),
    Family("Swin", "torchvision:swin_t"),
)
TIMM = (
    Family("ResNet", "timm:resnet10t"),
    Family("RegNet", "timm:regnety_002"),
    Family("VGG", "timm:vgg11_bn", 32),
    Family("DenseNet", "timm:densenet121"),
    Family("MobileNetV2", "timm:mobilenetv2_035"),
    Family("MobileNetV3", "timm:mobilenetv3_small_050"),
    Family("EfficientNet", "timm:efficientnet_b0"),
    Family("ConvNeXt", "timm:convnext_atto"),
    Family("ViT", "timm:vit_tiny_patch16_224"),
    Family("Swin", "timm:swin_tiny_patch4_window7_224"),
)

STUDY = """\
name = "family"

[data]
source = "packaged:mnist5k"
split = {train = 100, fit = 40, score = 40, test = 20}
transform = {crop = 64, channels = 3}

[model]
source = "SOURCE"

[training]
epochs = 1
save = []
optimizer = {lr = 0.01}
batch_size = 20

[dictionary]
atoms_per_class = 5

[sensitivity]
images = 10
draws = 2
"""
"""What is analysed, of every network the same; SOURCE is its name."""

PAGE = """\
# Families of networks

Made by `python -m tests.families --analyse`, with random weights and for {n_classes} classes. Nothing below is known to
featcx by name: the rules are in [methods.md](methods.md#images-and-layers).

## What is found

Colour images of 64 x 64 pixels (32 x 32 for VGG, and ViT of torchvision). A shortcut is `identity` where a block adds
what it was given, `projection` where it adds something made of that; the others add nothing. Branches are the operands
of these sums, found in the pass; where blocks differ, how many have which.

{found}
"""
ANALYSES = """
## The whole analysis

`featcx run` on this study of 200 digits ({where}): training for one epoch, then everything at
epochs 0 (random weights) and 1. The dictionary's method is what `auto` chose. After one epoch on 100 images the numbers
say nothing about a family, only that they are there. The seconds are those of the command, start included.

```toml
{study}```

{analysed}
"""


def layer_rows(families: Iterable[Family]) -> Iterator[str]:
    """One row per network: what is found in it."""
    yield "| family | model | layers | stem | blocks | shortcuts | branches | penultimate | read as | units | head |"
    yield "|" + "---|" * 11
    for family in families:
        model = family.build()
        anatomy = family.anatomy(model)
        last = next(row for row in anatomy.layers if row.role == "penultimate")
        blocks = [row for row in anatomy.layers if row.kind in {r.kind for r in anatomy.layers if r.role == "block"}]
        kinds = ", ".join(sorted({row.kind for row in blocks}))
        counts = Counter(row.shortcut for row in blocks if row.shortcut)
        shortcuts = ", ".join(f"{n} {shortcut}" for shortcut, n in sorted(counts.items()))
        named = Counter(", ".join(row.branches) for row in blocks if row.branches)
        branches = "; ".join(f"{n} x {names}" for names, n in sorted(named.items()))
        stem = next((row.layer for row in anatomy.layers if row.role == "stem"), "–")
        way = f"{last.layout}{', after a ReLU' if last.rectified else ''}, {last.height} x {last.width}"
        yield (
            f"| {family.family} | `{family.source}` | {len(anatomy.layers)} | {stem} | "
            f"{f'{len(blocks)} {kinds}' if blocks else '– (stages)'} | "
            f"{shortcuts or '–'} | {branches or '–'} | "
            f"{last.layer} | {way} | {last.units} | {anatomy.head} |"
        )


def analysis_rows(families: Iterable[Family]) -> Iterator[str]:
    """One row per network: how its whole analysis went."""
    yield "| family | model | ends in a report | seconds | dictionary | predictions kept, epochs 0, 1 | K, epoch 1 | alive |"
    yield "|" + "---|" * 8
    for family in families:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "family.toml"
            path.write_text(STUDY.replace("SOURCE", family.source))
            home = Path(folder) / "home"
            started = time.perf_counter()
            done = _run(path, home=home)
            seconds = time.perf_counter() - started
            is_whole = not done.returncode and (home / "family" / "report" / "index.html").is_file()
            values = _numbers(home) if is_whole else [f"{done.stderr.strip().splitlines()[-1]}", "", "", ""]
            ended = "yes" if is_whole else "**no**"
            yield f"| {family.family} | `{family.source}` | {ended} | {seconds:.0f} | {' | '.join(values)} |"


def _run(study: Path, *, home: Path) -> "subprocess.CompletedProcess[str]":
    """`featcx run` of this Python, on the CPU."""
    code = "from featcx_assets.cli import main; main()"
    environment = {**os.environ, "FEATCX_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    command = [sys.executable, "-c", code, "run", str(study), "--device", "cpu"]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def _numbers(home: Path) -> list[str]:
    """Method, predictions kept, range of K, concepts alive."""
    study = fx.open_study("family", home=home)
    dictionaries = study.table("dictionaries").sort_values("epoch")
    k = study.table("complexity").query("epoch == 1 and kind == 'concept'")["complexity"].dropna()
    kept = ", ".join(f"{100 * share:.0f} %" for share in dictionaries["predictions_kept_fraction"])
    methods = ", ".join(f"`{method}`" for method in dictionaries["method"].unique())
    spread = f"{k.min():.2f} … {k.max():.2f}" if len(k) else "–"
    return [methods, kept, spread, f"{len(k)} of {dictionaries['n_concepts'].iloc[-1]}"]


def _printed(lines: Iterator[str]) -> str:
    """The lines, told on stderr as they come."""
    told = []
    for line in lines:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - its job
        told.append(line)
    return "\n".join(told)


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.families", description=__doc__)
    parser.add_argument("--analyse", action="store_true", help="Run the whole analysis of each.")
    parser.add_argument("--only", default="", help="Networks whose name holds this.")
    chosen = parser.parse_args()
    families = [family for family in (*TORCHVISION, *TIMM) if chosen.only in family.source]
    page = PAGE.format(n_classes=N_CLASSES, found=_printed(layer_rows(families)))
    if chosen.analyse:
        where = f"{os.cpu_count()} cores, no GPU, torch {torch.__version__.partition('+')[0]}"
        page += ANALYSES.format(where=where, study=STUDY, analysed=_printed(analysis_rows(families)))
    print(page, end="")  # noqa: T201 - its job


if __name__ == "__main__":
    main()
