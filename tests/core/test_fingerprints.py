"""Which field of a study makes which artefacts stale: exactly those that it can change."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from featcx_core.anatomy import Anatomy, read_anatomy
from featcx_core.fingerprints import Fingerprints, content_digest
from featcx_core.study import Study, StudyError, packaged_studies

ASSETS = (
    "training", "checkpoint", "activations", "dictionary_activations", "dictionary", "codes", "v_information",
    "reference_v_information", "complexity", "importance",
)  # fmt: skip
AFTER_CODES = {"codes", "v_information", "reference_v_information", "complexity", "importance"}
AFTER_ACTIVATIONS = {"activations"} | AFTER_CODES


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return read_anatomy(packaged_studies()["mnist"].with_suffix(".layers.json"))


def prints(anatomy: Anatomy, digests: dict[int, str] | None = None, **changes: Any) -> Fingerprints:
    values: dict[str, Any] = {"name": "x"}
    for field, value in changes.items():
        part, _, key = field.partition("__")
        values[part] = {key: value} if key else value
    return Fingerprints(Study.model_validate(values), anatomy, digests or {5: "five", 12: "twelve"})


def stale(before: Fingerprints, after: Fingerprints, *, epoch: int = 5, layer: str = "layer1.0") -> set[str]:
    def of(which: Fingerprints, asset: str) -> str:
        return which.of(asset) if asset == "training" else which.of(asset, epoch, layer)

    return {asset for asset in ASSETS if of(before, asset) != of(after, asset)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"dictionary__atoms_per_class": 5}, {"dictionary"} | AFTER_CODES),
        ({"dictionary__scope": "all"}, {"dictionary"} | AFTER_CODES),
        ({"dictionary__images_per_class": 9}, {"dictionary_activations", "dictionary"} | AFTER_CODES),
        ({"dictionary__l1": 1e-2}, AFTER_CODES),
        ({"dictionary__keep_positions_gb": 0.0}, set()),
        ({"activations__pooling": "grid:2"}, AFTER_ACTIVATIONS),
        ({"activations__dtype": "float16"}, {"dictionary_activations", "dictionary"} | AFTER_ACTIVATIONS),
        ({"probe__groups": 10}, {"v_information", "reference_v_information", "complexity"}),
        ({"probe__penalties": {"count": 5}}, {"v_information", "reference_v_information", "complexity"}),
        ({"probe__reference_epoch": 5}, {"reference_v_information"}),
        ({"training__batch_size": 64}, {"training"}),
        ({"analyses__bootstrap": 500}, set()),
        ({"data__split": {"fit": 400}}, set(ASSETS)),
        ({"seed": 1}, set(ASSETS)),
    ],
)
def test_a_field_makes_stale_what_it_can_change(anatomy: Anatomy, change: dict[str, Any], expected: set[str]):
    assert stale(prints(anatomy), prints(anatomy, **change)) == expected


def test_a_replaced_checkpoint_makes_its_own_epoch_stale_only(anatomy: Anatomy):
    before, after = prints(anatomy), prints(anatomy, {5: "another", 12: "twelve"})
    assert stale(before, after) == set(ASSETS) - {"training"}
    assert stale(before, after, epoch=12) == set()


def test_the_reference_checkpoint_is_behind_what_follows_its_concepts(anatomy: Anatomy):
    assert stale(prints(anatomy), prints(anatomy, {5: "five", 12: "another"})) == {"reference_v_information"}


def test_epochs_layers_and_assets_never_share_a_fingerprint(anatomy: Anatomy):
    same = prints(anatomy, {5: "same", 12: "same"})
    grid = ("activations", "v_information", "reference_v_information")
    found = [same.of(asset, epoch, layer) for asset in grid for epoch in (5, 12) for layer in anatomy.names]
    assert len(set(found)) == len(found)


def test_fields_of_tables_over_all_epochs(anatomy: Anatomy):
    before, after = prints(anatomy), prints(anatomy, analyses__bootstrap=500)
    assert before.fields("sedimentation") != after.fields("sedimentation")
    assert before.fields("decode_time") == after.fields("decode_time")


def test_a_data_file_counts_by_its_content(tmp_path: Path):
    path = tmp_path / "d.npz"
    np.savez(path, images=np.zeros(3))
    first = content_digest(f"npz:{path}")
    np.savez(path, images=np.ones(30))
    assert content_digest(f"npz:{path}") != first
    assert content_digest("packaged:mnist5k") == ""
    with pytest.raises(StudyError, match=r"data\.source: cannot read .*nowhere\.npz: No such file"):
        content_digest(f"npz:{tmp_path}/nowhere.npz")


def test_an_asset_over_all_epochs_has_no_fingerprint_of_its_own(anatomy: Anatomy):
    with pytest.raises(ValueError, match="wanted an asset made once an epoch, got 'sedimentation'"):
        prints(anatomy).of("sedimentation")
