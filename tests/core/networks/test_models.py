import pytest
import torch
from torch import nn

from featcx_core.artefacts.register import register
from featcx_core.networks.anatomy import Anatomy, read_anatomy
from featcx_core.networks.layers import resolve_anatomy
from featcx_core.networks.models import build_model
from featcx_core.study.fields import Activations, Model, Study, StudyError
from featcx_core.study.files import load_study, packaged_studies

GRAY, COLOUR = (1, 12, 12), (3, 64, 64)


def study(source: str = "builtin:small_resnet", *, layers=("auto",), pooling="gap", seed=0, **arguments) -> Study:
    chosen = "auto" if layers == ("auto",) else layers
    model = Model(source=source, arguments=arguments)
    return Study(name="x", seed=seed, model=model, activations=Activations(layers=chosen, pooling=pooling))


def anatomy(of: Study, shape=GRAY) -> Anatomy:
    return resolve_anatomy(build_model(of, n_classes=3, image_shape=shape), of, image_shape=shape)


def table(found: Anatomy) -> list[tuple[str, str, int]]:
    return [(row.layer, row.role, row.units) for row in found.layers]


def test_the_packaged_anatomy_is_what_is_found():
    mnist = load_study("mnist")
    model = build_model(mnist, n_classes=10, image_shape=(1, 28, 28))
    packaged = read_anatomy(packaged_studies()["mnist"].with_suffix(".layers.json"))
    assert resolve_anatomy(model, mnist, image_shape=(1, 28, 28)) == packaged
    assert packaged.names == ["stem", *(f"layer{s}.{b}" for s in (1, 2, 3) for b in range(3))]
    assert [row.units for row in packaged.layers] == [16] * 4 + [32] * 3 + [64] * 3
    assert [(row.height, row.width) for row in packaged.layers] == [(28, 28)] * 4 + [(14, 14)] * 3 + [(7, 7)] * 3
    assert packaged.in_complexity == packaged.names
    assert (packaged.penultimate, packaged.head, packaged.n_classes) == ("layer3.2", "fc", 10)
    assert [row.layer for row in packaged.layers if row.shortcut == "projection"] == ["layer2.0", "layer3.0"]


def test_initial_weights_follow_from_the_seed_alone_and_leave_global_chance_alone():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = build_model(study(), n_classes=3, image_shape=GRAY).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    two = build_model(study(), n_classes=3, image_shape=GRAY).state_dict()
    other = build_model(study(seed=1), n_classes=3, image_shape=GRAY).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["fc.weight"], other["fc.weight"])


@pytest.mark.parametrize("source", ["builtin:small_resnet", "torchvision:resnet18", "torchvision:maxvit_t"])
def test_a_network_that_is_filled_next_is_the_same_once_it_is(source: str):
    of = study(source, **({"input_size": (224, 224)} if "maxvit" in source else {}))
    shape = GRAY if source.startswith("builtin") else (3, 224, 224)
    drawn = build_model(of, n_classes=3, image_shape=shape)
    filled = build_model(of, n_classes=3, image_shape=shape, is_filled=True)
    weight = next(name for name, value in drawn.named_parameters() if value.ndim == 4)
    assert drawn.get_parameter(weight).any()
    assert not filled.get_parameter(weight).any()
    filled.load_state_dict(drawn.state_dict())
    for one, two in (
        (drawn.named_parameters(), filled.named_parameters()),
        (drawn.named_buffers(), filled.named_buffers()),
    ):
        for (name, value), (other, again) in zip(one, two, strict=True):
            assert name == other
            assert torch.equal(value, again)


def test_a_block_is_shortcut_plus_main_branch():
    block = build_model(study(), n_classes=3, image_shape=GRAY).eval().get_submodule("layer2.0")
    maps = torch.randn(2, 16, 12, 12, generator=torch.Generator().manual_seed(0))
    main = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(maps)))))
    assert torch.equal(block(maps), torch.relu(main + block.shortcut(maps)))
    assert block(maps).shape == (2, 32, 6, 6)


def test_small_resnet_takes_widths_and_blocks():
    found = anatomy(study(widths=[4, 8], blocks=1))
    assert table(found) == [("stem", "stem", 4), ("layer1.0", "block", 4), ("layer2.0", "penultimate", 8)]


def test_resnet50_has_a_stem_and_sixteen_blocks():
    found = anatomy(study("torchvision:resnet50"), COLOUR)
    assert len(found.in_complexity) == 17
    stem = found.layers[0]
    assert (stem.layer, stem.role, stem.height) == ("relu", "stem", 32)  # before max-pooling
    assert table(found)[-1] == ("layer4.2", "penultimate", 2048)
    assert [row.shortcut for row in found.layers].count("projection") == 4


