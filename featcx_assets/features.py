"""Assets: activations, dictionary and codes of every epoch."""

import dagster as dg

from featcx_assets.materialize import Metadata, Step, Task, path_metadata, stepwise, table_metadata
from featcx_assets.progress import bar
from featcx_core.artefacts.state import Partition
from featcx_core.networks.anatomy import Anatomy
from featcx_core.store.places import Store
from featcx_core.study.fields import Study


def assets(study: Study, anatomy: Anatomy) -> list[dg.AssetsDefinition]:
    """What is recorded and found at each epoch."""
    return [stepwise(study, anatomy, step) for step in _STEPS]


def _record(task: Task) -> None:
    from featcx_core.features.activations import record_activations

    store, epoch, layers, workbench, _ = task
    record_activations(
        store, epoch=epoch, layers=layers, device=workbench.device, batch_size=workbench.batch_size, progress=bar
    )


def _record_positions(task: Task) -> None:
    from featcx_core.features.activations import record_dictionary_activations

    store, epoch, _, workbench, _ = task
    record_dictionary_activations(
        store, epoch=epoch, device=workbench.device, batch_size=workbench.batch_size, progress=bar
    )


def _fit(task: Task) -> None:
    from featcx_core.analyses.features import make_dictionary

    workbench = task.workbench
    make_dictionary(task.store, epoch=task.epoch, device=workbench.device, batch_size=workbench.batch_size)


def _encode(task: Task) -> None:
    from featcx_core.analyses.features import make_codes

    make_codes(task.store, epoch=task.epoch, device=task.workbench.device)


def _show_codes(store: Store, partition: Partition) -> Metadata:
    tables = [table_metadata(store, table, partition.name) for table in ("dictionaries", "concepts")]
    return {**tables[0], **tables[1], **path_metadata(store.codes(partition.epoch))}


_STEPS = (
    Step(
        asset="activations",
        group="features",
        kinds={"torch", "zarr"},
        description="Pooled activations of the probe images. One array (image, unit) per epoch and layer.",
        tables=(),
        make=_record,
        describe=lambda store, p: path_metadata(store.activations(p.epoch, p.layer)),
    ),
    Step(
        asset="dictionary_activations",
        group="features",
        kinds={"torch", "zarr"},
        description="What the head reads, by position, on training images. One array (image, position, unit) a class.",
        tables=(),
        make=_record_positions,
        describe=lambda store, p: path_metadata(store.dictionary_activations(p.epoch)),
    ),
    Step(
        asset="dictionary",
        group="features",
        kinds={"torch", "zarr"},
        description="Concepts: atoms of a matrix factorisation. One atom (unit) per concept of an epoch.",
        tables=(),
        make=_fit,
        describe=lambda store, p: path_metadata(store.dictionary(p.epoch)),
    ),
    Step(
        asset="codes",
        group="features",
        kinds={"torch", "zarr", "parquet"},
        description="How strongly each concept is present. One array (image, concept) per epoch; table `concepts`: "
        "one row per concept; table `dictionaries`: one row per epoch's dictionary.",
        tables=("concepts", "dictionaries"),
        make=_encode,
        describe=_show_codes,
    ),
)
