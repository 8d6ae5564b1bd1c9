"""The analysis of a study by plain library calls, without Dagster: what `featcx run` is compared with."""

from featcx_core.features.activations import record_activations, record_dictionary_activations
from featcx_core.staleness import State
from featcx_core.steps import dynamics, features, measures, report, sources
from featcx_core.store import Store


def analyse_epoch(store: Store, epoch: int, *, device: str = "cpu") -> None:
    """Everything of one epoch but the reference concepts, which need the reference epoch's codes."""
    sources.make_checkpoint(store, epoch=epoch, device=device)
    record_activations(store, epoch=epoch, device=device)
    record_dictionary_activations(store, epoch=epoch, device=device)
    features.make_dictionary(store, epoch=epoch, device=device)
    features.make_codes(store, epoch=epoch)
    for layer in store.anatomy.names:
        measures.make_v_information(store, epoch=epoch, layer=layer)
    measures.make_complexity(store, epoch=epoch)
    measures.make_importance(store, epoch=epoch)


def follow_reference(store: Store, epoch: int) -> None:
    """V-information of the reference concepts at an epoch."""
    for layer in store.anatomy.names:
        measures.make_reference_v_information(store, epoch=epoch, layer=layer)


def analyse(store: Store, *, device: str = "cpu") -> None:
    """The whole study, given its checkpoints."""
    epochs = sorted(State(store).survey.digests)
    for epoch in epochs:
        analyse_epoch(store, epoch, device=device)
    for epoch in epochs:
        if epoch != store.study.reference_epoch:
            follow_reference(store, epoch)
    dynamics.make_decode_time(store)
    dynamics.make_sedimentation(store)
    dynamics.make_correlations(store)
    report.make_figures(store)
    report.make_report(store)
    store.write_current(State(store).visible())
