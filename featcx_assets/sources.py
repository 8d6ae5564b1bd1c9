"""Assets: the training run and its checkpoints."""

import dagster as dg

from featcx_assets.materialize import Metadata, Step, Task, declaration, stepwise, table_metadata
from featcx_assets.partitions import register_epochs
from featcx_assets.progress import bar
from featcx_assets.resources import Workbench
from featcx_core.artefacts.state import Partition, State
from featcx_core.checkpoints.landing import landed
from featcx_core.checkpoints.survey import survey
from featcx_core.networks.anatomy import Anatomy
from featcx_core.store.places import Store
from featcx_core.study.fields import Study


def assets(study: Study, anatomy: Anatomy) -> list[dg.AssetsDefinition]:
    """Training and checkpoints of a study; another program's checkpoints need no training."""

    @dg.asset(
        **declaration(study, "training", "sources", {"torch"}, "The network's training run, epoch by epoch.", ()),
        pool="compute",
    )
    def training(context: dg.AssetExecutionContext, workbench: Workbench) -> dg.MaterializeResult[None]:
        store = workbench.store(study.name)
        with store.lock("training"):
            if State(store).is_current(Partition("training")):
                context.log.info("nothing to do: every epoch's checkpoint is there")
            else:
                from featcx_core.checkpoints.training import train_epochs

                for epoch in train_epochs(store, device=workbench.device, progress=bar):
                    register_epochs(context.instance, study.name, [epoch])
                    context.log.info("epoch %d: %s", epoch, store.checkpoint(epoch))
        return dg.MaterializeResult(
            metadata={"epochs": study.training.epochs, "folder": dg.MetadataValue.path(store.checkpoints)}
        )

    checkpoint = stepwise(study, anatomy, _CHECKPOINT)
    return [checkpoint] if study.checkpoints.folder else [training, checkpoint]


def _measure(task: Task) -> None:
    from featcx_core.analyses.sources import make_checkpoint

    make_checkpoint(task.store, epoch=task.epoch, device=task.workbench.device)


def _show(store: Store, partition: Partition) -> Metadata:
    rows = table_metadata(store, "epochs", partition.name)
    files = landed(store).get(partition.epoch)
    if not files:
        return rows
    file, found_as = files[0], survey(store).found_as.get(partition.epoch)
    weights = {"checkpoint": dg.MetadataValue.path(file.place), "size_bytes": file.size_bytes}
    return {**weights, **({"read as": found_as} if found_as else {}), **rows}


_CHECKPOINT = Step(
    asset="checkpoint",
    group="sources",
    kinds={"torch", "parquet"},
    description="Weights after an epoch, validated and measured. Table `epochs`: one row per checkpoint.",
    tables=("epochs",),
    make=_measure,
    describe=_show,
)
