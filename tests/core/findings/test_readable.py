import numpy as np

from featcx_core.findings.readable import half_readable, presence
from tests.core.findings.frames import frame, no_rows

LAYERS = ["first", "second", "third"]


def tables(values: list[list[float]]):
    """Tables of one epoch: a row of V-information for each concept, by layer."""
    layers = [{"layer": layer, "depth": depth} for depth, layer in enumerate(LAYERS)]
    rows = [
        {"epoch": 4, "dictionary_epoch": 4, "concept": i, "layer": layer, "v_information": value}
        for i, of_concept in enumerate(values)
        for layer, value in zip(LAYERS, of_concept, strict=True)
    ]
    return no_rows()._replace(layers=frame("layers", layers), v_information=frame("v_information", rows))


def test_layer_by_which_half_of_the_concepts_are_half_readable():
    found = half_readable(tables([[0.5, 0.6, 0.9], [0.1, 0.5, 0.9], [0.1, 0.2, 0.8], [0.0, 0.01, 0.05]]), epoch=4)
    assert (found.layer, found.place, found.n_layers) == ("second", 2, 3)
    assert (found.n_readable, found.n, found.n_barely) == (2, 3, 1)  # the last one never reaches a tenth


def test_nothing_readable_has_no_layer():
    assert half_readable(tables([[0.0, 0.01, 0.05]]), epoch=4) is None
    assert half_readable(no_rows(), epoch=4) is None
    assert half_readable(tables([[np.nan] * 3]), epoch=4) is None


def paths(births: list[int], epochs: list[int]):
    rows = [
        {"epoch": epoch, "concept": i, "cosine": 0.9 if epoch >= birth else 0.1, "null_cosine": 0.5}
        for i, birth in enumerate(births)
        for epoch in epochs
    ]
    numbers = [{"epoch": epoch, "passes": float(epoch)} for epoch in epochs]
    return no_rows()._replace(concept_paths=frame("concept_paths", rows), epochs=frame("epochs", numbers))


def test_checkpoint_from_which_half_of_the_concepts_stay():
    found = presence(paths([1, 2, 2, 9], [0, 1, 2, 3]), epoch=3)
    assert (found.epoch, found.n_present, found.n, found.passes) == (2, 3, 4, "")


def test_presence_takes_two_trained_checkpoints_and_half_of_the_concepts():
    assert presence(paths([1, 1], [0, 1]), epoch=1) is None
    assert presence(paths([1, 9, 9], [0, 1, 2]), epoch=2) is None
    assert presence(no_rows(), epoch=3) is None
