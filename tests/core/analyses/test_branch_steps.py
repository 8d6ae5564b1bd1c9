"""The rows of the table of branches against the arrays that are stored, and the checks on them."""

import numpy as np
import pandas as pd
import pytest
import zarr

import featcx_core as fx
from featcx_core.analyses.activations.make import record_activations
from featcx_core.analyses.branches.checks import (
    directions_stand_beside,
    permuted_codes_have_no_branch,
    shortcuts_bring_what_came,
)
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.checks import check_rows
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.measures.cross_fitted import cross_fitted_v_information
from featcx_core.networks.anatomy import anatomy_text
from featcx_core.store.manifests import read_manifest, write_manifest
from featcx_core.store.parquet import write_rows
from featcx_core.store.places import Store
from featcx_core.study.fields import Activations
from tests.core.features.test_branch_recording import EVERYTHING
from tests.references import branches as reference
from tests.steps import altered, arrays_of, path_of, probe_of, reader, refresh, remake, rows_of, table_of


@pytest.fixture
def asking(trained: Store) -> Store:
    """The tiny study at its reference epoch, recorded at a few layers (block layer2.0, a projection, and layer3.2)."""
    study = trained.study.model_copy(
        update={"analyses": EVERYTHING, "activations": Activations(layers=("stem", "layer2.0"))}
    )
    store = register(study, home=trained.home)
    record_activations(store, epoch=2, device="cpu")
    remake(store, "dictionary", epoch=2, device="cpu")
    remake(store, "codes", epoch=2, device="cpu")
    remake(store, "branches", epoch=2, device="cpu")
    refresh(store)
    return store


def test_rows_are_those_of_the_definitions(asking: Store):
    table, codes = (
        table_of(asking, "branches"),
        probe_of(asking, epoch=2, kinds=("concept", "random_direction", "shuffled")),
    )
    dead = ~codes.alive[:112]
    z = tuple(codes.codes_of(chunk).astype(float) for chunk in codes.chunks())
    assert len(table) == 2 * 2 * (12 + 100)
    assert (~dead[12:]).sum() > 0
    assert set(zip(table["block"], table["shortcut"], strict=True)) == {
        ("layer2.0", "projection"), ("layer3.2", "identity"),
    }  # fmt: skip
    for (block, branch), rows in table.groupby(["block", "branch"]):
        acts = np.asarray(
            arrays_of(asking, "branch_activations", epoch=2, layer=str(block))[str(branch)][:], dtype=float
        )
        everything = np.concatenate(z)[:, np.r_[np.flatnonzero(~dead), 112 + np.flatnonzero(~dead[:12])]]
        wanted = reference.concept_cka(acts, everything)
        own = rows.sort_values(["kind", "concept"])
        assert own[["cka", "v_information", "standard_error"]].isna().all(axis=1).tolist() == dead.tolist()
        alive = own[~dead]
        for column, values in zip(("cka", "cka_biased", "cka_as_printed"), wanted, strict=True):
            np.testing.assert_allclose(alive[column], values[: len(alive)], atol=1e-5)
        np.testing.assert_allclose(alive["cka_shuffled"].dropna(), wanted[0][len(alive) :], atol=1e-5)
        assert alive["cka_shuffled"].notna().tolist() == (alive["kind"] == "concept").tolist()
        probe = asking.study.probe
        living = [half[:, :112][:, ~dead] for half in z]
        halves = acts[:60], living[0], acts[60:], living[1]
        told = cross_fitted_v_information(*halves, penalties=probe.penalties, groups=probe.groups)
        np.testing.assert_allclose(alive["v_information"], told.v_information, atol=1e-6)
        np.testing.assert_allclose(alive["standard_error"], told.standard_error, atol=1e-6)
        left_out = np.stack(alive["jackknife"])
        np.testing.assert_allclose(left_out, told.jackknife, atol=1e-6)
        others = np.arange(120) % 60 % probe.groups != 3
        wanted = reference.concept_cka(acts[others], everything[others][:, : len(left_out)])[0]
        np.testing.assert_allclose(np.stack(alive["cka_jackknife"])[:, 3], wanted, atol=1e-5)


