import pytest
import torch

from featcx_core.artefacts.register import register
from featcx_core.networks.models import build_model
from featcx_core.study.fields import Model, StudyError
from tests.core.networks import small
from tests.core.networks.small import (
    GREY,
    anatomy,
    study,
)


def test_initial_weights_follow_from_the_seed_alone_and_leave_global_chance_alone():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = build_model(study(), n_classes=3, image_shape=GREY).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    two = build_model(study(), n_classes=3, image_shape=GREY).state_dict()
    other = build_model(study(seed=1), n_classes=3, image_shape=GREY).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["fc.weight"], other["fc.weight"])


@pytest.mark.parametrize("source", ["builtin:small_resnet", "torchvision:resnet18", "torchvision:maxvit_t"])
def test_a_network_that_is_filled_next_is_the_same_once_it_is(source: str):
    of = study(source, **({"input_size": (224, 224)} if "maxvit" in source else {}))
    shape = GREY if source.startswith("builtin") else (3, 224, 224)
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


def not_a_network() -> int:
    return 3


BAD = {
    r"no module gives what the head 'fc' reads": study(f"{small.__name__}:Functional"),
    r"wanted logits made by a torch\.nn\.Linear": study(f"{small.__name__}:Headless"),
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
    wrong = tiny.model_copy(update={"model": Model(source=f"{small.__name__}:Flat", arguments={"n_classes": 4})})
    with pytest.raises(
        StudyError, match=r"wanted 3 outputs, one a class of the data, got 4; where .* in model\.outputs"
    ):
        register(wrong, home=tmp_path)
