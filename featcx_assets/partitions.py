"""Partitions: epochs (dynamic, six digits) and layers (static); one run covers a rectangle of them."""

from collections.abc import Iterable, Sequence

import dagster as dg

from featcx_core.artefacts.partition import Partition
from featcx_core.networks.anatomy import Anatomy
from featcx_core.store.places import epoch_key

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def asset_key(study: str, artefact: str) -> dg.AssetKey:
    """Return the key of a study's asset."""
    return dg.AssetKey([study, artefact])


def epochs_name(study: str) -> str:
    """Name of a study's dynamic partitions."""
    return f"{study}_epochs"


def epoch_partitions(study: str) -> dg.DynamicPartitionsDefinition:
    """The epochs of a study; a new checkpoint adds one."""
    return dg.DynamicPartitionsDefinition(name=epochs_name(study))


def grid_partitions(study: str, anatomy: Anatomy) -> dg.MultiPartitionsDefinition:
    """Epoch x layer."""
    layers = dg.StaticPartitionsDefinition(anatomy.names)
    return dg.MultiPartitionsDefinition({"epoch": epoch_partitions(study), "layer": layers})


def register_epochs(instance: dg.DagsterInstance, study: str, epochs: Iterable[int]) -> None:
    """Add the epochs that the instance does not know yet, in order: ranges follow the order of insertion."""
    registered = set(instance.get_dynamic_partitions(epochs_name(study)))
    new = [key for epoch in sorted(epochs) if (key := epoch_key(epoch)) not in registered]
    if new:
        instance.add_dynamic_partitions(epochs_name(study), new)


def partitions_of(context: dg.AssetExecutionContext, artefact: str) -> list[Partition]:
    """The partitions that a run asks of an asset, by epoch; with a layer where the asset has them."""
    partitions = []
    for key in context.partition_keys:
        if isinstance(key, dg.MultiPartitionKey):
            dimensions = key.keys_by_dimension
            partitions.append(Partition(artefact, int(dimensions["epoch"]), dimensions["layer"]))
        else:
            partitions.append(Partition(artefact, int(key)))
    return sorted(partitions, key=lambda p: p.epoch)


def partition_key(partition: Partition) -> str:
    """Dagster's key of a partition."""
    if partition.layer:
        return str(dg.MultiPartitionKey({"epoch": epoch_key(partition.epoch), "layer": partition.layer}))
    return epoch_key(partition.epoch)


def inserted_epochs(instance: dg.DagsterInstance, study: str) -> list[int]:
    """The epochs that the instance knows, in its order, which need not be theirs."""
    return [int(key) for key in instance.get_dynamic_partitions(epochs_name(study))]


def range_tags(partitions: Sequence[Partition], *, inserted: Sequence[int], anatomy: Anatomy) -> dict[str, str]:
    """Run tags for the smallest range that covers the partitions; the assets skip what is current inside it.

    `inserted` are the epochs in the instance's order.
    """
    places = sorted(inserted.index(p.epoch) for p in partitions)
    first, last = (epoch_key(inserted[place]) for place in (places[0], places[-1]))
    if partitions[0].layer:
        first = str(dg.MultiPartitionKey({"epoch": first, "layer": anatomy.names[0]}))
        last = str(dg.MultiPartitionKey({"epoch": last, "layer": anatomy.names[-1]}))
    return {RANGE_START: first, RANGE_END: last}
