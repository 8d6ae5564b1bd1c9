import logging
import tracemalloc
import weakref

import numpy as np
import pytest
import torch
import zarr
from safetensors.torch import load_file

from featcx_core.analyses.activations.make import record_activations
from featcx_core.analyses.dictionary_activations.make import class_positions, dictionary_activation_bytes
from featcx_core.artefacts.given import Tools
from featcx_core.artefacts.making import make
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.register import register
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.checkpoints.survey import read_head, write_checkpoint
from featcx_core.features import writing
from featcx_core.features.forward import Network, Tap
from featcx_core.features.writing import checked
from featcx_core.images.data import dictionary_images, image_digest, load_data
from featcx_core.networks.models import build_model
from featcx_core.networks.safetensors_files import CheckpointError
from featcx_core.store.places import Store, committed
from featcx_core.study.fields import Activations, Study
from tests.steps import arrays_of, path_of, reader

LAST = "layer3.2"


def maps(store: Store, indices: np.ndarray, name: str, *, epoch: int = 2) -> torch.Tensor:
    """A module's output on the images, all at once and by the plainest of hooks."""
    data = load_data(store.study)
    model = build_model(store.study, n_classes=3, image_shape=data.image_shape)
    model.load_state_dict(load_file(store.checkpoint(epoch)))
    kept: list[torch.Tensor] = []
    model.get_submodule(name).register_forward_hook(lambda module, inputs, output: kept.append(output.detach().clone()))
    pixels = (data.images[indices] / 255 - data.mean[:, None, None]) / data.std[:, None, None]
    with torch.no_grad():
        model.eval()(torch.tensor(pixels, dtype=torch.float32))
    return kept[0]


def changed(store: Store, **fields: object) -> Store:
    """The same artefacts under another configuration of the activations."""
    study = store.study.model_copy(update={"activations": Activations(**fields)})
    return register(study, home=store.home)


def passes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.message.startswith("forward pass")]


def test_every_layer_is_the_mean_over_positions_in_the_order_fit_score(trained: Store, caplog):
    caplog.set_level(logging.INFO, logger="featcx")
    data = load_data(trained.study)
    assert record_activations(trained, epoch=1, device="cpu", batch_size=50) == trained.anatomy.names
    assert passes(caplog) == ["forward pass: epoch 1, 120 probe images, 10 layers"]
    for row in trained.anatomy.layers:
        acts = arrays_of(trained, "activations", epoch=1, layer=row.layer)
        expected = maps(trained, data.probe, row.layer, epoch=1).mean((2, 3))
        assert acts.shape == (120, row.units)
        np.testing.assert_allclose(acts[:], expected, rtol=1e-3, atol=1e-4)
        assert acts.attrs.asdict() == {
            "layer": row.layer, "pooling": "gap", "epoch": 1, "n_fit": 60, "images": image_digest(data, data.probe),
        }  # fmt: skip
    assert committed(path_of(trained, "positions", 1, LAST)) is None


def test_penultimate_activations_times_head_are_the_logits(trained: Store):
    record_activations(trained, epoch=2, layers=[LAST], device="cpu")
    weight, bias = read_head(trained, epoch=2)
    logits = np.asarray(arrays_of(trained, "activations", epoch=2, layer=LAST)) @ weight + bias
    np.testing.assert_allclose(logits, maps(trained, load_data(trained.study).probe, "fc"), rtol=1e-3, atol=1e-3)


def test_positions_are_kept_at_the_reference_epoch(trained: Store, caplog):
    caplog.set_level(logging.INFO, logger="featcx")
    record_activations(trained, epoch=2, device="cpu", batch_size=7)
    assert len(passes(caplog)) == 1
    positions = zarr.open_array(str(path_of(trained, "positions", 2)), mode="r")
    expected = maps(trained, load_data(trained.study).probe, LAST)
    np.testing.assert_allclose(positions[:], expected.flatten(2).transpose(1, 2), rtol=1e-3, atol=1e-4)
    assert (positions.attrs["height"], positions.attrs["width"]) == (3, 3)
    pooled = arrays_of(trained, "activations", epoch=2, layer=LAST)[:]
    np.testing.assert_allclose(positions[:].mean(1), pooled, rtol=1e-4, atol=1e-5)
    assert committed(path_of(trained, "positions", 2, LAST)) == Snapshot(trained).fingerprint(
        Partition("positions", 2, LAST)
    )


