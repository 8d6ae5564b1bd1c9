"""The page of a comparison: one HTML file with its pictures inside."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from featcx_core.findings.claim import Claim
from featcx_core.findings.comparison import by_value, notes_of
from featcx_core.findings.generalising import Answer
from featcx_core.measures.comparison import Settings


class SimilaritySection(NamedTuple):
    """Similarity of the studies' networks."""

    claims: Sequence[Claim] = ()
    """Claims on groups of studies."""
    separation: Sequence[tuple[str, ...]] = ()
    """Rows (field, measure, AUPRC, chance, violation rate): how well each measure tells the groups apart."""
    left_out: Sequence[str] = ()
    """Pairs of studies without a similarity, and why."""
    best: str = ""
    """Which measure does it best, in words."""


class GeneralisingSection(NamedTuple):
    """Whether the studies' networks generalise or memorise."""

    answer: Answer | None = None
    """The answer with its rows; None where no sign was measured."""
    claims: Sequence[Claim] = ()
    """Claims of the sources."""


def render_comparison(
    comparison: pd.DataFrame,
    settings: Settings,
    *,
    name: str,
    figures: Mapping[str, bytes],
    left_out: Mapping[str, str],
    reports: Mapping[str, str],
    similarity: SimilaritySection | None = None,
    generalising: GeneralisingSection | None = None,
) -> str:
    """Return the comparison as one HTML document.

    figures: PNG bytes by name.
    left_out: study -> why it has no part in the comparison.
    reports: study -> address of its report.
    similarity: how alike the studies' networks are.
    generalising: whether they generalise or memorise.
    """
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    fields = list(settings)
    members = {member: [settings[field][member] for field in fields] for member in settings[fields[0]]}
    return templates.get_template("comparison.html.j2").render(
        name=name,
        fields=fields,
        members=members,
        tables=[by_value(comparison, settings, field=field) for field in fields],
        pictures={title: base64.b64encode(picture).decode("ascii") for title, picture in figures.items()},
        left_out=left_out,
        notes=notes_of(comparison),
        similarity=similarity or SimilaritySection(),
        generalising=generalising or GeneralisingSection(),
        reports=reports,
    )
