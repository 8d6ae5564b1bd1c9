"""Outputs of a network for the classes of other data, by their names: ImageNet's number, name or WordNet id."""

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from featcx_core.images.outputs import imagenet_names

_IMAGENET = 1000  # outputs


def propose_outputs(names: Sequence[str], *, n_outputs: int) -> dict[str, int]:
    """Return the output of each class, where every name is a number, a name or a WordNet id of ImageNet; else nothing.

    Raises nothing: WordNet ids are known where timm is installed.

    >>> propose_outputs(["Beagle", "tabby"], n_outputs=1000)
    {'Beagle': 162, 'tabby': 281}
    >>> propose_outputs(["022", "207"], n_outputs=1000)
    {'022': 22, '207': 207}
    >>> propose_outputs(["cat", "beagle"], n_outputs=1000)
    {}
    """
    if n_outputs != _IMAGENET or len(set(names)) < len(names):
        return {}
    output_of: dict[str, int] = {}
    if all(re.fullmatch(r"\d{3}", name) for name in names):
        output_of = {name: int(name) for name in names}
    elif all(re.fullmatch(r"n\d{8}", name) for name in names):
        output_of = _wordnet()
    else:
        places = [_plain(name) for name in imagenet_names()]
        output_of = {name: places.index(_plain(name)) for name in names if places.count(_plain(name)) == 1}
    proposed = {name: output_of[name] for name in names if name in output_of}
    return proposed if len(proposed) == len(set(proposed.values())) == len(names) else {}


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]+", " ", name).strip().lower()


def _wordnet() -> dict[str, int]:
    """Return the output of each WordNet id; empty without timm."""
    try:
        about: Any = import_module("timm.data").ImageNetInfo()
    except ImportError:
        return {}
    return {about.index_to_label_name(output): output for output in range(_IMAGENET)}
