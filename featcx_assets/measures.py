"""Assets: V-information of every epoch and layer; complexity and importance of every epoch."""

import dagster as dg

from featcx_assets.materialize import Metadata, Step, Task, picture, stepwise, table_metadata, table_step
from featcx_assets.progress import bar
from featcx_core.artefacts.state import Partition, State, table_partition
from featcx_core.networks.anatomy import Anatomy
from featcx_core.store.places import Store
from featcx_core.study.fields import Study


def assets(study: Study, anatomy: Anatomy) -> list[dg.AssetsDefinition]:
    """The measures of each epoch."""
    return [stepwise(study, anatomy, step) for step in _STEPS]


def _inform(task: Task, asset: str) -> None:
    """An asset's layers, and those of the other one where the run asks for it too: both share a layer's sums.

    Dagster decides which of them comes first.
    """
    from featcx_core.analyses.measures import make_v_information

    state, store = State(task.store), task.store
    dictionaries = {"v_information": task.epoch, "reference_v_information": store.study.reference_epoch}
    other = next(name for name in dictionaries if name != asset)
    together = {
        p.layer
        for p in (Partition(other, task.epoch, layer) for layer in task.layers)
        if other in task.selected and state.is_wanting(p)
    }
    for assets, shares in (((asset, other), True), ((asset,), False)):
        if layers := [layer for layer in task.layers if (layer in together) is shares]:
            make_v_information(
                store,
                epoch=task.epoch,
                layers=layers,
                dictionary_epochs=[dictionaries[name] for name in assets],
                device=task.workbench.device,
                progress=bar,
            )


def _complexity(task: Task) -> None:
    from featcx_core.analyses.measures import make_complexity

    make_complexity(task.store, epoch=task.epoch)


def _importance(task: Task) -> None:
    from featcx_core.analyses.measures import make_importance

    make_importance(task.store, epoch=task.epoch)


def _show_information(store: Store, partition: Partition) -> Metadata:
    return table_metadata(store, "v_information", table_partition(partition))


def _show_complexity(store: Store, partition: Partition) -> Metadata:
    from featcx_core.analyses.report import epoch_spectrum

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
        make=lambda task: _inform(task, "v_information"),
        describe=_show_information,
    ),
    Step(
        asset="reference_v_information",
        group="measures",
        kinds={"torch", "parquet"},
        description="The same for the concepts of the reference epoch. One row per (epoch, layer, kind, concept); "
        "the reference epoch itself is not repeated.",
        tables=("v_information",),
        make=lambda task: _inform(task, "reference_v_information"),
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
    table_step(
        "importance",
        _importance,
        kinds={"torch", "parquet"},
        description="Γ: how much the decision relies on a concept. One row per (epoch, concept).",
    ),
)
