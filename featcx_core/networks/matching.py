"""The search for a network's tensors in a file: which dictionary holds them, and behind which prefix.

Training programs put them deep into dictionaries (`state_dict`, `model`, `ema.module`), beside those of an optimizer,
and wrappers add prefixes to their names (`module.`, `_orig_mod.`, `model.`).
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from featcx_core.networks.safetensors_files import CheckpointError

Shapes = Mapping[str, tuple[int, ...]]
"""Shape of each tensor, by name."""
_COUNTER = "num_batches_tracked"  # of batch normalisation: plays no part in evaluation, and old files lack it
_COMPILED = "_orig_mod."  # torch.compile puts it before the names of a wrapped module, at any depth
_VOTES = 8  # tensors that decide on a prefix


class Match(NamedTuple):
    """The place of a network's tensors in a file."""

    key: str
    """Keys of the dictionary that holds them, dots between them; empty: the file itself."""
    prefix: str
    """Beginning of their names that the network's own names lack."""
    names: dict[str, str]
    """Name in the file, by name in the network."""
    others: tuple[str, ...] = ()
    """Further places that fit."""

    @property
    def place(self) -> str:
        """Keys and prefix, dots between them, as `checkpoints.weights` states them."""
        return ".".join(part for part in (self.key, self.prefix.removesuffix(".")) if part)

    def __str__(self) -> str:
        parts = [
            f"weights of {self.key}" if self.key else "",
            f"without the prefix {self.prefix}" if self.prefix else "",
            f"not those of {', '.join(self.others)}, which fit too (checkpoints.weights)" if self.others else "",
        ]
        return ", ".join(part for part in parts if part)


def match_tensors(path: Path, dictionaries: Mapping[str, Shapes], *, wanted: Shapes, key: str) -> Match:
    """Return the place of the network's tensors among a file's dictionaries.

    `key` is that of `read_state_dict`. Raises CheckpointError, which names the file, if no place fits.
    """
    if not dictionaries:
        raise CheckpointError(f"{path} holds no tensors; wanted {len(wanted)}")
    fitting: list[Match] = []
    errors: dict[str, CheckpointError] = {}
    for name, shapes in dictionaries.items():
        try:
            fitting += _fits(path, name, shapes, wanted)
        except CheckpointError as error:
            errors[name] = error
    fitting.sort(key=lambda match: _is_average(match.place))
    if key in errors:
        raise errors[key]
    if not fitting and key == "auto":
        raise errors[max(errors, key=lambda name: len(dictionaries[name]))]  # the largest is probably the network
    chosen = [match for match in fitting if key in ("auto", match.key, match.place)]
    if not chosen:
        places = dict.fromkeys(name for name in (*dictionaries, *(match.place for match in fitting)) if name)
        listed = ", ".join(places) or "the file itself"
        raise CheckpointError(f"{path}: checkpoints.weights = {key!r} is not in it; dictionaries of tensors: {listed}")
    first, *others = chosen
    return first._replace(others=tuple(match.place or "the file itself" for match in others))


def _fits(path: Path, key: str, shapes: Shapes, wanted: Shapes) -> list[Match]:
    """Return the matches in one dictionary: it may hold the network several times, behind other prefixes.

    Raises CheckpointError if it does not hold the network.
    """
    clean = {name.replace(_COMPILED, ""): name for name in shapes}
    fitting, errors = [], []
    for prefix in _prefixes(clean, wanted):
        try:
            fitting.append(_fitted(path, key, clean, prefix, shapes, wanted))
        except CheckpointError as error:
            errors.append(error)
    if not fitting:
        raise errors[0]
    return fitting


def _is_average(place: str) -> bool:
    return re.search(r"ema|averag|swa", place.lower()) is not None


def _fitted(path: Path, key: str, clean: Mapping[str, str], prefix: str, shapes: Shapes, wanted: Shapes) -> Match:
    """Return the match behind one prefix. Raises CheckpointError if names or shapes differ."""
    here = {name.removeprefix(prefix): there for name, there in clean.items() if name.startswith(prefix)}
    where, advice = f"{path}{f' ({key})' if key else ''}", "it belongs to another network"
    missing = [name for name in wanted if name not in here and not name.endswith(_COUNTER)]
    unknown = [name for name in here if name not in wanted]
    for kind, names in (("missing", missing), ("unknown", unknown)):
        if names:
            listed = ", ".join(sorted(names)[:3])
            raise CheckpointError(
                f"{where}: wanted {len(wanted)} tensors, {len(names)} {kind}, first {listed}; {advice}"
            )
    matched = {name: here[name] for name in wanted if name in here}
    if unequal := [name for name, there in matched.items() if shapes[there] != wanted[name]]:
        first = unequal[0]
        more = f", and {len(unequal) - 1} more of other shapes" if len(unequal) > 1 else ""
        difference = f"wanted {first} {list(wanted[first])}, got {list(shapes[matched[first]])}"
        raise CheckpointError(f"{where}: {difference}{more}; {advice}")
    return Match(key, prefix, matched)


def _prefixes(names: Mapping[str, str], wanted: Shapes) -> list[str]:
    """Return the most frequent beginnings of the file's names before the network's names; "" for none.

    Several are equally frequent if the file holds the network several times.
    """
    votes: Counter[str] = Counter()
    for name in [name for name in wanted if not name.endswith(_COUNTER)][:_VOTES]:
        beginnings = (there.removesuffix(name) for there in names if there.endswith(name))
        votes.update(prefix for prefix in beginnings if not prefix or prefix.endswith("."))
    most = max(votes.values(), default=0)
    return sorted((prefix for prefix in votes if votes[prefix] == most), key=len) or [""]
