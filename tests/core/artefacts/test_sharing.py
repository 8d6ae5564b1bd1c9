"""What one study has made from the very same as another is taken, and nothing else."""

from pathlib import Path

import pandas as pd
import pytest

from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.making import make
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.register import register
from featcx_core.artefacts.sharing import take_over
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.store.files import write_bytes
from featcx_core.store.places import MARKER, Store
from tests.steps import path_of, refresh, table_of

ONCE = {artefact.name for artefact in catalogue().shown if not artefact.has_epochs}


def sibling(small: Store, **changes: object) -> Store:
    """A registered study of which nothing is made, that differs from the small one in its name and what is given."""
    return register(small.study.model_copy(update={"name": "sibling", **changes}), home=small.home)


def taken_assets(store: Store, small: Store) -> set[str]:
    return {one.partition.artefact for one in take_over(store, [small])}


def stale(store: Store) -> set[str]:
    snapshot = Snapshot(store)
    return {artefact.name for artefact in snapshot.wanted if snapshot.stale(artefact)}


def test_all_is_taken_where_only_the_name_differs(small: Store):
    other = sibling(small)
    taken = take_over(other, [small])
    wanted = {artefact.name for artefact in Snapshot(other).wanted}
    assert stale(other) == ONCE & wanted - {"training"} | stale(small)  # these are cheap, and made from all epochs
    assert {one.source for one in taken} == {"tiny"}
    current = Snapshot(small).current
    assert len(taken) == 1 + sum(p.artefact in catalogue().names for p in current)  # and what is stored on the way
    refresh(other)
    for name, table in catalogue().tables.items():
        mine, theirs = table_of(other, name), table_of(small, name)
        if not any(artefact.has_epochs for artefact in catalogue().holders[name]):
            continue
        assert set(mine["study"]) <= {"sibling"}
        columns = [column for column in mine if column not in ("study", "jackknife")]
        keys = list(table.keys)
        pd.testing.assert_frame_equal(
            mine[columns].sort_values(keys, ignore_index=True), theirs[columns].sort_values(keys, ignore_index=True)
        )
    assert take_over(other, [small]) == []


def test_what_is_stored_on_the_way_comes_along(small: Store):
    layer = small.anatomy.penultimate
    make(small, "branch_activations", epoch=2)
    other = sibling(small)
    take_over(other, [small])
    assert Snapshot(other).is_current(Partition("branch_activations", 2, layer))


def test_arrays_are_linked_and_checkpoints_copied(small: Store):
    other = sibling(small)
    take_over(other, [small])
    arrays = [
        path for path in path_of(small, "activations", 1, "stem").rglob("*") if path.is_file() and path.name != MARKER
    ]
    assert arrays
    for path in arrays:
        assert (other.root / path.relative_to(small.root)).samefile(path)
    assert other.checkpoint(1).read_bytes() == small.checkpoint(1).read_bytes()
    assert not other.checkpoint(1).samefile(small.checkpoint(1))


CHANGES = {
    "another decay trains anew": ({"training": {"optimizer": {"weight_decay": 0.1}}}, set()),
    "another seed is another study": ({"seed": 1}, set()),
    "another penalty on codes": (
        {"dictionary": {"l1": 0.01}},
        {
            "training",
            "checkpoint",
            "activations",
            "dictionary_activations",
            "dictionary",
            "clusters",
            "selectivity",
            "image_losses",
            "noise_groups",
            "monitor",
            "similarity",
            "similarity_to_end",
        },
    ),
    "other jackknife groups": (
        {"probe": {"groups": 6}},
        {
            "training",
            "checkpoint",
            "activations",
            "dictionary_activations",
            "dictionary",
            "learning_curve",
            "clusters",
            "selectivity",
            "image_losses",
            "noise_groups",
            "monitor",
        },
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_only_what_no_changed_field_decides_is_taken(small: Store, case: str):
    changes, wanted = CHANGES[case]
    values = small.study.model_dump()
    for part, fields in changes.items():
        values[part] = values[part] | fields if isinstance(fields, dict) else fields
    study = type(small.study).model_validate(values | {"name": "sibling"})
    assert taken_assets(register(study, home=small.home), small) == wanted


def test_an_unfinished_training_is_not_taken(small: Store):
    small.checkpoint(2).unlink()
    assert taken_assets(sibling(small), small) == set()


def test_a_checkpoint_that_somebody_put_there_is_not_taken(small: Store):
    from safetensors.torch import load_file, save

    write_bytes(small.checkpoint(1), save(load_file(small.checkpoint(1))))  # without its training's fingerprint
    other = sibling(small)
    assert "training" not in taken_assets(other, small)
    assert not other.checkpoint(1).exists()


def test_the_reference_epochs_positions_come_along_or_its_activations_do_not(small: Store):
    analysis = small.study.probe.model_copy(update={"reference_epoch": 1})
    other = sibling(small, probe=analysis)
    take_over(other, [small])
    layer = small.anatomy.penultimate
    lacking = {(p.epoch, p.layer) for p in Snapshot(other).stale(catalogue()["activations"])}
    recorded = {row.layer for row in small.anatomy.layers if row.branches or row.layer == layer}
    assert lacking == {(1, name) for name in recorded}  # the small study has positions and branches of epoch 2 only


def test_another_disk_is_copied_to(small: Store, monkeypatch: pytest.MonkeyPatch):
    def refuse(source: str, place: str) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("featcx_core.artefacts.sharing.os.link", refuse)
    other = sibling(small)
    take_over(other, [small])
    assert "activations" not in stale(other)
    path = next(path for path in path_of(other, "activations", 1, "stem").rglob("*") if path.is_file())
    assert not path.samefile(small.root / path.relative_to(other.root))


def test_what_was_replaced_meanwhile_is_left(small: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    other = sibling(small)
    before = Snapshot(small)
    _ = before.current
    for layer in small.anatomy.names:
        write_bytes(path_of(small, "activations", 1, layer) / MARKER, b'{"fingerprint": "new"}')
    monkeypatch.setattr(
        "featcx_core.artefacts.sharing.Snapshot", lambda store: before if store is small else Snapshot(store)
    )
    taken = {(one.partition.artefact, one.partition.epoch) for one in take_over(other, [small])}
    assert ("activations", 0) in taken
    assert ("activations", 1) not in taken
