import pytest
import torch

from featcx_core.networks.anatomy import read_anatomy
from featcx_core.networks.layers import resolve_anatomy
from featcx_core.networks.models import build_model
from featcx_core.study.fields import StudyError
from featcx_core.study.files import load_study, packaged_studies
from tests.core.networks import small
from tests.core.networks.small import (
    COLOUR,
    GREY,
    anatomy,
    study,
    table,
)


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


def test_resnet50_has_a_stem_and_sixteen_blocks():
    found = anatomy(study("torchvision:resnet50"), COLOUR)
    assert len(found.in_complexity) == 17
    stem = found.layers[0]
    assert (stem.layer, stem.role, stem.height) == ("relu", "stem", 32)  # before max-pooling
    assert table(found)[-1] == ("layer4.2", "penultimate", 2048)
    assert [row.shortcut for row in found.layers].count("projection") == 4


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


def test_a_flattened_map_is_one_position():
    found = anatomy(study(f"{small.__name__}:Flat"))
    assert table(found) == [("relu", "penultimate", 200)]  # a convolution and its ReLU are one layer
    assert (found.layers[-1].height, found.layers[-1].width) == (1, 1)


def test_the_network_is_left_as_it_was():
    model = build_model(study(), n_classes=3, image_shape=GREY)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    resolve_anatomy(model, study(), image_shape=GREY)
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
