"""Which operands of a block's sums are its branches, and that exactly these are recorded."""

import logging
import shutil

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import relu, scaled_dot_product_attention

from featcx_core.analyses.activations.make import record_activations
from featcx_core.artefacts.making import make
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.features.operands import Operands
from featcx_core.images.data import load_data
from featcx_core.measures.branches import concept_cka
from featcx_core.measures.v_information import v_information
from featcx_core.networks.anatomy import Anatomy, anatomy_text, read_anatomy
from featcx_core.networks.layers import resolve_anatomy
from featcx_core.networks.models import build_model
from featcx_core.store.places import Store
from featcx_core.study.fields import Analyses, Model, Study
from tests.core.features.test_activations import maps, passes
from tests.steps import arrays_of, path_of

EVERYTHING = Analyses(run=("complexity", "importance", "branches"), bootstrap=100)


class Net(nn.Module):
    """One block of the kind that is asked for, between an embedding and a head."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 6, 3, padding=1)
        self.block = BLOCKS[kind]()
        self.fc = nn.Linear(6, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.block(self.embed(images)).mean((2, 3)))


class Twice(Net):
    """The same block a second time, on what it gave."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.block(self.block(self.embed(images))).mean((2, 3)))


class Block(nn.Module):
    """What is common: two convolutions, a projection, and what a subclass makes of them."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.side = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)
        self.shift = nn.Parameter(torch.randn(6, 1, 1))


class InPlace(Block):
    """The sum overwrites the main branch, the ReLU the sum."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        main = self.two(relu(self.one(maps)))
        main += maps
        return main.relu_()


class Projected(Block):
    """The shortcut is a convolution, and stands on the left; a bias and a number are added before."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        main = self.two(relu(self.one(maps) + self.shift) + 1)
        return torch.add(self.side(maps), main)


class Inner(nn.Module):
    """A part that adds by itself."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps + maps.flip(1)


class Nested(Block):
    """A sum inside the main branch comes before the block's own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps + self.two(self.inner(self.one(maps)))


class Mixer(Block):
    """Two sums without attention."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        maps = maps + self.one(maps)
        return self.two(relu(maps)) + maps


class Attending(Block):
    """Attention and another branch of the same input, one after the other added to the stream."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        rows = maps.flatten(2).transpose(1, 2)
        attended = scaled_dot_product_attention(rows, rows, rows).transpose(1, 2).reshape(maps.shape)
        return self.two(relu(self.one(maps))) + (attended + maps)


class Parallel(Block):
    """Two branches, equally deep: nobody can tell which is the shortcut."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.one(maps) + self.side(maps)


BLOCKS: dict[str, type[Block]] = {
    kind.__name__: kind for kind in (InPlace, Projected, Nested, Mixer, Attending, Parallel)
}
FOUND = {  # shortcut, and of each branch: place and operand
    "InPlace": ("identity", {"residual": (0, 1), "main": (0, 0)}),
    "Projected": ("projection", {"residual": (1, 0), "main": (1, 1)}),
    "Nested": ("identity", {"residual": (1, 0), "main": (1, 1)}),
    "Mixer": ("identity", {"residual": (0, 0), "main": (0, 1), "main_2": (1, 0)}),
    "Attending": ("identity", {"residual": (0, 1), "attention": (0, 0), "mlp": (1, 0)}),
    "Parallel": ("projection", {}),
}


def anatomy(kind: str, *, of: str = "Net") -> tuple[nn.Module, Anatomy]:
    study = Study(name="x", model=Model(source=f"{__name__}:{of}", arguments={"kind": kind}))
    model = build_model(study, n_classes=3, image_shape=(3, 8, 8))
    return model.eval(), resolve_anatomy(model, study, image_shape=(3, 8, 8))


def taken(model: nn.Module, found: Anatomy, images: torch.Tensor, *, block: str = "block") -> dict[str, torch.Tensor]:
    """What a block's branches bring."""
    kept: dict[str, torch.Tensor] = {}
    branches = next(row for row in found.layers if row.layer == block).branches
    wanted = [
        (branch, lambda values, name=name: kept.update({name: values.clone()})) for name, branch in branches.items()
    ]
    operands = Operands({block: wanted})
    with torch.inference_mode(), operands.hooked(model), operands:
        model(images)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    return kept


@pytest.mark.parametrize("kind", FOUND)
def test_branches_are_found_whatever_the_block_does(kind: str):
    _, found = anatomy(kind)
    block = next(row for row in found.layers if row.layer == "block")
    places = {name: (branch.place, branch.operand) for name, branch in block.branches.items()}
    assert (block.shortcut, places) == FOUND[kind]
    assert list(places) == list(FOUND[kind][1])
    assert not any(row.branches for row in found.layers if row is not block)


