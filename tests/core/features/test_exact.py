import torch

from featcx_core.features.exact import exact


def test_convolutions_are_whole_and_the_same_within_and_as_they_were_afterwards():
    flags = torch.backends.cudnn
    before = (flags.allow_tf32, flags.deterministic, flags.benchmark)
    with exact():
        assert (flags.allow_tf32, flags.deterministic, flags.benchmark) == (False, True, False)
    assert (flags.allow_tf32, flags.deterministic, flags.benchmark) == before
