"""Classes: their names, their super-classes, and the network's outputs that stand for them."""

import tomllib
from pathlib import Path

from featcx_core.study.fields import Data, Model, StudyError
from featcx_core.study.nearest import nearest


def class_names(data: Data, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes' names: those of the source, `names`, unless `data.classes` names a file of others.

    The file has one line a class, in order, or lines that begin with the name in the source, in any order.
    Raises StudyError if the file cannot be read or does not name every class.
    """
    if not data.classes:
        return names
    lines = [line.strip() for line in _text(data.classes, "data.classes").splitlines() if line.strip()]
    by_name = {first: rest.strip() for first, _, rest in (line.partition(" ") for line in lines)}
    if all(by_name.get(name) for name in names):
        return tuple(by_name[name] for name in names)
    if len(lines) != len(names):
        raise StudyError(
            f"data.classes: {data.classes}: wanted {len(names)} names, one a class, got {len(lines)} lines"
        )
    return tuple(lines)


def superclasses(data: Data, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the super-class of each class; empty for a class that the study puts in none.

    Raises StudyError for an unknown class, a class in two super-classes, or a file that cannot be read.
    """
    groups = data.superclasses
    if isinstance(groups, str):
        groups = _groups(groups)
    group_of: dict[str, str] = {}
    for group, members in groups.items():
        for member in members:
            if member not in names:
                raise StudyError(f"data.superclasses: {group}: no class {member!r}; {nearest(member, names)}")
            if group_of.setdefault(member, group) != group:
                both = f"{group_of[member]} and in {group}"
                raise StudyError(f"data.superclasses: class {member!r} is in {both}; keep one")
    return tuple(group_of.get(name, "") for name in names)


def class_outputs(model: Model, names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the network's output of each class; empty if its outputs are something else.

    >>> class_outputs(Model(outputs={"dog": 207, "cat": 281}), ("cat", "dog"))
    (281, 207)

    Raises StudyError if the study's table leaves a class out or names an unknown one.
    """
    if not isinstance(model.outputs, dict):
        return () if model.outputs == "none" else tuple(range(len(names)))
    if twice := [name for name in names if names.count(name) > 1]:
        raise StudyError(
            f"model.outputs: two classes are called {twice[0]!r}; give them names of their own in data.classes"
        )
    for name in model.outputs:
        if name not in names:
            raise StudyError(f"model.outputs: the data have no class {name!r}; {nearest(name, names)}")
    if missing := [name for name in names if name not in model.outputs]:
        stated = f"{len(model.outputs)} of {len(names)} classes have theirs"
        raise StudyError(f"model.outputs: wanted the output of every class, got none of {missing[0]!r} ({stated})")
    return tuple(model.outputs[name] for name in names)


def output_names(model: Model, names: tuple[str, ...], *, n_outputs: int) -> tuple[str, ...]:
    """Return a name of each output: that of its class, `output 12` where it stands for none.

    >>> output_names(Model(outputs={"dog": 1}), ("dog",), n_outputs=3)
    ('output 0', 'dog', 'output 2')
    """
    found = [f"output {output}" for output in range(n_outputs)]
    for name, output in zip(names, class_outputs(model, names), strict=False):
        found[output] = name
    return tuple(found)


def chance(model: Model, *, n_outputs: int) -> float | None:
    """Return the accuracy of a guess among the network's outputs; None if they are no classes."""
    return None if model.outputs == "none" else 1 / n_outputs


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
    for name, output in zip(names, outputs, strict=bool(outputs)):
        if output >= n_outputs:
            raise StudyError(
                f"model.outputs: {name} = {output}, but the network has {n_outputs} outputs, 0 to {n_outputs - 1}"
            )


def _groups(path: str) -> dict[str, tuple[str, ...]]:
    if not path:
        return {}
    try:
        table = tomllib.loads(_text(path, "data.superclasses"))
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"data.superclasses: {path}: not valid TOML: {error}") from None
    for group, members in table.items():
        if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
            raise StudyError(f'data.superclasses: {path}: wanted lines NAME = ["CLASS", …], got {group} = {members!r}')
    return {group: tuple(members) for group, members in table.items()}


def _text(path: str, field: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise StudyError(f"{field}: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{field}: {path} is not text in UTF-8: {error.reason}") from None
