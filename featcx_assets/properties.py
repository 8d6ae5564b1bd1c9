"""Assets: what else can be said of an epoch's concepts, at the epochs that the study names."""

import dagster as dg

from featcx_assets.materialize import Metadata, Step, Task, path_metadata, stepwise, table_step
from featcx_assets.progress import bar
from featcx_core.artefacts.state import Partition
from featcx_core.networks.anatomy import Anatomy
from featcx_core.store.places import Store
from featcx_core.study.fields import Study


def assets(study: Study, anatomy: Anatomy) -> list[dg.AssetsDefinition]:
    """The detailed analyses."""
    return [stepwise(study, anatomy, step) for step in _STEPS]


def _branches(task: Task) -> None:
    from featcx_core.analyses.branches import make_branches

    workbench = task.workbench
    make_branches(task.store, epoch=task.epoch, device=workbench.device, batch_size=workbench.batch_size, progress=bar)


def _redundancy(task: Task) -> None:
    from featcx_core.analyses.properties import make_redundancy

    make_redundancy(task.store, epoch=task.epoch, device=task.workbench.device)


def _sensitivity(task: Task) -> None:
    from featcx_core.analyses.properties import make_sensitivity

    make_sensitivity(
        task.store,
        epoch=task.epoch,
        device=task.workbench.device,
        batch_size=task.workbench.batch_size,
        progress=bar,
    )


def _support(task: Task) -> None:
    from featcx_core.analyses.properties import make_support

    make_support(task.store, epoch=task.epoch, device=task.workbench.device)


def _clusters(task: Task) -> None:
    from featcx_core.analyses.clusters import make_clusters

    make_clusters(task.store, epoch=task.epoch)


def _visualise(task: Task) -> None:
    from featcx_core.analyses.visualisation import make_visualisation

    make_visualisation(task.store, epoch=task.epoch, device=task.workbench.device, progress=bar)


def _show_visualisation(store: Store, partition: Partition) -> Metadata:
    return path_metadata(store.visualisation(partition.epoch))


_STEPS = (
    table_step(
        "branches",
        _branches,
        kinds={"torch", "parquet"},
        description="CKA and V-information of the residual and the main branch with every concept. One row per "
        "(epoch, block, branch, kind, concept).",
    ),
    table_step(
        "redundancy",
        _redundancy,
        kinds={"torch", "parquet"},
        description="What is left of a concept when units are hidden. "
        "One row per (epoch, kind, concept, masked share).",
    ),
    table_step(
        "sensitivity",
        _sensitivity,
        kinds={"torch", "parquet"},
        description="How much a concept moves when noise is added to the image. "
        "One row per (epoch, kind, concept, sigma).",
    ),
    table_step(
        "support",
        _support,
        kinds={"torch", "parquet"},
        description="Accuracy as concepts are removed. One row per (epoch, order of removal, share kept).",
    ),
    table_step(
        "clusters",
        _clusters,
        kinds={"scikitlearn", "parquet"},
        description="Meta-features: clusters of atoms, their dendrogram, and a plane. One row per concept.",
    ),
    Step(
        asset="visualisation",
        group="measures",
        kinds={"torch"},
        description="Images made to excite a concept (MACO). One picture per chosen concept of the reference epoch.",
        tables=(),
        make=_visualise,
        describe=_show_visualisation,
    ),
)
