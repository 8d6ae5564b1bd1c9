"""Weights of torchvision by name: their transform prepares images, their tensors fill a network."""

from functools import cache
from typing import Any

from featcx_core.study.fields import StudyError
from featcx_core.study.nearest import nearest


@cache
def torchvision_weights(name: str, *, model: str, field: str) -> Any:
    """Return weights by their name, `ResNet18_Weights.IMAGENET1K_V1`, or by the part after the dot for a given model.

    Raises StudyError if torchvision has no weights of that name.
    """
    from torchvision.models import get_model_weights, get_weight, list_models

    try:
        weights = get_weight(name) if "." in name else get_model_weights(model)[name]
    except (ValueError, KeyError, TypeError):
        names = [str(weights) for other in list_models() for weights in get_model_weights(other)]
        wanted = "wanted a name such as ResNet50_Weights.IMAGENET1K_V2"
        if field == "model.weights":
            wanted += ", or a file, such as weights.pth"
        raise StudyError(f"{field}: torchvision has no weights {name!r}; {wanted}; {nearest(name, names)}") from None
    if not hasattr(weights.transforms(), "crop_size"):
        raise StudyError(f"{field}: {weights} are not those of a classifier of images")
    return weights
