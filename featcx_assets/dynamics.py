"""Assets over all epochs: time to decode, sedimentation, correlations, and what is shown of them."""

from collections.abc import Callable

import dagster as dg

from featcx_assets.catalog import ensure_catalog
from featcx_assets.materialize import Metadata, declaration, picture, table_metadata
from featcx_assets.resources import Workbench
from featcx_core.artefacts.state import Partition, State
from featcx_core.store.places import Store
from featcx_core.study.fields import Study


def assets(study: Study) -> list[dg.AssetsDefinition]:
    """What follows from all epochs together."""
    rows = {
        "decode_time": "Λ: 0 = available early in training, 1 = late. One row per concept of the reference epoch.",
        "sedimentation": "Mean K by epoch, of all and of the most important concepts. One row per (epoch, group).",
        "layer_information": "Mean V-information by layer, of concepts and controls. One row per (epoch, kind, layer).",
        "correlations": "K with Γ, Λ and the properties of concepts, raw and partial. "
        "One row per (epoch, kind, x, y, level, method, controls).",
        "meta_features": "Mean K and Γ of clusters and super-classes. One row per (epoch, grouping, group, measure).",
        "concept_paths": "The reference epoch's concepts, matched at every epoch. One row per (concept, epoch).",
    }
    return [
        *(_asset(study, name, "dynamics", {"parquet"}, text, (name,), _table) for name, text in rows.items()),
        _asset(study, "figures", "report", {"matplotlib"}, "Every figure of the report, as PNG files.", (), _figures),
        _asset(study, "report", "report", {"html"}, "The study's report, one HTML file.", (), _report),
        _asset(study, "explorer", "report", {"html"}, "Every concept, to look at, in a browser.", (), _explorer),
    ]


Make = Callable[[Store, str, frozenset[str]], Metadata]
"""Makes an asset by its name; the assets of the run."""


def _asset(
    study: Study, name: str, group: str, kinds: set[str], text: str, tables: tuple[str, ...], make: Make
) -> dg.AssetsDefinition:
    @dg.asset(**declaration(study, name, group, kinds, text, tables), pool="compute")
    def over_epochs(context: dg.AssetExecutionContext, workbench: Workbench) -> dg.MaterializeResult[None]:
        store = workbench.store(study.name)
        with store.lock(name):
            state = State(store)
            if not state.is_ready(Partition(name)):
                raise dg.Failure(description=f"{name}: nothing to make it from yet; materialise what it needs first")
            if state.is_current(Partition(name)):
                context.log.info("nothing to do, the fingerprint is current")
                return dg.MaterializeResult(metadata={"fingerprint": state.cross_epoch(name)})
            selected = frozenset(key.path[-1] for key in context.run.asset_selection or ())
            metadata = make(store, name, selected)
            ensure_catalog(store.home)
        return dg.MaterializeResult(metadata={"fingerprint": state.cross_epoch(name), **metadata})

    return over_epochs


def _table(store: Store, name: str, _: frozenset[str]) -> Metadata:
    from featcx_core.analyses import dynamics, means, paths

    steps = {
        "decode_time": dynamics.make_decode_time,
        "sedimentation": dynamics.make_sedimentation,
        "layer_information": means.make_layer_information,
        "correlations": dynamics.make_correlations,
        "meta_features": means.make_meta_features,
        "concept_paths": paths.make_concept_paths,
    }
    steps[name](store)
    store.write_current(State(store).visible())
    return table_metadata(store, name, "all")


def _figures(store: Store, name: str, _: frozenset[str]) -> Metadata:
    from featcx_core.analyses.report import make_figures

    pictures = make_figures(store)
    return {title: picture(png) for title, png in pictures.items()}


def _report(store: Store, name: str, selected: frozenset[str]) -> Metadata:
    from featcx_core.analyses.report import make_report

    make_report(store, with_explorer="explorer" in selected)
    return {"report": dg.MetadataValue.url((store.report / "index.html").as_uri())}


def _explorer(store: Store, name: str, _: frozenset[str]) -> Metadata:
    from featcx_core.analyses.explorer import make_explorer

    page = make_explorer(store)
    return {"explorer": dg.MetadataValue.url(page.as_uri())}
