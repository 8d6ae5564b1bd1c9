"""The network's outputs that stand for the classes: one output a class, or several.

An image is classified rightly if the largest of all outputs is one of its class's: what a loop over the images counts,
and the output whose logit the analyses follow. Its loss is -log of the sum of their probabilities. With one output a
class both are the usual ones.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Int

from featcx_core.images.classes import read_text
from featcx_core.study.fields import Model, StudyError
from featcx_core.study.nearest import nearest

ClassOutputs: TypeAlias = tuple[tuple[int, ...], ...]
"""Outputs of each class."""
Right: TypeAlias = Int[np.ndarray, "image"] | Int[np.ndarray, "image output"]
"""Right output of each image; where classes have several, a row of them for each image, filled up with -1."""


def class_outputs(model: Model, names: tuple[str, ...]) -> ClassOutputs:
    """Return the network's outputs of each class; empty if its outputs are something else.

    >>> class_outputs(Model(outputs={"dog": [207, 208], "cat": 281}), ("cat", "dog"))
    ((281,), (207, 208))

    Raises StudyError if the study leaves a class out, names an unknown one, or gives an output to two classes.
    """
    if model.outputs == "none":
        return ()
    if model.outputs == "classes":
        return tuple((output,) for output in range(len(names)))
    stated = stated_outputs(model)
    if twice := [name for name in names if names.count(name) > 1]:
        raise StudyError(
            f"model.outputs: two classes are called {twice[0]!r}; give them names of their own in data.classes"
        )
    for name in stated:
        if name not in names:
            raise StudyError(f"model.outputs: the data have no class {name!r}; {nearest(name, names)}")
    if missing := [name for name in names if name not in stated]:
        some = f"{len(stated)} of {len(names)} classes have theirs"
        raise StudyError(f"model.outputs: wanted the output of every class, got none of {missing[0]!r} ({some})")
    class_of: dict[int, str] = {}
    for name, outputs in stated.items():
        for output in outputs:
            if class_of.setdefault(output, name) != name:
                raise StudyError(f"model.outputs: output {output} is of {class_of[output]} and of {name}; keep one")
    return tuple(stated[name] for name in names)


def stated_outputs(model: Model) -> dict[str, tuple[int, ...]]:
    """Return the outputs of the study's table or file, by class, names of outputs as numbers; empty for none.

    Raises StudyError for a file that cannot be read, and a name that no output has.
    """
    if model.outputs in ("none", "classes"):
        return {}
    return {
        name: tuple(dict.fromkeys(_number(model, output) for output in held)) for name, held in _table(model).items()
    }


def names_of_outputs(model: Model) -> tuple[str, ...]:
    """Return the names of the network's outputs, in order: those of `model.output_names`, else ImageNet's 1,000.

    Raises StudyError if the file cannot be read.
    """
    if not model.output_names:
        return imagenet_names()
    lines = read_text(model.output_names, "model.output_names").splitlines()
    return tuple(line.strip() for line in lines if line.strip())


def output_names(model: Model, names: tuple[str, ...], *, n_outputs: int) -> tuple[str, ...]:
    """Return a name of each output: that of its class, with its number where it is not the only one; else its number.

    >>> output_names(Model(outputs={"dog": 1, "cat": [2, 3]}), ("dog", "cat"), n_outputs=4)
    ('output 0', 'dog', 'cat (2)', 'cat (3)')
    """
    found = [f"output {output}" for output in range(n_outputs)]
    for name, outputs in zip(names, class_outputs(model, names), strict=False):
        for output in outputs:
            found[output] = name if len(outputs) == 1 else f"{name} ({output})"
    return tuple(found)


@cache
def imagenet_names() -> tuple[str, ...]:
    """Return the names of ImageNet's 1,000 classes, in order, as torchvision has them."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])