def test_only_what_is_missing_is_recorded(trained: Store, caplog):
    caplog.set_level(logging.INFO, logger="featcx")
    assert record_activations(trained, epoch=2, layers=["stem"], device="cpu") == ["stem"]
    stamp = path_of(trained, "activations", 2, "stem").stat().st_mtime_ns
    assert record_activations(trained, epoch=2, layers=[LAST, "stem", "layer1.0"], device="cpu") == ["layer1.0", LAST]
    assert record_activations(trained, epoch=2, layers=["stem", LAST], device="cpu") == []
    assert len(passes(caplog)) == 2
    assert path_of(trained, "activations", 2, "stem").stat().st_mtime_ns == stamp
    assert len(record_activations(trained, epoch=2, device="cpu")) == 7
    assert record_activations(trained, epoch=2, device="cpu") == []
    weights = {name: tensor * 2 for name, tensor in load_file(trained.checkpoint(2)).items()}
    write_checkpoint(trained.checkpoint(2), weights, metrics={}, made_by="")
    assert len(record_activations(trained, epoch=2, device="cpu")) == 10


def test_batch_size_changes_nothing_but_rounding(trained: Store):
    record_activations(trained, epoch=1, layers=["layer2.1"], device="cpu", batch_size=120)
    whole = arrays_of(trained, "activations", epoch=1, layer="layer2.1")[:]
    other = changed(trained, dtype="float16")
    record_activations(other, epoch=1, layers=["layer2.1"], device="cpu", batch_size=11)
    half = arrays_of(other, "activations", epoch=1, layer="layer2.1")
    assert half.dtype == np.float16
    np.testing.assert_allclose(half[:], whole, rtol=2e-3, atol=1e-4)


def test_grid_pooling(trained: Store):
    store = changed(trained, pooling="grid:2")
    record_activations(store, epoch=1, device="cpu")
    stem = arrays_of(store, "activations", epoch=1, layer="stem")
    assert stem.shape == (120, 64)
    assert stem.attrs["pooling"] == "grid:2"
    expected = maps(store, load_data(store.study).probe, "stem", epoch=1)  # (image, 16, 12, 12)
    np.testing.assert_allclose(stem[:, 1], expected[:, 0, :6, 6:].mean((1, 2)), rtol=1e-3, atol=1e-4)
    last = arrays_of(store, "activations", epoch=1, layer=LAST)
    assert (last.shape, last.attrs["pooling"]) == ((120, 64), "gap")


def test_progress_is_shown_by_batches(trained: Store):
    seen: list[int] = []

    def progress(items, *, desc):
        assert desc == "forward pass"
        seen.extend(items)
        return iter(seen)

    record_activations(trained, epoch=1, layers=["stem"], device="cpu", batch_size=50, progress=progress)
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_weights_commit_nothing(trained: Store, value):
    weights = load_file(trained.checkpoint(2))
    weights["layer2.0.bn2.bias"][3] = value
    write_checkpoint(trained.checkpoint(2), weights, metrics={"test_accuracy": 0.5}, made_by="")
    message = r"epoch 2, layer layer2\.0: \d+ of 3840 activations are NaN or infinite; .*replace or delete it"
    with pytest.raises(ValueError, match=message):
        record_activations(trained, epoch=2, device="cpu")
    assert not [path for path in trained.root.joinpath("activations").rglob("*") if path.is_file()]
    with pytest.raises(ValueError, match=r"epoch 2, layer layer3\.2: .* NaN or infinite"):
        make(trained, "dictionary_activations", epoch=2, device="cpu")
    assert committed(path_of(trained, "dictionary_activations", 2)) is None


def test_values_too_large_for_half_precision():
    values = np.array([[1.0, 70000.0]], dtype=np.float32)
    with pytest.raises(ValueError, match=r"layer a: 1 activations are beyond float16's 65504; use .*float32"):
        checked(values, epoch=1, layer="a", dtype="float16")
    assert checked(values, epoch=1, layer="a", dtype="float32") is values


def test_what_is_not_there(trained: Store):
    with pytest.raises(ValueError, match=r"unknown layer 'layer9'; layers: stem, layer1\.0"):
        record_activations(trained, epoch=1, layers=["stem", "layer9"])
    with pytest.raises(ValueError, match=r"epoch 5: no usable checkpoint in .*checkpoints; epochs there: 0, 1, 2"):
        record_activations(trained, epoch=5)
    with pytest.raises(ValueError, match=r"epoch 1, layer stem: no activations yet at .*stem\.zarr; materialise"):
        arrays_of(trained, "activations", epoch=1, layer="stem")
    network = Network.load(trained, epoch=1, device="cpu")
    trained.checkpoint(1).write_bytes(b"")
    with pytest.raises(CheckpointError, match="truncated"):
        Network.load(trained, epoch=1, device="cpu")
    with pytest.raises(AttributeError, match="nothing"):
        next(network.forward(np.arange(3), [Tap("nothing", torch.clone)]))


