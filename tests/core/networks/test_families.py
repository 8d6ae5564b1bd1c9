"""One small member of each family, with random weights: its layers are known, and the head reads exactly the last one."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from featcx_core.features.forward import by_position, pooled, pooled_branch, samples
from featcx_core.features.operands import Operands, Take
from featcx_core.networks.anatomy import Anatomy, Branch, Layer
from featcx_core.networks.models import build_model
from featcx_core.study.fields import StudyError
from tests.core.networks.small import SMALL_COLOUR, SMALL_VIT, VIT, anatomy, study
from tests.families import TIMM, TORCHVISION, Family, layer_rows

LIGHT = [member for member in TIMM if member.family not in ("VGG", "DenseNet", "EfficientNet", "ResNet")]


RESNET50 = ["relu", *(f"layer{s}.{b}" for s, n in ((1, 3), (2, 4), (3, 6), (4, 3)) for b in range(n))]


NAMES = {
    "torchvision:resnet18": ["relu", *(f"layer{s}.{b}" for s in (1, 2, 3, 4) for b in (0, 1))],
    "torchvision:resnext50_32x4d": RESNET50,
    "torchvision:wide_resnet50_2": RESNET50,
    "torchvision:regnet_y_400mf": [
        "stem",
        *(f"trunk_output.block{s}.block{s}-{b}" for s, n in ((1, 1), (2, 3), (3, 6), (4, 6)) for b in range(n)),
    ],
    "torchvision:vgg11": [*(f"features.{i}" for i in (1, 4, 7, 9, 12, 14, 17, 19)), "classifier.4"],
    "torchvision:densenet121": [
        "features.relu0",
        *(f"features.{part}{i}" for i in (1, 2, 3) for part in ("denseblock", "transition")),
        "features.norm5",
    ],
    "torchvision:mobilenet_v2": [f"features.{i}" for i in range(19)],
    "torchvision:mobilenet_v3_small": [*(f"features.{i}" for i in range(12)), "classifier.1"],
    "torchvision:efficientnet_b0": [
        "features.0",
        *(f"features.{s}.{b}" for s, n in enumerate((1, 2, 2, 3, 3, 4, 1), start=1) for b in range(n)),
        "features.8",
    ],
    "torchvision:convnext_tiny": [
        "features.0",
        *(f"features.{s}.{b}" for s, n in ((1, 3), (3, 3), (5, 9), (7, 3)) for b in range(n)),
        "classifier.0",
    ],
    "torchvision:vit_b_16": ["conv_proj", *(f"encoder.layers.encoder_layer_{i}" for i in range(12)), "encoder.ln"],
    "torchvision:swin_t": [
        "features.0",
        *(f"features.{s}.{b}" for s, n in ((1, 2), (3, 2), (5, 6), (7, 2)) for b in range(n)),
        "norm",
    ],
}
"""Layers in forward order; the last one is what the head reads."""


READ = {
    "torchvision:resnet18": ("fc", "channels_first", (2, 2), 512),
    "torchvision:resnext50_32x4d": ("fc", "channels_first", (2, 2), 2048),
    "torchvision:wide_resnet50_2": ("fc", "channels_first", (2, 2), 2048),
    "torchvision:regnet_y_400mf": ("fc", "channels_first", (2, 2), 440),
    "torchvision:vgg11": ("classifier.6", "vector", (1, 1), 4096),
    "torchvision:densenet121": ("classifier", "channels_first", (2, 2), 1024),
    "torchvision:mobilenet_v2": ("classifier.1", "channels_first", (2, 2), 1280),
    "torchvision:mobilenet_v3_small": ("classifier.3", "vector", (1, 1), 1024),
    "torchvision:efficientnet_b0": ("classifier.1", "channels_first", (2, 2), 1280),
    "torchvision:convnext_tiny": ("classifier.2", "channels_first", (1, 1), 768),
    "torchvision:vit_b_16": ("heads.head", "class_token", (2, 2), 768),
    "torchvision:swin_t": ("head", "channels_last", (2, 2), 768),
}
"""Head, and of what it reads: layout, positions, units."""


SHORTCUTS = {  # identity, projection, and blocks that add nothing
    "torchvision:resnet18": (5, 3, 0),
    "torchvision:resnext50_32x4d": (12, 4, 0),
    "torchvision:wide_resnet50_2": (12, 4, 0),
    "torchvision:regnet_y_400mf": (12, 4, 0),
    "torchvision:mobilenet_v2": (10, 0, 7),
    "torchvision:mobilenet_v3_small": (6, 0, 5),
    "torchvision:efficientnet_b0": (9, 0, 7),
    "torchvision:convnext_tiny": (18, 0, 0),
    "torchvision:vit_b_16": (12, 0, 0),
    "torchvision:swin_t": (12, 0, 0),
}


MAIN, ATTENTION = ("residual", "main"), ("residual", "attention", "mlp")


BRANCHES = {
    **{f"torchvision:{name}": MAIN for name in ("resnet18", "regnet_y_400mf", "mobilenet_v2", "mobilenet_v3_small")},
    **{f"torchvision:{name}": MAIN for name in ("efficientnet_b0", "convnext_tiny")},
    **{f"timm:{name}": MAIN for name in ("regnety_002", "mobilenetv2_035", "mobilenetv3_small_050", "convnext_atto")},
    "torchvision:vit_b_16": ATTENTION,
    "torchvision:swin_t": ATTENTION,
    "timm:vit_tiny_patch16_224": ATTENTION,
    "timm:swin_tiny_patch4_window7_224": ATTENTION,
}


RELU_AFTER_THE_SUM = ("torchvision:resnet18", "torchvision:regnet_y_400mf", "timm:regnety_002")


class Seen:
    """A network, what was found in it, and what its layers and branches give for two images."""

    def __init__(self, family: Family) -> None:
        model = family.build()
        self.anatomy: Anatomy = family.anatomy(model)
        self.acts: dict[str, torch.Tensor] = {}
        self.positions: dict[str, torch.Tensor] = {}
        self.outputs: dict[str, torch.Tensor] = {}
        self.branches: dict[str, dict[str, torch.Tensor]] = {row.layer: {} for row in self.anatomy.layers}
        operands = Operands({row.layer: list(self._keeping(row)) for row in self.anatomy.layers if row.branches})
        for row in self.anatomy.layers:
            model.get_submodule(row.layer).register_forward_hook(self._taking(row))
        images = torch.randn(2, *family.image_shape, generator=torch.Generator().manual_seed(2))
        with torch.inference_mode():
            with operands.hooked(model), operands:
                logits = model(images)
            head = model.get_submodule(self.anatomy.head)
            self.last = next(row for row in self.anatomy.layers if row.role == "penultimate")
            self.error = float((self.acts[self.last.layer] @ head.weight.T + head.bias - logits).abs().max())
            self.spread = float(logits.std())

    def _keeping(self, row: Layer) -> Iterator[tuple[Branch, Take]]:
        for name, branch in row.branches.items():
            reduce, kept = pooled_branch(row, "gap"), self.branches[row.layer]
            yield branch, lambda values, name=name, reduce=reduce, kept=kept: kept.update({name: reduce(values)})

    def _taking(self, row: Layer) -> Callable[..., None]:
        def take(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
            if row.layer not in self.acts:
                self.acts[row.layer] = pooled(row, "gap")(output)
                self.positions[row.layer] = by_position(row)(output)
                self.outputs[row.layer] = output.clone()

        return take


@cache
def seen(family: str) -> Seen:
    return Seen(next(member for member in (*TORCHVISION, *TIMM) if member.source == family))


@pytest.mark.parametrize("source", BRANCHES)
def test_branches_of_a_family_are_what_its_blocks_add_up(source):
    found = seen(source)
    for row in found.anatomy.layers:
        assert tuple(row.branches) == (BRANCHES[source] if row.shortcut else ())
        if row.shortcut and source not in RELU_AFTER_THE_SUM:
            total = torch.stack([found.branches[row.layer][name] for name in row.branches]).sum(0)
            torch.testing.assert_close(total, found.acts[row.layer], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("source", NAMES)
def test_layers_and_head_of_a_family(source):
    found = seen(source).anatomy
    assert found.names == found.in_complexity == NAMES[source]
    last = found.layers[-1]
    assert (found.head, last.layout, (last.height, last.width), last.units) == READ[source]
    assert last.role == "penultimate"
    assert last.rectified == (source == "torchvision:densenet121")
    assert found.n_classes == 3


@pytest.mark.parametrize("source", NAMES)
def test_what_the_head_reads_goes_below_zero_unless_after_a_relu(source):
    signed = {f"torchvision:{name}" for name in ("mobilenet_v3_small", "efficientnet_b0", "convnext_tiny")}
    assert seen(source).anatomy.signed == (source in signed | {"torchvision:vit_b_16", "torchvision:swin_t"})
    assert (seen(source).positions[seen(source).last.layer] < 0).any() == seen(source).anatomy.signed


@pytest.mark.parametrize("source", SHORTCUTS)
def test_stem_and_blocks_of_a_family(source):
    rows = seen(source).anatomy.layers
    assert [row.role for row in rows] == ["stem", *["block"] * (len(rows) - 2), "penultimate"]
    blocks = [row for row in rows if row.kind == rows[1].kind]
    counts = Counter(row.shortcut for row in blocks)
    assert (counts["identity"], counts["projection"], counts[""]) == SHORTCUTS[source]
    assert all(row.height == row.width for row in rows)
    assert [row.height for row in blocks] == sorted((row.height for row in blocks), reverse=True)


@pytest.mark.parametrize("source", ["torchvision:vgg11", "torchvision:densenet121"])
def test_without_blocks_the_stages_count(source):
    rows = seen(source).anatomy.layers
    assert {row.role for row in rows[:-1]} == {"other"}
    assert {row.shortcut for row in rows} == {""}


@pytest.mark.parametrize("source", [member.source for member in (*TORCHVISION, *LIGHT)])
def test_what_the_head_reads_gives_the_logits(source):
    network = seen(source)
    assert network.spread > 1e-3
    assert network.error < 1e-4 * max(1.0, network.spread)
    for row in network.anatomy.layers:
        acts, positions = network.acts[row.layer], network.positions[row.layer]
        assert acts.shape == (2, row.units)
        assert positions.shape == (2, row.height * row.width, row.units)
        if row.layout != "class_token":
            torch.testing.assert_close(acts, positions.mean(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("source", [member.source for member in LIGHT])
def test_blocks_of_timm_networks(source):
    family, found = next(member.family for member in TIMM if member.source == source), seen(source).anatomy
    last = found.layers[-1]
    assert last.layout == READ_BY_FAMILY[family] or last.height * last.width == 1
    assert last.role == "penultimate"
    roles = [row.role for row in found.layers]
    n_blocks, stem = BLOCKS[source]
    assert roles == ["stem", *["block"] * (len(roles) - 2), "penultimate"]
    assert (sum(row.kind != last.kind for row in found.layers[1:]) or len(roles) - 1, found.names[0]) == (
        n_blocks,
        stem,
    )


BLOCKS = {
    "timm:regnety_002": (13, "stem"),
    "timm:mobilenetv2_035": (17, "bn1"),
    "timm:mobilenetv3_small_050": (12, "bn1"),
    "timm:convnext_atto": (12, "stem"),
    "timm:vit_tiny_patch16_224": (12, "patch_embed.proj"),
    "timm:swin_tiny_patch4_window7_224": (12, "patch_embed"),
}
"""How many, and the stem."""


READ_BY_FAMILY = {member.family: READ[member.source][1] for member in TORCHVISION}


def test_tokens_and_channels_lie_where_the_rows_say():
    vit = seen("torchvision:vit_b_16")
    torch.testing.assert_close(vit.acts["encoder.ln"], vit.outputs["encoder.ln"][:, 0])
    torch.testing.assert_close(vit.positions["encoder.ln"], vit.outputs["encoder.ln"][:, 1:])
    block = vit.anatomy.layers[1]
    assert (block.layout, block.height, block.width, block.units) == ("class_token", 2, 2, 768)
    torch.testing.assert_close(
        pooled(block, "grid:2")(vit.outputs[block.layer])[:, ::4], vit.outputs[block.layer][:, 1]
    )
    swin = seen("torchvision:swin_t")
    for network in (vit, swin):  # the dictionary's samples are of what the head reads
        read = network.anatomy.layers[-1]
        given = samples(read)(network.outputs[read.layer])
        assert given.shape == (2, read.n_samples, read.units)
        torch.testing.assert_close(given.mean(1), network.acts[read.layer], rtol=1e-4, atol=1e-5)
    first = swin.anatomy.layers[1]
    assert (first.layout, first.height, first.width, first.units) == ("channels_last", 16, 16, 96)
    torch.testing.assert_close(swin.acts[first.layer], swin.outputs[first.layer].mean((1, 2)))
    dense = seen("torchvision:densenet121")
    assert dense.outputs["features.norm5"].min() < 0 <= dense.positions["features.norm5"].min()


def test_what_the_head_reads_is_no_coincidence_of_initial_weights():
    """Batch normalisation starts as all but the identity, and here activations shrink to 1e-9: all look alike."""
    found = anatomy(study("torchvision:mnasnet0_5"), (3, 64, 64)).layers[-1]
    assert (found.layer, found.rectified) == ("layers.16", False)


def test_the_table_of_families():
    _, _, row = layer_rows([Family("ours", "builtin:small_resnet", 8)])
    assert row == (
        "| ours | `builtin:small_resnet` | 10 | stem | 9 BasicBlock | 7 identity, 2 projection | 9 x residual, main | "
        "layer3.2 | channels_first, 2 x 2 | 64 | fc |"
    )


def test_the_page_of_families_has_them_all():
    page = (Path(__file__).parents[3] / "docs" / "families.md").read_text(encoding="utf-8")
    assert [
        member.source for member in (*TORCHVISION, *TIMM) if f"| {member.family} | `{member.source}` |" not in page
    ] == []


def test_a_transformer_is_told_the_images_size_unless_the_study_does():
    with pytest.raises(StudyError, match=r"refuses images of 3 x 12 x 12 .*Expected 224 but got 12"):
        anatomy(study(VIT, image_size=224, **SMALL_VIT), SMALL_COLOUR)
    own = study("torchvision:vit_b_16", image_size=48)
    model = build_model(own, n_classes=3, image_shape=(3, 32, 32), is_filled=True)
    assert (model.image_size, seen("torchvision:vit_b_16").anatomy.image_shape) == (48, (3, 32, 32))