def test_the_rows_are_sound_and_current(asking: Store):
    assert check_rows(reader(asking), catalogue().tables["branches"]).passed
    assert Snapshot(asking).is_current(Partition("branches", 2))
    assert permuted_codes_have_no_branch(reader(asking)).numbers["largest_mean"] < 0.1
    found = shortcuts_bring_what_came(
        reader(asking)
    )  # blocks are left out, so neighbours in the list need not be neighbours
    assert (found.passed, found.says.split(":")[0]) == (True, "not compared")


def test_a_notebook_opens_branches(asking: Store):
    study = fx.open_study("tiny", home=asking.home)
    acts = study.branch(epoch=2, block="layer3.2", branch="main")
    assert (acts.shape, acts.attrs["branch"]) == ((120, 64), "main")
    assert study.layers.set_index("layer").loc["layer3.2", "branches"] == ["residual", "main"]
    found = fx.concept_cka(np.asarray(acts[:]), np.asarray(study.codes(epoch=2)[:]))
    own = study.table("branches").query("block == 'layer3.2' and branch == 'main' and kind == 'concept' and cka == cka")
    np.testing.assert_allclose(found.unbiased[own["concept"]], own["cka"], atol=1e-6)
    with pytest.raises(ValueError, match=r"stem.*layer2\.0"):
        study.branch(epoch=2, block="stem", branch="main")


def test_checks_find_what_is_wrong(asking: Store):
    altered(asking, "branches", "000002", lambda rows: rows.assign(cka_shuffled=0.3))
    found = permuted_codes_have_no_branch(reader(asking))
    assert (found.passed, found.says) == (False, "epoch 2: 0.300")
    beside = directions_stand_beside(reader(asking))
    assert (beside.passed, beside.says) == (True, "400 rows of random directions")
    altered(asking, "branches", "000002", lambda rows: rows[(rows["kind"] == "concept") | (rows["branch"] == "main")])
    beside = directions_stand_beside(reader(asking))
    assert (beside.passed, beside.says) == (False, "epoch 2: no random direction")


def test_a_shortcut_that_brings_something_else_is_found(trained: Store):
    store = register(trained.study.model_copy(update={"analyses": EVERYTHING}), home=trained.home)
    record_activations(store, epoch=2, device="cpu")
    columns = catalogue().tables["branches"].columns
    fill = {"string": "main", "int64": 2, "float64": 0.5, "list<float>": None}
    frame = pd.DataFrame([{c.name: fill[c.dtype] for c in columns if c.name not in ("study", "fingerprint")}])
    fingerprint, file = Snapshot(store).fingerprint(Partition("branches", 2)), store.table("branches", "000002")
    write_rows(file, catalogue().tables["branches"], frame, study="tiny", fingerprint=fingerprint)
    assert shortcuts_bring_what_came(reader(store)).passed
    residual = arrays_of(store, "branch_activations", epoch=2, layer="layer1.1")["residual"]
    place = path_of(store, "branch_activations", 2, "layer1.1") / "residual"
    manifest = read_manifest(place.parent)
    zarr.open_array(str(place), mode="r+")[:] = 2 * residual[:]
    write_manifest(place.parent, fingerprint=manifest.fingerprint)  # as if it had been made so
    found = shortcuts_bring_what_came(reader(store))
    assert not found.passed
    assert found.says == "epoch 2: layer1.1 is not given what layer1.0 gives"


def test_a_network_that_adds_nothing_has_no_rows(asking: Store):
    bare = asking.anatomy.model_copy(
        update={"layers": tuple(row.model_copy(update={"branches": {}}) for row in asking.anatomy.layers)}
    )
    asking.layers_path.write_text(anatomy_text(bare))
    assert remake(asking, "branches", epoch=2, device="cpu").empty
    assert rows_of(asking, "branches", epoch=2).empty
    assert directions_stand_beside(reader(asking)).passed
