"""Assets: V-information of every epoch and layer; complexity and importance of every epoch."""

import dagster as dg

from featcx_assets.materialize import Metadata, Step, picture, stepwise, table_metadata
from featcx_assets.progress import bar
from featcx_assets.resources import Workbench
from featcx_core.anatomy import Anatomy
from featcx_core.staleness import Partition, table_partition
from featcx_core.store import Store
from featcx_core.study import Study


def assets(study: Study, anatomy: Anatomy) -> list[dg.AssetsDefinition]:
    """The measures of each epoch."""
    return [stepwise(study, anatomy, step) for step in _STEPS]


def _own(store: Store, epoch: int, layers: list[str], workbench: Workbench) -> None:
    from featcx_core.steps.measures import make_v_information

    for layer in bar(layers, desc=f"V-information, epoch {epoch}"):
        make_v_information(store, epoch=epoch, layer=layer)


def _reference(store: Store, epoch: int, layers: list[str], workbench: Workbench) -> None:
    from featcx_core.steps.measures import make_reference_v_information

    for layer in bar(layers, desc=f"V-information of the reference concepts, epoch {epoch}"):
        make_reference_v_information(store, epoch=epoch, layer=layer)


def _complexity(store: Store, epoch: int, layers: list[str], workbench: Workbench) -> None:
    from featcx_core.steps.measures import make_complexity

    make_complexity(store, epoch=epoch)


def _importance(store: Store, epoch: int, layers: list[str], workbench: Workbench) -> None:
    from featcx_core.steps.measures import make_importance

    make_importance(store, epoch=epoch)


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
