"""Checkpoints: the usable ones, their digests, and the network's tensors in them.

Staleness follows from the files' digests, which are remembered, so that it is known in milliseconds. A file whose
content changed although its time of change did not is damaged; so is one of featcx's own training whose digest is not
the one that was written with it.
"""

import hashlib
import json
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float32

from featcx_core.checkpoints.accounts import Account, remember, remembered
from featcx_core.checkpoints.landing import Landed, changed_at, epoch_in, landed, local_path, whereabouts
from featcx_core.networks.safetensors_files import (
    BLANK_DIGEST,
    Altered,
    CheckpointError,
    Unreadable,
    inspect_safetensors,
    read_float,
    refuse_altered,
    with_digest,
)
from featcx_core.networks.state_dicts import (
    contents,
    is_safetensors,
    match_safetensors,
    read_state_dict,
    tensors_digest,
)
from featcx_core.store.files import write_bytes
from featcx_core.store.places import Store, epoch_key

if TYPE_CHECKING:
    from torch import Tensor, nn

_SETTLED_SECONDS = 5.0
_AHEAD_SECONDS = 60.0  # of another machine's clock
_LAST_EPOCH = 999_999  # six digits, so that names sort as numbers


class Survey(NamedTuple):
    """The checkpoint files of a study."""

    digests: dict[int, str]
    """Digest of the tensors of every usable checkpoint, by epoch."""
    bad: dict[int, str]
    """Why a file cannot be used, by epoch."""
    young: frozenset[int]
    """Epochs whose file was written in the last seconds, and perhaps still is."""
    gone: frozenset[int]
    """Epochs whose file another program deleted after it was read: what was made from it stays."""
    found_as: dict[int, str]
    """Which of a file's tensors are the network's, in words, where that is not all."""


def write_checkpoint(
    path: Path, state_dict: "Mapping[str, Tensor]", *, metrics: dict[str, float | None], made_by: str
) -> None:
    """Write a model's tensors with its metrics, whole or not at all; `made_by` is the training's fingerprint."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state_dict.items()}
    about = {"metrics": json.dumps(metrics), "training": made_by, "epoch": path.stem, "digest": BLANK_DIGEST}
    write_bytes(path, with_digest(save(tensors, metadata=about)))


def survey(
    store: Store,
    *,
    parameters: Mapping[str, tuple[int, ...]] | None = None,
    accounts: dict[str, Account] | None = None,
) -> Survey:
    """Return which checkpoints can be used, and why the others cannot: truncated, corrupt or of another network.

    `parameters` are the network's names and shapes; those of the registered anatomy where not given. What was read of a
    file is remembered, as long as the file is the same: in `checkpoints/.digests.json`, where that can be written, or
    in `accounts`, where they are given, and nothing is written. Raises StudyError when an object store cannot be read.
    """
    wanted = store.anatomy.parameters if parameters is None else parameters
    fits = _digest_of(wanted, store.study.checkpoints.weights)
    memory = {**remembered(store), **(accounts or {})}
    digests, bad, found_as, young = dict[int, str](), dict[int, str](), dict[int, str](), set[int]()
    for epoch, files in landed(store).items():
        if not all(_is_settled(file.age_seconds) for file in files):
            young.add(epoch)
        try:
            _refuse_unclear(epoch, files)
            account = memory.get(files[0].place)
            if account is None or account[:3] != (files[0].size_bytes, files[0].changed, fits):
                account = memory[files[0].place] = _read(store, files[0], wanted, fits, before=account)
                if accounts is None:
                    remember(store, memory)
                else:
                    accounts[files[0].place] = account
            if account.bad:
                raise CheckpointError(account.bad)
            digests[epoch] = account.digest
            if account.found_as:
                found_as[epoch] = account.found_as
        except CheckpointError as error:
            bad[epoch] = str(error)
    gone = _gone(store, memory, fits, {*digests, *bad})
    return Survey({**digests, **gone}, bad, frozenset(young), frozenset(gone), found_as)


def reread(store: Store, surveyed: Survey) -> dict[int, str]:
    """Read every usable checkpoint again; returns, by epoch, which is not as it was when it was first read."""
    altered: dict[int, str] = {}
    for epoch in surveyed.digests.keys() - surveyed.gone:
        try:
            path = local_path(store, checkpoint_file(store, epoch=epoch))
            digest, _ = contents(path, wanted=store.anatomy.parameters, key=store.study.checkpoints.weights)
            if is_safetensors(path):
                refuse_altered(path, anew=True)
            if digest != surveyed.digests[epoch]:
                altered[epoch] = f"{path} is damaged: it holds other tensors than when it was first read"
        except CheckpointError as error:
            altered[epoch] = str(error)
    return altered


def remember_damage(store: Store, altered: Mapping[Path, str]) -> None:
    """Take down that checkpoints are damaged, until their files are others: they are not used."""
    memory = remembered(store)
    for path, reason in altered.items():
        if account := memory.get(str(path)):
            memory[str(path)] = account._replace(bad=account.bad or reason)
    remember(store, memory)


def untrained(store: Store, fingerprint: str) -> list[int]:
    """Return the epochs that training still has to write: no file there, a damaged one, or one by another training.

    One that somebody else put there is not training's to replace, nor one that may still be being written.
    """
    memory, numbers = remembered(store), range(store.study.training.last + 1)
    return [number for number in numbers if _is_wanting(store.checkpoint(number), fingerprint, memory)]


def damaged(store: Store, epoch: int) -> str:
    """Return why the file of an epoch of featcx's own training is damaged; empty where it is not, or is not its."""
    return _damage(store.checkpoint(epoch), remembered(store))


