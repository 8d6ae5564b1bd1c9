from featcx_core.store.places import Store
from featcx_core.study.fields import Study


def test_store_places_are_under_home_and_study(tmp_path):
    store = Store(tmp_path, Study(name="a"))
    assert store.checkpoint(12) == tmp_path / "a" / "checkpoints" / "000012.safetensors"
    assert store.layers_path == tmp_path / "a" / "layers.json"
