import numpy as np

from featcx_core.analyses.activations.make import record_activations
from featcx_core.analyses.training.make import train
from featcx_core.artefacts.making import make
from featcx_core.study.files import load_study
from tests.conftest import TINY, write_tiny
from tests.core.networks import small
from tests.core.networks.small import SMALL_COLOUR, SMALL_VIT, VIT, anatomy, study
from tests.steps import arrays_of


def test_layers_of_tokens_can_be_named():
    found = anatomy(
        study(VIT, layers=("encoder.layers.*",), pooling="grid:3", image_size=12, **SMALL_VIT), SMALL_COLOUR
    )
    assert [(row.layer, row.units) for row in found.layers] == [
        ("encoder.layers.encoder_layer_0", 72),
        ("encoder.layers.encoder_layer_1", 72),
        ("encoder.ln", 8),
    ]


def test_a_class_token_is_known_where_the_head_reads_something_made_of_it():
    found = anatomy(study(VIT, image_size=12, representation_size=5, **SMALL_VIT), SMALL_COLOUR)
    assert [row.layout for row in found.layers] == ["channels_first", "class_token", "class_token", "vector"]
    assert (found.layers[-1].layer, found.layers[-1].units) == ("heads.act", 5)


def test_doubtful_channels_lie_as_in_the_same_class_elsewhere():
    found = anatomy(study(f"{small.__name__}:AsWideAsDeep"), SMALL_COLOUR)
    assert [(row.layer, row.layout, row.units) for row in found.layers] == [
        ("conv", "channels_first", 12),
        ("first", "channels_last", 12),
        ("second", "channels_last", 20),
    ]


def test_tokens_are_recorded(tmp_path):
    arguments = ", ".join(f"{name} = {value}" for name, value in {"image_size": 12, **SMALL_VIT}.items())
    text = TINY.replace("builtin:small_resnet", VIT).replace("[training]", f"arguments = {{{arguments}}}\n[training]")
    path = write_tiny(tmp_path, text=text)
    with np.load(tmp_path / "tiny.npz") as arrays:
        images, labels = arrays["images"], arrays["labels"]
    np.savez(tmp_path / "tiny.npz", images=np.repeat(images[:, None], 3, axis=1), labels=labels)
    store = train(load_study(path), home=tmp_path / "home", device="cpu")
    names = ["conv_proj", "encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1", "encoder.ln"]
    assert record_activations(store, epoch=2, device="cpu") == names
    assert arrays_of(store, "activations", epoch=2, layer="encoder.ln").shape == (120, 8)
    assert make(store, "dictionary_activations", epoch=2, device="cpu")