def test_without_blocks_the_stages_are_found():
    found = anatomy(study("torchvision:mobilenet_v2", width_mult=0.1), COLOUR)
    assert [row.layer for row in found.layers] == [f"features.{i}" for i in range(19)]
    assert found.layers[-1].role == "penultimate"
    assert found.in_complexity == found.names


def test_a_penultimate_layer_of_its_own_is_added():
    found = anatomy(study(layers=("stem", "layer1.*")))
    assert table(found) == [
        ("stem", "stem", 16),
        ("layer1.0", "block", 16),
        ("layer1.1", "block", 16),
        ("layer1.2", "block", 16),
        ("layer3.2", "penultimate", 64),
    ]
    found = anatomy(study("torchvision:vgg11"), COLOUR)
    assert table(found)[-1] == ("classifier.4", "penultimate", 4096)


def test_wildcards_match_within_a_part_of_a_name():
    assert anatomy(study(layers=("layer*.0",))).names == ["layer1.0", "layer2.0", "layer3.0", "layer3.2"]
    named = anatomy(study(layers=("layer1.0.conv*", "layer1.1")))
    assert table(named)[:3] == [
        ("layer1.0.conv1", "other", 16),
        ("layer1.0.conv2", "other", 16),
        ("layer1.1", "block", 16),
    ]
    assert named.in_complexity == ["layer1.1", "layer3.2"]


def test_a_pattern_without_a_layer():
    with pytest.raises(StudyError, match=r"'layer4\.0' matches no layer; did you mean layer\d\.0"):
        anatomy(study(layers=("stem", "layer4.0")))


def test_grid_pooling_multiplies_units_but_not_of_what_the_head_reads():
    found = anatomy(study(pooling="grid:2"))
    assert table(found)[0] == ("stem", "stem", 64)
    assert table(found)[-1] == ("layer3.2", "penultimate", 64)


class Flat(nn.Module):
    """The head reads the flattened maps."""

    def __init__(self, *, n_classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(2 * 10 * 10, n_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.relu(self.conv(images)).flatten(1))


class Functional(Flat):
    """No module gives what the head reads."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.sigmoid(self.conv(images)).flatten(1))


class Headless(Flat):
    """The logits are not the linear map's output."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images).softmax(1)


def not_a_network() -> int:
    return 3


def test_a_flattened_map_is_one_position():
    found = anatomy(study(f"{__name__}:Flat"))
    assert table(found) == [("relu", "penultimate", 200)]  # a convolution and its ReLU are one layer
    assert (found.layers[-1].height, found.layers[-1].width) == (1, 1)


def test_the_network_is_left_as_it_was():
    model = build_model(study(), n_classes=3, image_shape=GRAY)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    resolve_anatomy(model, study(), image_shape=GRAY)
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


BAD = {
    r"no module gives what the head 'fc' reads": study(f"{__name__}:Functional"),
    r"wanted logits made by a torch\.nn\.Linear": study(f"{__name__}:Headless"),
    r"refuses images of 1 x 12 x 12": study("torchvision:resnet18"),
    r"torchvision has no model 'resnet5'; did you mean resnet50": study("torchvision:resnet5"),
    r"unknown source 'builtin:small_resnett'; did you mean builtin:small_resnet": study("builtin:small_resnett"),
    r"unknown source 'resnet'": study("resnet"),
    r"no_such_package:net: ModuleNotFoundError: No module named 'no_such_package'": study("no_such_package:net"),
    r"there is no 'nothing'; wanted one of: ": study(f"{__name__}:nothing"),
    r"to give a torch\.nn\.Module, got int": study(f"{__name__}:not_a_network"),
    r"model: builtin:small_resnet with arguments \{'depth': 3\} raised TypeError: .*'depth'": study(depth=3),
}


@pytest.mark.parametrize("message", BAD)
def test_networks_that_cannot_be_used(message):
    with pytest.raises(StudyError, match=message):
        anatomy(BAD[message])


def test_a_network_with_other_outputs_than_classes(tiny, tmp_path):
    wrong = tiny.model_copy(update={"model": Model(source=f"{__name__}:Flat", arguments={"n_classes": 4})})
    with pytest.raises(
        StudyError, match=r"wanted 3 outputs, one a class of the data, got 4; where .* in model\.outputs"
    ):
        register(wrong, home=tmp_path)
