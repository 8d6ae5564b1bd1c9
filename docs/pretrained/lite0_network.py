"""EfficientNet-Lite0 for featcx: what the head reads is a map that a module gives."""

from efficientnet_lite_pytorch import EfficientNet
from torch import nn


def lite0() -> nn.Module:
    """The network with random weights.

    Its first and its last ReLU6 are one module, and a module that is called several times counts at its first call. So
    the last one is done by the normalisation before it (and then once more, which changes nothing).
    """
    network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    network.get_submodule("_bn1").register_forward_hook(lambda module, given, output: output.clamp(0, 6))
    return network
