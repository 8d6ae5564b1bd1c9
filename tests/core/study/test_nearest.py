import pytest

from featcx_core.study.fields import study_fields
from featcx_core.study.nearest import alike, listed, nearest

MEANT = {
    "lr": ("training.optimizer.lr", study_fields()),  # the end of a dotted name
    "training.optimiser.lr": ("training.optimizer.lr", study_fields()),
    "atoms": ("atoms_per_class", ["l1", "atoms_per_class"]),  # its beginning
    "cifar10": ("CIFAR10", ["MNIST", "CIFAR10", "CIFAR100"]),  # another case
    "resnt18": ("resnet18", ["vgg11", "resnet18", "resnet34"]),  # a slip
}


@pytest.mark.parametrize("given", MEANT)
def test_the_name_that_was_meant(given: str):
    name, choices = MEANT[given]
    assert alike(given, choices) == name
    assert nearest(given, choices) == f"did you mean {name}?"


@pytest.mark.parametrize("given", ["xyz", ""])
def test_where_none_is_alike_all_are_listed(given: str):
    assert alike(given, ["seed", "name"]) == ""
    assert nearest(given, iter(["seed", "name"])) == "wanted one of: seed, name"
    assert nearest(given, []) == "there is none"


def test_long_lists_are_cut():
    assert listed(range(20)).endswith("18, 19")
    assert listed(range(1000)).endswith("18, 19 and 980 more")
