"""The comparison of a group of studies: its tables, figures and page."""

import json
from pathlib import Path

import pandas as pd

from featcx_core.artefacts.groups import Comparison, Group, differing, layers_read
from featcx_core.artefacts.state import Partition, State
from featcx_core.figures.canvas import png
from featcx_core.figures.comparison import comparison_figures
from featcx_core.measures.comparison import compare, study_values
from featcx_core.report.comparison_page import render_comparison
from featcx_core.store.tables import COMPARED


def make_comparison(home: str | Path, group: Group) -> dict[str, bytes]:
    """Compare the members that have results; writes both tables, the figures and the page. Returns the figures.

    The caller holds the lock `comparison`. Raises ValueError where fewer than two have results, or they differ in no
    field.
    """
    found = Comparison(home, group)
    if not found.is_ready:
        raise ValueError(f"{group.name}: wanted at least two studies with results, got {len(found.states)}")
    settings = differing([state.study for state in found.states])
    if not settings:
        raise ValueError(f"{group.name}: the studies differ in no field; there is nothing to compare")
    fingerprint, store = found.fingerprint, found.store
    compared = pd.concat([_values(state) for state in found.states], ignore_index=True)
    compared["settings"] = compared["member"].map(
        lambda member: json.dumps({field: values[member] for field, values in settings.items()})
    )
    comparison = compare(compared, settings)
    figures = {name: png(figure) for name, figure in comparison_figures(compared, comparison, settings).items()}
    page = render_comparison(
        comparison, settings, name=group.name, figures=figures, left_out=found.left_out, reports=_reports(found)
    )
    store.write_table("compared", "all", compared, fingerprint=fingerprint)
    store.write_table("comparison", "all", comparison, fingerprint=fingerprint)
    with store.writing(store.comparison, fingerprint=fingerprint) as draft:
        (draft / "figures").mkdir(parents=True)
        for name, picture in figures.items():
            (draft / "figures" / f"{name}.png").write_bytes(picture)
        (draft / "index.html").write_text(page, encoding="utf-8")
    store.write_current([(table, fingerprint) for table in COMPARED])
    return figures


def _reports(found: Comparison) -> dict[str, str]:
    """Each member's report, as seen from the page."""
    reports = {state.study.name: state.store.report / "index.html" for state in found.states}
    return {name: f"../../{name}/report/index.html" for name, path in reports.items() if path.is_file()}


def _values(state: State) -> pd.DataFrame:
    """What is compared of one study, from its current rows."""
    store = state.store
    store.write_current(state.visible())
    values = study_values(
        store.read_table("epochs"),
        store.read_table("sedimentation"),
        store.read_table("correlations"),
        _information(state),
    )
    name, reference = store.study.name, store.study.reference_epoch
    return values.assign(member=name, is_reference=values["epoch"] == reference)


def _information(state: State) -> pd.DataFrame:
    """V-information of each epoch's own concepts at the compared layers, by their place in the network."""
    columns = ["epoch", "kind", "v_information"]
    parts = [pd.DataFrame(columns=[*columns, "place"])]
    for place, layer in layers_read(state.anatomy).items():
        for epoch in sorted(state.survey.digests):
            partition = Partition("v_information", epoch, layer)
            if partition in state.current:
                rows = state.store.read_partition("v_information", partition.name, columns=columns)
                parts.append(rows[rows["kind"] == "concept"].assign(place=place))
    return pd.concat(parts[1:] or parts, ignore_index=True)