def training_is_whole(store: Store, fingerprint: str) -> bool:
    """Whether training has nothing left to write."""
    return not untrained(store, fingerprint)


def was_written_by(path: Path, fingerprint: str) -> bool:
    """Whether a checkpoint was written by the training of that fingerprint."""
    try:
        return inspect_safetensors(path).metadata.get("training") == fingerprint
    except CheckpointError:
        return False


def load_checkpoint(store: Store, model: "nn.Module", *, epoch: int) -> None:
    """Load an epoch's checkpoint into a model, every tensor.

    Raises CheckpointError when there is none, or it is unusable or of another network.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    file = checkpoint_file(store, epoch=epoch)
    path = local_path(store, file)
    state = read_state_dict(path, wanted=wanted, key=store.study.checkpoints.weights)
    account = remembered(store).get(file.place)
    is_same = account is not None and account[:2] == (file.size_bytes, file.changed)
    if account and is_same and account.digest and tensors_digest(state) != account.digest:
        if str(path) != file.place:  # a copy: fetched again the next time
            path.unlink(missing_ok=True)
        raise CheckpointError(f"epoch {epoch}: {path} is damaged: it holds other tensors than when it was first read")
    model.load_state_dict(state.tensors)


def read_metrics(store: Store, *, epoch: int) -> dict[str, float | None] | None:
    """Read the metrics that featcx's training wrote beside the tensors; None where there are none.

    Those in files of another program's folder are of other images, or of another split.
    Raises CheckpointError as `load_checkpoint`.
    """
    if store.study.checkpoints.folder:
        return None
    path = local_path(store, checkpoint_file(store, epoch=epoch))
    refuse_altered(path)
    text = inspect_safetensors(path).metadata.get("metrics", "")
    with suppress(ValueError):
        metrics = json.loads(text)
        if isinstance(metrics, dict) and all(isinstance(v, int | float | None) for v in metrics.values()):
            return metrics if "test_accuracy" in metrics else None
    return None


def read_head(store: Store, *, epoch: int) -> tuple[Float32[np.ndarray, "unit class"], Float32[np.ndarray, "class"]]:
    """Read weight and bias of the head: logits = acts @ weight + bias. Raises CheckpointError as `load_checkpoint`."""
    file, names = checkpoint_file(store, epoch=epoch), [f"{store.anatomy.head}.{part}" for part in ("weight", "bias")]
    wanted, path = store.anatomy.parameters, local_path(store, file)
    if is_safetensors(path):
        refuse_altered(path)
    if names[0] not in wanted:
        raise CheckpointError(f"{path}: wanted the head's {names[0]}, which the network does not have")
    names = [name for name in names if name in wanted]
    key = store.study.checkpoints.weights
    if is_safetensors(path):
        tensor_of = match_safetensors(path, wanted=wanted, key=key).names
        weight, *bias = (read_float(path, tensor_of[name]) for name in names)
    else:
        tensors = read_state_dict(path, wanted=wanted, key=key).tensors
        weight, *bias = (tensors[name].float().numpy() for name in names)
    return weight.T, bias[0] if bias else np.zeros(len(weight), dtype=np.float32)


def checkpoint_file(store: Store, *, epoch: int) -> Landed:
    """Return an epoch's file. Raises CheckpointError where there is none, or more than one."""
    files = landed(store).get(epoch, ())
    if len(files) != 1:
        raise CheckpointError(f"epoch {epoch}: wanted one checkpoint in {whereabouts(store)}, got {len(files)}")
    return files[0]


