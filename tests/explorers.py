"""Explorers of made-up studies, for tests and benchmarks: written by the functions that write a real one."""

from pathlib import Path

import numpy as np
import pandas as pd

from featcx_core.artefacts.catalogue import catalogue
from featcx_core.findings.study_tables import StudyTables
from featcx_core.report.explorer.charts import charts
from featcx_core.report.explorer.columns import concept_columns
from featcx_core.report.explorer.page import Looks, Made, Setting, concepts_script, details_scripts, fixed_files
from featcx_core.report.explorer.pictures import as_text, small_maps, thumbnail

CLASSES = ("<b>cat</b>", "a & b", 'the "dog"', "it's", "plain")
"""Names that would be markup if they were not escaped."""
REFERENCE = 3
LAYERS = ("stem", "block1", "block2")


def frame(table: str, columns: dict[str, object]) -> pd.DataFrame:
    """Rows with all columns of a table; what is not given is missing in every row."""
    names = [column.name for column in catalogue().tables[table].columns]
    assert set(columns) <= set(names)
    return pd.DataFrame(columns).reindex(columns=names).assign(study="made_up")


def made_up_tables(n_concepts: int, *, seed: int = 0, classes: tuple[str, ...] = CLASSES) -> StudyTables:
    """All tables that the explorer reads; every 25th concept is dead and has no scores."""
    chance = np.random.default_rng(seed)
    concept = np.arange(n_concepts)
    at = {"epoch": REFERENCE, "concept": concept}
    dead = concept % 25 == 24
    hard = np.where(dead, np.nan, chance.random(n_concepts))
    group = concept * len(classes) // n_concepts
    tables = {name: frame(name, {}) for name in StudyTables._fields}
    tables["layers"] = frame("layers", {"layer": LAYERS, "depth": range(3), "role": ["stem", "block", "penultimate"]})
    names = [classes[i] for i in group]
    tables["concepts"] = frame(
        "concepts",
        {
            **at,
            "class_id": group,
            "class_name": names,
            "prevalence_fraction": chance.random(n_concepts),
            "class_information": np.where(dead, np.nan, (group + 1) / len(classes)),
            "alive": ~dead,
        },
    )
    scores = {**at, "kind": "concept", "complexity": hard, "standard_error": 0.01 + 0 * hard}
    tables["complexity"] = frame("complexity", scores)
    gamma = np.exp(-3 * np.nan_to_num(hard, nan=1) + chance.normal(0, 0.5, n_concepts))
    signed = {"importance": gamma, "signed_importance": gamma * chance.choice([-1, 1], n_concepts)}
    tables["importance"] = frame("importance", {**at, **signed})
    late = {"reference_epoch": REFERENCE, "concept": concept, "decode_time": hard / 2, "first_epoch": 1 + 0 * hard}
    late["decode_time_normalised"] = hard / 3
    tables["decode_time"] = frame("decode_time", late)
    place = {"cluster": concept % 7, "x": chance.normal(size=n_concepts), "y": chance.normal(size=n_concepts)}
    tables["clusters"] = frame("clusters", {**at, **place, "super_class": np.where(group < 2, "animal", "")})
    for name, level, levels in (
        ("redundancy", "masked_fraction", (0.1, 0.5, 0.9)),
        ("sensitivity", "sigma", (0.01, 0.1)),
    ):
        parts = [
            frame(name, {**at, "kind": kind, level: value, name: hard if kind == "concept" else 9.0})
            for kind in ("concept", "random_direction")
            for value in levels
        ]
        tables[name] = pd.concat(parts, ignore_index=True)
    tables["v_information"] = _information(hard, concept)
    paths = {"concept": np.repeat(concept, 4), "epoch": np.tile(range(4), n_concepts)}
    tables["concept_paths"] = frame(
        "concept_paths",
        {**paths, "cosine": chance.random(4 * n_concepts), "null_cosine": 0.4, "complexity": np.repeat(hard, 4),
         "importance": np.repeat(gamma, 4)},
    )  # fmt: skip
    return StudyTables(**tables)


def _information(hard: np.ndarray, concept: np.ndarray) -> pd.DataFrame:
    own = {"epoch": REFERENCE, "dictionary_epoch": REFERENCE, "kind": "concept", "concept": concept}
    parts = [
        frame("v_information", {**own, "layer": layer, "v_information": (1 - hard) * depth / 3, "standard_error": 0.02})
        for depth, layer in enumerate(LAYERS, start=1)
    ]
    followed = [
        frame("v_information", {**own, "epoch": epoch, "layer": LAYERS[-1], "v_information": (1 - hard) * epoch / 3})
        for epoch in range(REFERENCE)
    ]
    return pd.concat([*parts, *followed], ignore_index=True)


def write_explorer(
    folder: Path,
    *,
    n_concepts: int,
    n_pictures: int = 40,
    has_maps: bool = True,
    has_classes: bool = True,
    classes: tuple[str, ...] = CLASSES,
) -> Path:
    """An explorer of so many concepts, with few pictures that they share; returns its page."""
    chance = np.random.default_rng(1)
    tables = made_up_tables(n_concepts, classes=classes)
    if not has_classes:
        tables = tables._replace(concepts=tables.concepts.assign(class_id=-1, class_name="all"))
    columns = concept_columns(tables, reference_epoch=REFERENCE)
    found = charts(tables, n_concepts=n_concepts, reference_epoch=REFERENCE)
    setting = Setting("made_up", REFERENCE, classes, (12, 16), (3, 4) if has_maps else None, 8, 64)
    maps = as_text(small_maps(chance.random((8, 3, 4), dtype=np.float32)))
    looks = []
    for concept in range(n_concepts):
        images = (concept + np.arange(8 if concept % 25 != 24 else 0)) % n_pictures
        near = [((concept + step) % n_concepts, 1 - step / 10) for step in range(1, 9)]
        strengths = np.linspace(1, 0.3, len(images)).tolist()
        made = [Made("made/000003.webp", 12.34, 7.0)] if concept == 3 else []
        looks.append(Looks(images.tolist(), (images % 5).tolist(), strengths, maps if has_maps else "", near, made))
    for name in ("data", "images", "made"):
        (folder / name).mkdir(parents=True)
    for name, content in fixed_files(setting, n_concepts=n_concepts):
        (folder / name).write_bytes(content)
    strongest = [look.images[0] if look.images else None for look in looks]
    (folder / "concepts.js").write_text(concepts_script(setting, columns, found, strongest))
    for name, text in details_scripts(looks, found):
        (folder / "data" / name).write_text(text)
    for image in range(n_pictures):
        pixels = chance.integers(0, 256, (3, 12, 16), dtype=np.uint8)
        (folder / "images" / f"{image:06d}.webp").write_bytes(thumbnail(pixels))
    (folder / "made" / "000003.webp").write_bytes(thumbnail(chance.integers(0, 256, (3, 12, 16), dtype=np.uint8)))
    return folder / "index.html"
