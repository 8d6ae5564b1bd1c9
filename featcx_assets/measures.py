"""Assets: V-information of every epoch and layer; complexity and importance of every epoch."""

import dagster as dg

from featcx_assets.materialize import Metadata, Step, Task, picture, stepwise, table_metadata
from featcx_assets.progress import bar
from featcx_core.anatomy import Anatomy
from featcx_core.staleness import Partition, State, table_partition
from featcx_core.store import Store
from featcx_core.study import Study


def assets(study: Study, anatomy: Anatomy) -> list[dg.AssetsDefinition]:
    """The measures of each epoch."""
    return [stepwise(study, anatomy, step) for step in _STEPS]


def _own(task: Task) -> None:
    """With the reference concepts where they are asked for as well: both share the layer's sums."""
    state = State(task.store)
    if "reference_v_information" not in task.selected:
        together = set[str]()
    else:
        ready = [p for p in state.stale("reference_v_information") if p.epoch == task.epoch and state.is_ready(p)]
        together = {p.layer for p in ready} & set(task.layers)
    _inform(task, [layer for layer in task.layers if layer in together], [task.epoch, _reference_epoch(task)])
    _inform(task, [layer for layer in task.layers if layer not in together], [task.epoch])


def _reference(task: Task) -> None:
    _inform(task, task.layers, [_reference_epoch(task)])


def _reference_epoch(task: Task) -> int:
    return task.store.study.reference_epoch


def _inform(task: Task, layers: list[str], dictionary_epochs: list[int]) -> None:
    from featcx_core.steps.measures import make_v_information

    if layers:
        make_v_information(
            task.store,
            epoch=task.epoch,
            layers=layers,
            dictionary_epochs=dictionary_epochs,
            device=task.workbench.device,
            progress=bar,
        )


def _complexity(task: Task) -> None:
    from featcx_core.steps.measures import make_complexity

    make_complexity(task.store, epoch=task.epoch)


def _importance(task: Task) -> None:
    from featcx_core.steps.measures import make_importance

    make_importance(task.store, epoch=task.epoch)


def _show_information(store: Store, partition: Partition) -> Metadata:
    return table_metadata(store, "v_information", table_partition(partition))


def _show_complexity(store: Store, partition: Partition) -> Metadata:
    from featcx_core.steps.report import epoch_spectrum

    spectrum = picture(epoch_spectrum(store, epoch=partition.epoch))
    return {"complexity spectrum": spectrum, **table_metadata(store, "complexity", partition.name)}


_STEPS = (
    Step(
        asset="v_information",
        group="measures",
        kinds={"torch", "parquet"},
        description="Linearly decodable share of each code's variance. One row per (epoch, layer, kind, concept) of "
        "the epoch's own dictionary, controls included.",
        tables=("v_information",),
        make=_own,
        describe=_show_information,
    ),
    Step(
        asset="reference_v_information",
        group="measures",
        kinds={"torch", "parquet"},
        description="The same for the concepts of the reference epoch. One row per (epoch, layer, kind, concept); "
        "the reference epoch itself is not repeated.",
        tables=("v_information",),
        make=_reference,
        describe=_show_information,
    ),
    Step(
        asset="complexity",
        group="measures",
        kinds={"torch", "parquet"},
        description="K: 0 = simple, 1 = complex. One row per (epoch, kind, concept).",
        tables=("complexity",),
        make=_complexity,
        describe=_show_complexity,
    ),
    Step(
        asset="importance",
        group="measures",
        kinds={"torch", "parquet"},
        description="Γ: how much the decision relies on a concept. One row per (epoch, concept).",
        tables=("importance",),
        make=_importance,
        describe=lambda store, p: table_metadata(store, "importance", p.name),
    ),
)