def _refuse_unclear(epoch: int, files: tuple[Landed, ...]) -> None:
    if len(files) > 1:
        places = f"{files[0].place} and {files[1].place}"
        raise CheckpointError(f"epoch {epoch}: wanted one file, {places} match; narrow checkpoints.pattern")
    if epoch > _LAST_EPOCH:
        raise CheckpointError(f"{files[0].place}: wanted an epoch up to {_LAST_EPOCH}, got {epoch}")


def _read(
    store: Store, file: Landed, wanted: Mapping[str, tuple[int, ...]], fits: str, *, before: Account | None
) -> Account:
    """Read a file's digest, or why it cannot be used. Raises Unreadable where that may be otherwise the next time."""
    path, bad, digest, match = local_path(store, file), "", "", ""
    training = before.training if before else None
    try:
        digest, tensors = contents(path, wanted=dict(wanted), key=store.study.checkpoints.weights)
        match, training = str(tensors), _training_of(store, path, file.epoch)
        if before and before.digest and before.digest != digest and _is_unchanged(before, file, fits):
            bad = (
                f"{path} is damaged: it holds other tensors than before, though its time of change is the same; "
                "copy it again, or touch it if this is meant"
            )
            digest, training = before.digest, before.training  # one that is put back is known again
    except Unreadable:
        raise
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from None
    except CheckpointError as error:
        bad = str(error)
    except Exception as error:  # a damaged file fails in many ways, and must not hold up the others
        bad = f"{path} cannot be used ({type(error).__name__}: {error}); copy it again"
    if bad and before and not digest and _is_unchanged(before, file, fits):
        digest = before.digest
    return Account(file.size_bytes, file.changed, fits, digest, match, bad, training)


def _training_of(store: Store, path: Path, epoch: int) -> str:
    """Return the training that wrote a file; empty for another program's.

    Raises Altered where it is not as it was written, or is the file of another epoch of this study's training.
    """
    if not is_safetensors(path):
        return ""
    refuse_altered(path)
    about = inspect_safetensors(path).metadata
    stated, is_ours = about.get("epoch"), not store.study.checkpoints.folder and epoch <= store.study.training.epochs
    if is_ours and stated not in (None, epoch_key(epoch)):
        raise Altered(f"{path} is damaged: it holds epoch {stated}")
    return about.get("training", "")


def _is_unchanged(before: Account, file: Landed, fits: str) -> bool:
    """Whether a file's time of change is that of the account, as where its bytes rotted."""
    times = before.changed.partition("-")[0], file.changed.partition("-")[0]
    return before.fits == fits and times[0] == times[1] and "://" not in file.place


def _gone(store: Store, memory: Mapping[str, Account], fits: str, epochs: Collection[int]) -> dict[int, str]:
    """Return digests of files that were read and are gone, as where a program keeps its last few; not of these epochs.

    Not of featcx's own training, which makes them again.
    """
    if not store.study.checkpoints.folder:
        return {}
    readable = {place: account for place, account in memory.items() if account.fits == fits and not account.bad}
    digests = {epoch_in(store, place): account.digest for place, account in readable.items()}
    return {epoch: digest for epoch, digest in digests.items() if epoch is not None and epoch not in epochs}


def _digest_of(wanted: Mapping[str, tuple[int, ...]], key: str) -> str:
    return hashlib.sha256(json.dumps([sorted(wanted.items()), key]).encode()).hexdigest()[:16]


def _is_wanting(path: Path, fingerprint: str, memory: Mapping[str, Account]) -> bool:
    if not path.exists():
        return True
    with suppress(CheckpointError):
        training = inspect_safetensors(path).metadata.get("training")
        if training != fingerprint:
            return training is not None
    return bool(_damage(path, memory))


def _is_settled(age_seconds: float) -> bool:
    """Whether nobody is writing a file any more; one from the future is of a wrong clock, not awaited."""
    return not -_AHEAD_SECONDS < age_seconds < _SETTLED_SECONDS


def _damage(path: Path, memory: Mapping[str, Account]) -> str:
    """Return why a file that featcx wrote cannot be used; empty while it is young, or where somebody else wrote it."""
    account = memory.get(str(path))
    with suppress(OSError):
        status = path.stat()
        is_same = account is not None and account[:2] == (status.st_size, changed_at(status))
        if account and is_same and account.bad and account.training != "":
            return account.bad if _is_settled(time.time() - status.st_mtime) else ""
    return ""
