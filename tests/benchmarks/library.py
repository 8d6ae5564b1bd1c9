"""The analysis of a study by plain library calls, without Dagster: what `featcx run` is compared with."""

from featcx_core.analyses import (
    branches,
    clusters,
    dynamics,
    explorer,
    features,
    means,
    measures,
    paths,
    properties,
    report,
    sources,
)
from featcx_core.artefacts.state import State
from featcx_core.features.activations import record_activations, record_dictionary_activations
from featcx_core.store.places import Store


def describe_epoch(store: Store, epoch: int, *, device: str = "cpu") -> None:
    """Activations, dictionary and codes of one epoch."""
    sources.make_checkpoint(store, epoch=epoch, device=device)
    record_activations(store, epoch=epoch, device=device)
    record_dictionary_activations(store, epoch=epoch, device=device)
    features.make_dictionary(store, epoch=epoch, device=device)
    features.make_codes(store, epoch=epoch, device=device)


def measure_epoch(store: Store, epoch: int, *, device: str = "cpu") -> None:
    """Everything that is measured at one epoch, once the codes of the reference epoch are there."""
    wanted = dict.fromkeys((epoch, store.study.reference_epoch))
    layers = store.anatomy.names
    measures.make_v_information(store, epoch=epoch, layers=layers, dictionary_epochs=list(wanted), device=device)
    measures.make_complexity(store, epoch=epoch)
    measures.make_importance(store, epoch=epoch)


def detail_epoch(store: Store, epoch: int, *, device: str = "cpu") -> None:
    """The detailed analyses of one epoch, as by default: all but the pictures."""
    branches.make_branches(store, epoch=epoch, device=device)
    properties.make_redundancy(store, epoch=epoch, device=device)
    properties.make_sensitivity(store, epoch=epoch, device=device)
    properties.make_support(store, epoch=epoch, device=device)
    clusters.make_clusters(store, epoch=epoch)


def analyse_epochs(store: Store, *, device: str = "cpu") -> list[int]:
    """What is made of every epoch, given the checkpoints; returns the epochs."""
    epochs = sorted(State(store).survey.digests)
    for epoch in epochs:
        describe_epoch(store, epoch, device=device)
    for epoch in epochs:
        measure_epoch(store, epoch, device=device)
    return epochs


def analyse_study(store: Store, epochs: list[int], *, device: str = "cpu") -> None:
    """What follows it: together they are what `featcx run` makes with the default analyses."""
    for epoch in sorted(store.study.detailed_epochs(epochs)):
        detail_epoch(store, epoch, device=device)
    dynamics.make_decode_time(store)
    dynamics.make_sedimentation(store)
    means.make_layer_information(store)
    dynamics.make_correlations(store)
    means.make_meta_features(store)
    paths.make_concept_paths(store)
    report.make_figures(store)
    report.make_report(store, with_explorer=True)
    explorer.make_explorer(store)
    store.write_current(State(store).visible())