@pytest.mark.parametrize("n_images", [1, 5])
def test_what_is_taken_is_what_was_added(n_images: int):
    images = torch.randn(n_images, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        model, found = anatomy("InPlace")
        given = model.embed(images)
        got = taken(model, found, images)
        assert torch.equal(got["residual"], given)
        torch.testing.assert_close(got["main"], model.block.two(relu(model.block.one(given))))
        assert torch.equal(relu(got["main"] + got["residual"]), model.block(given))
        model, found = anatomy("Attending")
        got = taken(model, found, images)
        torch.testing.assert_close(sum(got.values()), model.block(model.embed(images)))


def test_a_block_that_is_called_twice_has_branches_at_each_call():
    model, found = anatomy("Nested", of="Twice")
    images = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        given = model.embed(images)
        for block in ("block", "block#2"):
            got = taken(model, found, images, block=block)
            assert torch.equal(got["residual"], given)
            given = model.block(given)
            torch.testing.assert_close(got["residual"] + got["main"], given)


def test_a_concept_that_only_the_shortcut_carries():
    """The main branch of the planted block sees half of the channels; the concept lies in the other half."""
    model, found = anatomy("InPlace")
    with torch.no_grad():
        model.block.one.weight[:, 3:] = 0
        model.embed.weight.copy_(torch.eye(3).repeat(2, 1)[:, :, None, None] * (torch.arange(9) == 4).reshape(3, 3))
        model.embed.weight[:3, 2] = model.embed.weight[3:, :2] = 0  # channels 0 to 2 see red and green, 3 to 5 blue
    images = torch.randn(400, 3, 8, 8, generator=torch.Generator().manual_seed(0)) + torch.randn(
        400, 3, 1, 1, generator=torch.Generator().manual_seed(1)
    )
    brought = {name: maps.mean((2, 3)).double() for name, maps in taken(model, found, images).items()}
    concept = images.mean((2, 3))[:, 2:].double()
    cka = {name: concept_cka(acts, concept).unbiased.item() for name, acts in brought.items()}
    assert cka["residual"] > 0.3
    assert abs(cka["main"]) < 0.03
    information = {
        name: v_information(acts[:200], concept[:200], acts[200:], concept[200:]).v_information.item()
        for name, acts in brought.items()
    }
    assert information["residual"] > 0.99
    assert information["main"] < 0.05


@pytest.fixture
def asking(trained: Store) -> Store:
    """The trained study, which asks for the branches."""
    return register(trained.study.model_copy(update={"analyses": EVERYTHING}), home=trained.home)


def test_branches_come_with_the_activations_where_the_study_asks_for_them(asking: Store, caplog):
    caplog.set_level(logging.INFO, logger="featcx")
    for epoch in (0, 1, 2):
        record_activations(asking, epoch=epoch, device="cpu", batch_size=7)
    assert passes(caplog) == [f"forward pass: epoch {epoch}, 120 probe images, 10 layers" for epoch in (0, 1, 2)]
    assert not path_of(asking, "branch_activations", 1, "layer1.0").exists()
    probe = load_data(asking.study).probe
    for block, branch, module in (
        ("layer1.1", "main", "layer1.1.bn2"),
        ("layer2.0", "residual", "layer2.0.shortcut"),
        ("layer3.2", "main", "layer3.2.bn2"),
    ):
        acts = arrays_of(asking, "branch_activations", epoch=2, layer=block)[branch]
        np.testing.assert_allclose(acts[:], maps(asking, probe, module).mean((2, 3)), rtol=1e-3, atol=1e-4)
        assert Snapshot(asking).is_current(Partition("branch_activations", 2, block))
        assert (acts.attrs["layer"], acts.attrs["branch"], acts.attrs["n_fit"]) == (block, branch, 60)
    for before, block in (("layer1.0", "layer1.1"), ("layer3.1", "layer3.2")):
        given = arrays_of(asking, "activations", epoch=2, layer=before)[:]
        np.testing.assert_array_equal(
            arrays_of(asking, "branch_activations", epoch=2, layer=block)["residual"][:], given
        )


def test_only_missing_branches_are_recorded(asking: Store, caplog):
    plain = asking.study.model_copy(update={"analyses": Analyses(run=("complexity", "importance"))})
    record_activations(Store(asking.home, plain), epoch=2, device="cpu")
    stamp = path_of(asking, "activations", 2, "stem").stat().st_mtime_ns
    assert not path_of(asking, "branch_activations", 2, "layer1.0").exists()
    caplog.set_level(logging.INFO, logger="featcx")
    caplog.clear()
    assert len(make(asking, "branch_activations", epoch=2, device="cpu")) == 9
    assert make(asking, "branch_activations", epoch=2, device="cpu") == []
    assert passes(caplog) == ["forward pass: epoch 2, 120 probe images, 9 layers"]
    shutil.rmtree(path_of(asking, "branch_activations", 2, "layer1.0"))
    other = path_of(asking, "branch_activations", 2, "layer1.1").stat().st_mtime_ns
    assert len(make(asking, "branch_activations", epoch=2, device="cpu")) == 1
    shutil.rmtree(path_of(asking, "branch_activations", 2, "layer1.0"))
    record_activations(asking, epoch=2, device="cpu")  # what lacks comes with the activations
    assert Snapshot(asking).is_current(Partition("branch_activations", 2, "layer1.0"))
    assert path_of(asking, "branch_activations", 2, "layer1.1").stat().st_mtime_ns == other
    assert path_of(asking, "activations", 2, "stem").stat().st_mtime_ns == stamp
    assert record_activations(asking, epoch=2, device="cpu") == []


def test_no_branch_is_there(trained: Store):
    with pytest.raises(ValueError, match=r"epoch 1, layer layer1\.0: no branch_activations yet at "):
        arrays_of(trained, "branch_activations", epoch=1, layer="layer1.0")["main"]


def test_an_anatomy_without_branches_is_found_anew_and_makes_nothing_else_stale(trained: Store):
    record_activations(trained, epoch=2, device="cpu")
    fresh = trained.anatomy
    rows = tuple(row.model_copy(update={"branches": {}}) for row in fresh.layers)
    old = fresh.model_copy(update={"made_from": "older", "layers": rows})
    trained.layers_path.write_text(anatomy_text(old))
    before = {p for p in Snapshot(trained).current if p.artefact != "branch_activations"}
    register(trained.study, home=trained.home)
    assert read_anatomy(trained.layers_path) == fresh
    assert {p for p in Snapshot(trained).current if p.artefact != "branch_activations"} == before
