"""The made-up study with properties that go with complexity as strongly as wanted."""

from functools import cache

import numpy as np
import pandas as pd

from featcx_core.findings.study_tables import StudyTables
from featcx_core.measures.correlations import correlation
from tests.core.findings.frames import frame
from tests.core.findings.synthetic import CONTROLS, REFERENCE, Rows, study

ENDS = [0, REFERENCE]
ORDERS = ("complexity_descending", "complexity_ascending", "importance_descending", "random")


@cache
def study_with_properties(
    *,
    redundancy: float = -0.1,
    sensitivity: float = 1.0,
    untrained: float = 0.0,
    hoyer: float = 0.0,
    masks: float = 0.01,
    fall: float = 0.2,
    random_fall: float = 0.004,
    control: float = 0.0,
) -> StudyTables:
    """Return tables in which the properties go with K as strongly as said; not to be changed in place.

    untrained: strength of the sensitivity at epoch 0. masks: standard deviation over masks. control: strength in
    random directions, as a share of that in concepts. fall: of accuracy, without the complex half; random_fall:
    without any other half.
    """
    tables, chance = study(), np.random.default_rng(0)
    apart = np.random.default_rng(1)  # concepts are the same with and without the control
    rows: Rows = {"redundancy": [], "sensitivity": [], "support": [], "concepts": tables.concepts.to_dict("records")}
    both = tables.complexity[tables.complexity["kind"].isin(["concept", "random_direction"])]
    for epoch in ENDS:
        k = both[both["epoch"] == epoch].set_index(["kind", "concept"])["complexity"]
        for (kind, i), value in k.items():
            at = {"epoch": epoch, "kind": kind, "concept": i}
            strength, draw = (1, chance) if kind == "concept" else (control, apart)
            _add_redundancy(rows, at, strength * redundancy * value, masks, draw)
            slope = strength * (sensitivity if epoch else untrained)
            _add_sensitivity(rows, at, slope * 3 * value, draw)
        _add_support(rows, epoch, fall, random_fall)
    score = tables.complexity.query("kind == 'concept'").set_index(["epoch", "concept"])["complexity"]
    for row in rows["concepts"]:
        row["hoyer"] = 0.5 + hoyer * score[row["epoch"], row["concept"]] + chance.normal(0, 0.05)
        row["variance"] = chance.random()
    return with_property_correlations(tables._replace(**{name: frame(name, added) for name, added in rows.items()}))


def _add_redundancy(rows: Rows, at: dict, effect: float, masks: float, draw: np.random.Generator) -> None:
    for share in (0.1, 0.5, 0.9):
        value = 1 + effect + draw.normal(0, 0.02)
        rows["redundancy"].append(
            {**at, "masked_fraction": share, "n_masks": 20, "redundancy": value,
             "standard_deviation": masks, "redundancy_as_printed": value}
        )  # fmt: skip


def _add_sensitivity(rows: Rows, at: dict, effect: float, draw: np.random.Generator) -> None:
    for sigma in (0.01, 0.1, 0.5):
        value = np.exp(effect + draw.normal(0, 0.5)) * sigma
        rows["sensitivity"].append(
            {**at, "sigma": sigma, "n_images": 200, "n_draws": 20, "sensitivity": value,
             "low": 0.8 * value, "high": 1.2 * value, "sensitivity_as_printed": value}
        )  # fmt: skip


def _add_support(rows: Rows, epoch: int, fall: float, random_fall: float) -> None:
    for order in ORDERS:
        for kept in np.linspace(1, 0, 21):
            lost, by_chance = (2 * each * min(1 - kept, 0.5) for each in (fall, random_fall))
            left = 1 - (lost if order == "complexity_descending" else by_chance)
            beyond = left - 1 + by_chance
            rows["support"].append(
                {"epoch": epoch, "order": order, "kept_fraction": kept, "n_kept": round(100 * kept),
                 "relative_accuracy": left, "accuracy": left, "predictions_kept_fraction": left,
                 "low": left - 0.01, "high": left + 0.01, "beyond_random": beyond,
                 "beyond_random_low": beyond - 0.01, "beyond_random_high": beyond + 0.01,
                 "orders_low": left - 0.02, "orders_high": left + 0.02}
            )  # fmt: skip


def with_property_correlations(tables: StudyTables) -> StudyTables:
    """Return the tables with Spearman's correlations of K and the properties, beside those with Γ and Λ."""
    keys, held = ["epoch", "concept"], CONTROLS.split(",")
    concepts = tables.complexity.query("kind == 'concept'")[[*keys, "complexity"]]
    concepts = concepts.merge(tables.concepts[[*keys, *held, "hoyer"]], on=keys)
    parts = [concepts.assign(y="hoyer", level=np.nan, value=concepts["hoyer"])]
    directions, rows = tables.complexity.query("kind == 'random_direction'")[[*keys, "complexity"]], []
    for name, level in (("redundancy", "masked_fraction"), ("sensitivity", "sigma")):
        for y in (name, f"{name}_as_printed"):
            measured = getattr(tables, name).rename(columns={level: "level", y: "value"})
            of_concepts = measured.query("kind == 'concept'")
            parts.append(concepts.merge(of_concepts[[*keys, "level", "value"]], on=keys).assign(y=y))
            rows += _of_directions(directions.merge(measured.query("kind == 'random_direction'"), on=keys), y)
    for (epoch, y, level), points in pd.concat(parts).groupby(["epoch", "y", "level"], dropna=False):
        columns = [points[name].to_numpy(dtype=float) for name in ("complexity", "value")]
        for names, controls in (("", None), (CONTROLS, points[held].to_numpy())):
            between = correlation(*columns, controls=controls, n_bootstrap=100, seed=0)
            at = {"epoch": epoch, "x": "complexity", "y": y, "level": level, "method": "spearman", "controls": names}
            rows.append({**at, **between._asdict()})
    others = tables.correlations[tables.correlations["y"].isin(["importance", "decode_time", "decode_time_normalised"])]
    return tables._replace(correlations=pd.concat([others, frame("correlations", rows)], ignore_index=True))


def _of_directions(points: pd.DataFrame, y: str) -> list[dict]:
    rows = []
    for (epoch, level), of_level in points.groupby(["epoch", "level"]):
        between = correlation(of_level["complexity"].to_numpy(), of_level["value"].to_numpy(float), seed=0)
        at = {"epoch": epoch, "x": "complexity", "y": y, "level": level, "method": "spearman", "controls": ""}
        rows.append({**at, "kind": "random_direction", **between._asdict()})
    return rows