def test_hooks_copy_before_a_relu_in_place_overwrites(tiny: Study):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.ReLU(inplace=True))
    data = load_data(tiny)
    network = Network(model, data, torch.device("cpu"))
    ((flat, relu),) = network.forward(data.probe, [Tap("0", torch.clone), Tap("1", torch.clone)], batch_size=1000)
    assert flat.min() < 0
    np.testing.assert_array_equal(np.maximum(flat, 0), relu)
    assert not any(module._forward_hooks for module in model.modules())


def test_each_call_of_a_module_is_a_layer(tiny: Study):
    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = torch.nn.ReLU()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.relu(-1 - self.relu(images))

    data = load_data(tiny)
    taps = [Tap("relu", torch.clone), Tap("relu#2", torch.clone)]
    ((first, second),) = Network(Twice(), data, torch.device("cpu")).forward(data.probe, taps)
    assert first.max() > 0
    assert second.max() == 0


def test_gradients_are_not_left_switched_off_between_batches(trained: Store):
    network = Network.load(trained, epoch=1, device="cpu")
    batches = network.forward(network.data.probe, [Tap("stem", torch.clone)], batch_size=50)
    next(batches)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_the_forward_pass_refuses_tf32_and_leaves_the_setting_as_it_was(trained: Store):
    network, before, seen = Network.load(trained, epoch=1, device="cpu"), torch.backends.cudnn.allow_tf32, []
    network.model.register_forward_pre_hook(lambda *_: seen.append(torch.backends.cudnn.allow_tf32))
    for _ in network.forward(network.data.probe, [Tap(LAST, lambda output: output.clone())], batch_size=50):
        assert torch.backends.cudnn.allow_tf32 == before
    assert before
    assert seen == [False] * 3


