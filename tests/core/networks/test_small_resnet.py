import torch

from featcx_core.networks.models import build_model
from tests.core.networks.small import GREY, anatomy, study, table


def test_a_block_is_shortcut_plus_main_branch():
    block = build_model(study(), n_classes=3, image_shape=GREY).eval().get_submodule("layer2.0")
    maps = torch.randn(2, 16, 12, 12, generator=torch.Generator().manual_seed(0))
    main = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(maps)))))
    assert torch.equal(block(maps), torch.relu(main + block.shortcut(maps)))
    assert block(maps).shape == (2, 32, 6, 6)


def test_small_resnet_takes_widths_and_blocks():
    found = anatomy(study(widths=[4, 8], blocks=1))
    assert table(found) == [("stem", "stem", 4), ("layer1.0", "block", 4), ("layer2.0", "penultimate", 8)]