def right_outputs(outputs: ClassOutputs, labels: Int[np.ndarray, "image"]) -> Right:
    """Return the right outputs of images with these labels.

    >>> right_outputs(((3,), (0,)), np.array([1, 0])).tolist()
    [0, 3]
    >>> right_outputs(((3,), (0, 7)), np.array([1, 0])).tolist()
    [[0, 7], [3, -1]]
    """
    most = max(map(len, outputs), default=1)
    table = np.array([[*each, *[-1] * (most - len(each))] for each in outputs], dtype=np.int64)
    rows: np.ndarray = table[labels]
    return rows[:, 0] if most == 1 else rows


def chance(model: Model, *, n_outputs: int) -> float | None:
    """Return the accuracy of a guess among the network's outputs; None if they are no classes.

    >>> chance(Model(outputs={"dog": [2, 3], "cat": [7]}), n_outputs=10)   # a fifth of the dogs, a tenth of the cats
    0.15
    """
    if model.outputs == "none":
        return None
    sizes = [1] if model.outputs == "classes" else [len(held) for held in _table(model).values()]
    return float(np.mean(sizes)) / n_outputs


def doubt(model: Model, accuracy: float, *, n_outputs: int, which: str) -> str:
    """Return a warning if an accuracy is about that of a guess; empty if the network does better.

    Such a network may have been trained on images that were prepared otherwise, or with its classes in another order.
    `which` names the accuracy in the warning.

    >>> doubt(Model(), 0.5, n_outputs=10, which="accuracy at epoch 3")
    ''
    """
    guess = chance(model, n_outputs=n_outputs)
    if guess is None or accuracy >= min(1.5 * guess, guess + 0.05):
        return ""
    return (
        f"{which} is {accuracy:.1%}, about a guess's ({guess:.1%}): are images prepared as in the network's training "
        "(data.transform: mean, std, resize, crop), its classes in this order?"
    )


def refuse_other_outputs(model: Model, names: tuple[str, ...], *, n_outputs: int) -> None:
    """Raise StudyError if the network's outputs cannot be what the study states; also as `class_outputs` does."""
    outputs = class_outputs(model, names)
    if model.outputs == "classes" and n_outputs != len(names):
        raise StudyError(
            f"model: wanted {len(names)} outputs, one a class of the data, got {n_outputs}; where they are other "
            "classes, state in model.outputs which output is which class"
        )
    for name, held in zip(names, outputs, strict=bool(outputs)):
        if max(held) >= n_outputs:
            raise StudyError(
                f"model.outputs: {name} = {max(held)}, but the network has {n_outputs} outputs, 0 to {n_outputs - 1}"
            )
        if len(held) == n_outputs:
            raise StudyError(f"model.outputs: {name} has all {n_outputs} outputs, so that nothing is wrong; keep some")


def _table(model: Model) -> dict[str, tuple[Any, ...]]:
    """Return the study's table or that of its file, a list for each class."""
    table: Mapping[str, Any]
    if isinstance(model.outputs, str):
        try:
            table = tomllib.loads(read_text(model.outputs, "model.outputs"))
        except tomllib.TOMLDecodeError as error:
            raise StudyError(f"model.outputs: {model.outputs}: not valid TOML: {error}") from None
    else:
        table = model.outputs
    listed = {name: tuple(held) if isinstance(held, list | tuple) else (held,) for name, held in table.items()}
    for name, held in listed.items():
        if not held:
            raise StudyError(f"model.outputs: wanted at least one output of {name}, got none")
    return listed


def _number(model: Model, output: object) -> int:
    if isinstance(output, int) and not isinstance(output, bool) and output >= 0:
        return output
    if not isinstance(output, str):
        raise StudyError(f"model.outputs: wanted numbers of outputs from 0, or their names, got {output!r}")
    names = [name.lower() for name in names_of_outputs(model)]
    if output.lower() not in names:
        source = f"in {model.output_names}" if model.output_names else "in ImageNet; model.output_names names others"
        meant = nearest(output, names_of_outputs(model))
        raise StudyError(f"model.outputs: no output is called {output!r} {source}; {meant}")
    if names.count(output.lower()) > 1:
        numbers = [str(number) for number, name in enumerate(names) if name == output.lower()]
        raise StudyError(f"model.outputs: outputs {' and '.join(numbers)} are called {output!r}; state the number")
    return names.index(output.lower())