def test_memory_does_not_grow_with_the_images(tiny: Study, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "CHUNK_BYTES", 65536)
    chance = np.random.default_rng(0)

    def peak(n: int) -> int:
        labels, images = np.arange(n) % 3, chance.integers(0, 256, (n, 12, 12), dtype=np.uint8)
        np.savez(tmp_path / f"{n}.npz", images=images, labels=labels)
        data = tiny.data.model_copy(update={"source": f"npz:{tmp_path}/{n}.npz"})
        split = data.split.model_copy(update={"train": 30, "fit": n // 2 - 20, "score": n // 2 - 20, "test": 3})
        study = tiny.model_copy(update={"data": data.model_copy(update={"split": split}), "name": f"n{n}"})
        store = register(study, home=tmp_path)
        probe = load_data(study)
        model = build_model(study, n_classes=3, image_shape=probe.image_shape)
        write_checkpoint(store.checkpoint(2), model.state_dict(), metrics={}, made_by="")
        tracemalloc.start()
        record_activations(store, epoch=2, layers=[LAST], device="cpu", batch_size=32)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)  # imports and caches
    small, large = peak(300), peak(900)
    positions = 600 * 9 * 64 * 4
    assert large - small < positions / 10


def test_a_writer_keeps_no_batch(tmp_path):
    """Kept, small arrays would pin the memory of the large maps that are allocated around them."""
    rows = np.arange(12.0).reshape(6, 2)
    array = zarr.create_array(store=str(tmp_path / "a"), shape=(7, 2), chunks=(4, 2), dtype="float64")
    writer = writing.Writer(array)
    held = weakref.ref(rows)
    writer.append(rows)
    del rows
    assert held() is None
    writer.append(np.array([[12.0, 13.0]]))
    writer.close()
    np.testing.assert_array_equal(array[:], np.arange(14.0).reshape(7, 2))


def test_chunks_are_whole_rows_of_the_stated_size(trained: Store, monkeypatch):
    monkeypatch.setattr(writing, "CHUNK_BYTES", 50 * 16 * 4)
    record_activations(trained, epoch=1, layers=["stem"], device="cpu", batch_size=32)
    acts = arrays_of(trained, "activations", epoch=1, layer="stem")
    assert acts.chunks == (50, 16)
    expected = maps(trained, load_data(trained.study).probe, "stem", epoch=1).mean((2, 3))
    np.testing.assert_allclose(acts[:], expected, rtol=1e-3, atol=1e-4)


def test_dictionary_images_are_the_first_of_each_class(tiny: Study):
    data = load_data(tiny)
    images = dictionary_images(data, tiny)
    assert [len(rows) for rows in images] == [30, 30, 30]
    for class_id, rows in enumerate(images):
        of_class = [i for i in data.split["train"] if data.labels[i] == class_id]
        assert list(rows) == of_class[:30]


@pytest.mark.parametrize("batch_size", [7, 30, 256])  # within a class, up to its end, over all
def test_dictionary_positions_from_the_store_and_from_a_stream_are_the_same(trained: Store, caplog, batch_size: int):
    caplog.set_level(logging.INFO, logger="featcx")
    assert dictionary_activation_bytes(reader(trained)) == 90 * 9 * 64 * 4
    streamed = list(class_positions(reader(trained), epoch=2, tools=Tools("cpu", batch_size)))
    assert passes(caplog) == ["forward pass: epoch 2, 90 training images, positions of layer3.2"]
    made = [Partition("dictionary_activations", 2)]
    assert make(trained, "dictionary_activations", epoch=2, device="cpu", batch_size=batch_size) == made
    assert make(trained, "dictionary_activations", epoch=2, device="cpu") == []
    stored = list(class_positions(reader(trained), epoch=2, tools=Tools("cpu")))
    assert len(passes(caplog)) == 2
    for class_id, rows in enumerate(dictionary_images(load_data(trained.study), trained.study)):
        expected = maps(trained, rows, LAST).flatten(2).transpose(1, 2).reshape(-1, 64)
        np.testing.assert_allclose(stored[class_id], expected, rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(stored[class_id], streamed[class_id])
        assert stored[class_id].dtype == np.float32


def test_half_precision_positions_are_the_same_stored_or_not(trained: Store):
    store = changed(trained, dtype="float16")
    streamed = list(class_positions(reader(store), epoch=2, tools=Tools("cpu")))
    assert make(store, "dictionary_activations", epoch=2, device="cpu")
    for one, two in zip(class_positions(reader(store), epoch=2, tools=Tools("cpu")), streamed, strict=True):
        np.testing.assert_array_equal(one, two)


def test_positions_beyond_the_limit_are_not_stored(trained: Store, caplog):
    caplog.set_level(logging.INFO, logger="featcx")
    study = trained.study.model_copy(
        update={"dictionary": trained.study.dictionary.model_copy(update={"keep_positions_gb": 1e-6, "scope": "all"})}
    )
    store = register(study, home=trained.home)
    for _ in range(2):  # the second time the empty group is there, and says the same
        make(store, "dictionary_activations", epoch=2, device="cpu")
    assert zarr.open_group(str(path_of(store, "dictionary_activations", 2)), mode="r").attrs["kept"] is False
    assert not list(path_of(store, "dictionary_activations", 2).glob("*/zarr.json"))
    assert passes(caplog) == []
    (everything,) = class_positions(reader(store), epoch=2, tools=Tools("cpu"))
    assert everything.shape == (90 * 9, 64)
    assert "one dictionary over all images is fitted on 0.0 GB in memory; dictionary.images_per_class" in caplog.text


def test_a_flattened_map_is_recorded_as_the_head_reads_it(tiny: Study, tmp_path):
    model = tiny.model.model_copy(update={"source": "tests.core.networks.small:Flat"})
    named = tiny.activations.model_copy(update={"layers": ("conv", "relu")})
    study = tiny.model_copy(update={"model": model, "activations": named, "name": "flat"})
    store = register(study, home=tmp_path)
    network = build_model(study, n_classes=3, image_shape=(1, 12, 12))
    write_checkpoint(store.checkpoint(2), network.state_dict(), metrics={}, made_by="")
    assert record_activations(store, epoch=2, device="cpu") == ["conv", "relu"]
    relu, probe = arrays_of(store, "activations", epoch=2, layer="relu"), load_data(study).probe
    np.testing.assert_allclose(relu[:], maps(store, probe, "relu").flatten(1), rtol=1e-4, atol=1e-5)
    assert arrays_of(store, "activations", epoch=2, layer="conv")[:].min() < 0
    assert zarr.open_array(str(path_of(store, "positions", 2)), mode="r").shape == (120, 1, 200)
    assert [part.shape for part in class_positions(reader(store), epoch=2, tools=Tools("cpu"))] == [(30, 200)] * 3


@pytest.mark.gpu
def test_on_a_gpu_the_same_up_to_float_tolerance(trained: Store):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    record_activations(trained, epoch=1, device="cuda")
    expected = maps(trained, load_data(trained.study).probe, LAST, epoch=1).mean((2, 3))
    np.testing.assert_allclose(
        arrays_of(trained, "activations", epoch=1, layer=LAST)[:], expected, rtol=1e-2, atol=1e-3
    )
