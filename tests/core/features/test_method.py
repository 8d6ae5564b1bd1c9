"""The dictionary's method is decided, and refused, before anything is recorded."""

import numpy as np
import pytest
import torch
from torch import nn

from featcx_core.analyses.activations.make import record_activations
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.analyses.training.make import train
from featcx_core.artefacts.register import register
from featcx_core.features.dictionary import encode, random_atoms
from featcx_core.features.method import dictionary_method
from featcx_core.networks.anatomy import Anatomy, read_anatomy
from featcx_core.store.places import Store
from featcx_core.study.fields import DictionarySettings, Model, Study, StudyError
from featcx_core.study.files import load_study, packaged_studies
from tests.steps import arrays_of, probe_of, reader, remake

MNIST = read_anatomy(packaged_studies()["mnist"].with_suffix(".layers.json"))
SIGNED = MNIST.model_copy(update={"signed": True})
MESSAGE = r'method = "nmf": wanted activations >= 0, but .*, which the head reads, goes below zero; try "semi_nmf", or'


class Normalised(nn.Module):
    """Its head reads what a normalisation gives."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(1, 8, 3), nn.LayerNorm(8), nn.Linear(8, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.norm(self.conv(images).relu().mean((2, 3))))


def study(method: str) -> Study:
    return Study(name="any", dictionary=DictionarySettings(method=method))


def normalised(tiny: Study, **dictionary: object) -> Study:
    own = tiny.dictionary.model_copy(update=dictionary)
    return tiny.model_copy(update={"model": Model(source=f"{__name__}:Normalised"), "dictionary": own})


@pytest.mark.parametrize(
    ("method", "anatomy", "wanted"),
    [
        ("auto", MNIST, "nmf"),
        ("auto", SIGNED, "semi_nmf"),
        ("nmf", MNIST, "nmf"),
        *((method, anatomy, method) for method in ("semi_nmf", "kmeans", "pca") for anatomy in (MNIST, SIGNED)),
    ],
)
def test_the_network_decides_unless_the_study_does(method: str, anatomy: Anatomy, wanted: str):
    assert dictionary_method(study(method), anatomy) == wanted


def test_nmf_wants_a_relu(tiny, tmp_path):
    with pytest.raises(StudyError, match=MESSAGE):
        dictionary_method(study("nmf"), SIGNED)
    with pytest.raises(StudyError, match=MESSAGE):
        register(normalised(tiny, method="nmf"), home=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_told_before_anything_is_made(monkeypatch, tmp_path):
    monkeypatch.setattr("featcx_core.features.method.find_spec", lambda name: None)
    with pytest.raises(StudyError, match=r"overcomplete is not installed; try pip install 'featcx\[dictionaries\]'"):
        register(load_study("mnist").model_copy(update={"dictionary": DictionarySettings(method="sae")}), home=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("method", ["auto", "pca"])
def test_signed_activations_get_signed_atoms_and_controls(method, tiny, tmp_path):
    store = train(normalised(tiny, method=method), home=tmp_path, device="cpu")
    record_activations(store, epoch=1, device="cpu")
    remake(store, "dictionary_activations", epoch=1, device="cpu")
    remake(store, "dictionary", epoch=1)
    kept = read_dictionary(reader(store), epoch=1)
    assert (kept.atoms.min(axis=1) < 0).sum() > 6
    row = remake(store, "codes", epoch=1, device="cpu")
    assert row["method"].tolist() == [kept.method] == ["semi_nmf" if method == "auto" else "pca"]
    assert row["kkt_residual"].item() < 1e-6
    acts = np.asarray(arrays_of(store, "activations", epoch=1, layer="norm")[:], dtype=np.float32)
    random = probe_of(store, epoch=1, kinds=("random_direction",))
    directions = random.codes_of(next(random.chunks("fit")))
    wanted = encode(acts[:60], random_atoms(100, 8, seed=0, is_signed=True))
    np.testing.assert_allclose(directions, wanted, atol=1e-4)

    streamed = Store(tmp_path / "streamed", normalised(tiny, method=method, keep_positions_gb=0.0))
    train(streamed.study, home=tmp_path / "streamed", device="cpu")
    remake(streamed, "dictionary_activations", epoch=1)
    remake(streamed, "dictionary", epoch=1)
    np.testing.assert_allclose(read_dictionary(reader(streamed), epoch=1).atoms, kept.atoms, atol=1e-5)
