from tests.core.networks import small
from tests.core.networks.small import COLOUR, SMALL_COLOUR, anatomy, study


def test_without_blocks_the_stages_are_found():
    found = anatomy(study("torchvision:mobilenet_v2", width_mult=0.1), COLOUR)
    assert [row.layer for row in found.layers] == [f"features.{i}" for i in range(19)]
    assert found.layers[-1].role == "penultimate"
    assert found.in_complexity == found.names


def test_blocks_are_what_adds_whatever_it_is_called():
    found = anatomy(study(f"{small.__name__}:Branches"), SMALL_COLOUR)
    assert [(row.layer, row.role, row.shortcut) for row in found.layers] == [
        ("embed", "stem", ""),
        ("one", "block", "projection"),
        ("two", "block", ""),
        ("three", "penultimate", "projection"),
    ]
    assert [row.rectified for row in found.layers] == [False, False, False, True]  # by a ReLU in place, afterwards


def test_a_block_called_twice_is_one_at_each_call():
    found = anatomy(study(f"{small.__name__}:Branches", times=2), SMALL_COLOUR)
    assert [(row.layer, row.role, row.shortcut) for row in found.layers[-2:]] == [
        ("three", "block", "projection"),
        ("three#2", "penultimate", "projection"),
    ]
