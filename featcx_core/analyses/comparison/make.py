"""The comparison of a group of studies: its tables, figures and page."""

import json
from pathlib import Path

import pandas as pd

from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.analyses.comparison import SEPARATION_TABLE, SIMILARITY_WITHIN_TABLE
from featcx_core.analyses.comparison.alike import alike_by_field, field_of_groups, with_groups
from featcx_core.analyses.comparison.signs import sign_rows_by_group
from featcx_core.analyses.comparison.similarity import similarity_between
from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.analyses.correlations import CORRELATIONS
from featcx_core.analyses.sedimentation import SEDIMENTATION
from featcx_core.analyses.v_information import V_INFORMATION
from featcx_core.artefacts.declaration import Page
from featcx_core.artefacts.given import StudyReader
from featcx_core.artefacts.groups import GroupSnapshot, differing
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.figures.canvas import png
from featcx_core.figures.comparison import comparison_figures
from featcx_core.figures.generalising import group_figures, separation_figures
from featcx_core.figures.similarity_between import similarity_figures
from featcx_core.findings.generalising import answer_of_groups
from featcx_core.findings.memorising_claims import memorising_claims
from featcx_core.findings.similarity_between import best_measure, separation_rows, similarity_claims, width_claims
from featcx_core.measures.comparison import compare, study_values
from featcx_core.measures.study_groups import groups_of
from featcx_core.networks.anatomy import Anatomy
from featcx_core.report.comparison_page import GeneralisingSection, SimilaritySection, render_comparison
from featcx_core.store.parquet import without_rows


def compare_studies(group: GroupSnapshot, draft: Path) -> dict[str, pd.DataFrame]:
    """Return the rows of all its tables; writes the page and its figures into the draft."""
    settings = differing([member.study for member in group.members])
    compared = pd.concat([_values(member) for member in group.members], ignore_index=True)
    is_count = compared["measure"] == "n_fit"
    if compared.loc[is_count, "value"].nunique() == 1:
        compared = compared[~is_count]  # it tells the studies apart in nothing
    compared["settings"] = compared["member"].map(
        lambda member: json.dumps({field: values[member] for field, values in settings.items()})
    )
    comparison = compare(compared, settings)
    readers, groups = [StudyReader(member) for member in group.members], groups_of(settings)
    between, fields = similarity_between(readers), with_groups(settings, groups)
    within, apart = alike_by_field(between.rows, fields, groups.seeds)
    signs = sign_rows_by_group(readers, groups, within, fields)
    drawn = (
        comparison_figures(compared, comparison, settings)
        | similarity_figures(within, fields)
        | group_figures(signs, groups)
        | separation_figures(apart, field_of_groups(fields, groups))
    )
    figures = {name: png(figure) for name, figure in drawn.items()}
    page = render_comparison(
        comparison,
        settings,
        name=group.group.name,
        figures=figures,
        left_out=group.left_out,
        reports=_reports(group),
        similarity=SimilaritySection(
            claims=[*similarity_claims(within, fields, groups), *width_claims(within)],
            separation=separation_rows(apart),
            best=best_measure(apart, field_of_groups(fields, groups)),
            left_out=between.left_out,
        ),
        generalising=GeneralisingSection(answer_of_groups(signs, groups), memorising_claims(signs, groups)),
    )
    (draft / "figures").mkdir(parents=True)
    for name, picture in figures.items():
        (draft / "figures" / f"{name}.png").write_bytes(picture)
    (draft / "index.html").write_text(page, encoding="utf-8")
    return {
        "compared": compared,
        "comparison": comparison,
        "similarity": between.rows,
        "similarity_within": within if len(within) else without_rows(SIMILARITY_WITHIN_TABLE),
        "separation": apart if len(apart) else without_rows(SEPARATION_TABLE),
        "generalising_by_group": signs,
    }


def layers_read(anatomy: Anatomy) -> dict[str, str]:
    """Return the layers whose V-information is compared, by their place in any network."""
    return {"first_layer": anatomy.names[0], "penultimate": anatomy.penultimate}


def _reports(group: GroupSnapshot) -> dict[str, str]:
    """Return each member's pages, as seen from the comparison's."""
    pages = {}
    for member in group.members:
        for artefact in member.wanted:
            for holding in artefact.holds:
                if isinstance(holding, Page) and (member.store.root / holding.path).is_file():
                    pages[member.study.name] = f"../../{member.study.name}/{holding.path}"
    return pages


def _values(member: Snapshot) -> pd.DataFrame:
    """Return what is compared of one study, from its current rows."""
    reader = StudyReader(member)
    epochs, curves, correlations, complexity = (
        reader.table(artefact.tables[0].name) for artefact in (CHECKPOINT, SEDIMENTATION, CORRELATIONS, COMPLEXITY)
    )
    values = study_values(epochs, curves, correlations, _information(reader), complexity)
    name, reference = member.study.name, member.study.reference_epoch
    return values.assign(member=name, is_reference=values["epoch"] == reference)


def _information(reader: StudyReader) -> pd.DataFrame:
    """Return V-information of each epoch's own concepts at the compared layers, by their place in the network."""
    columns = ["epoch", "kind", "v_information"]
    parts = [pd.DataFrame(columns=[*columns, "place"])]
    for place, layer in layers_read(reader.anatomy).items():
        for epoch in reader.snapshot.epochs:
            if reader.has(V_INFORMATION, epoch=epoch, layer=layer):
                rows = reader.rows(V_INFORMATION, epoch=epoch, layer=layer, columns=columns)
                parts.append(rows[rows["kind"] == "concept"].assign(place=place))
    return pd.concat(parts[1:] or parts, ignore_index=True)
