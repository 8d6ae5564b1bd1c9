"""Explorers of made-up studies, for tests and benchmarks: written by the functions that write a real one."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from featcx_core.analyses.explorer.make import by_complexity
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.features.code_range import active_codes, histogram, middle_and_least
from featcx_core.findings.study_tables import StudyTables
from featcx_core.measures.flips import flips
from featcx_core.measures.intervals import share_interval
from featcx_core.report.explorer.charts import charts
from featcx_core.report.explorer.columns import ConceptColumn, concept_columns
from featcx_core.report.explorer.looks import Ablated, Bin, Effect, ImageLook, Looks, Made, Memorised, Shown, Step
from featcx_core.report.explorer.page import Listed, Setting, concepts_script, fixed_files
from featcx_core.report.explorer.pictures import as_text, small_maps, thumbnail
from featcx_core.report.explorer.scripts import (
    ablation_script,
    details_scripts,
    gallery_scripts,
    image_scripts,
    memorised_script,
)

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


class World(NamedTuple):
    """Codes, logits and effects of a made-up network on its images: what is shown of it follows from these."""

    codes: np.ndarray
    """(image, concept)"""
    logits: np.ndarray
    """(image, class)"""
    effects: np.ndarray
    """(concept, class)"""
    labels: np.ndarray
    """(image,)"""


def made_up_world(n_concepts: int, *, n_images: int = 40, n_classes: int = len(CLASSES)) -> World:
    """Return a world in which each concept is active on a third of the images; every 25th is on none."""
    chance = np.random.default_rng(2)
    codes = chance.random((n_images, n_concepts)).astype(np.float32)
    codes[codes < 0.66] = 0
    codes[:, 24::25] = 0
    effects = chance.normal(0, 1, (n_concepts, n_classes)).astype(np.float32)
    logits = (codes @ effects + chance.normal(0, 0.5, (n_images, n_classes))).astype(np.float32)
    return World(codes, logits, effects, np.arange(n_images) % n_classes)


def concept_effects(world: World, classes: tuple[str, ...]) -> pd.DataFrame:
    """Rows of `concept_effects`; a concept shows the class on which it is counted as fitted."""
    n_images, n_concepts = world.codes.shape
    found = flips(world.codes, world.logits, world.effects)
    n_flipped = np.bincount(found.concepts, minlength=n_concepts)
    lost, gained = (
        np.bincount(found.concepts[part == world.labels[found.images]], minlength=n_concepts)
        for part in (found.before, found.after)
    )
    right = int((world.logits.argmax(axis=1) == world.labels).sum())
    ends = np.array([share_interval(n, n_images) for n in range(n_images + 1)])[n_flipped]
    group = np.arange(n_concepts) * len(classes) // n_concepts
    columns = {
        "epoch": REFERENCE, "concept": np.arange(n_concepts), "shows": [f"mostly {classes[g]}" for g in group],
        "n_images": n_images, "n_active": (world.codes > 0).sum(axis=0), "accuracy": right / n_images,
        "accuracy_without": (right - lost + gained) / n_images, "n_flipped": n_flipped,
        "flipped_fraction": n_flipped / n_images, "flipped_low": ends[:, 0], "flipped_high": ends[:, 1],
        "n_lost": lost, "n_gained": gained,
    }  # fmt: skip
    return frame("concept_effects", columns)


def columns_of(tables: StudyTables, classes: tuple[str, ...] = CLASSES) -> list[ConceptColumn]:
    """Columns of the made-up concepts; importance has an interval."""
    n_concepts = len(tables.concepts)
    effects = concept_effects(made_up_world(n_concepts, n_classes=len(classes)), classes)
    gamma = tables.importance[["concept", "importance"]]
    ends = gamma.assign(low=0.9 * gamma["importance"], high=1.1 * gamma["importance"])
    return concept_columns(tables, effects=effects, importance_ends=ends, reference_epoch=REFERENCE)


def looks_of(world: World, *, has_maps: bool, effects: pd.DataFrame) -> list[Looks]:
    """What is shown of each concept of a world."""
    n_images, n_concepts = world.codes.shape
    active, found = active_codes([world.codes]), flips(world.codes, world.logits, world.effects)
    order = np.argsort(found.concepts, kind="stable")
    ends = np.searchsorted(found.concepts[order], np.arange(n_concepts + 1))
    rows = effects.to_dict("records")
    maps = as_text(small_maps(np.random.default_rng(1).random((8, 3, 4), dtype=np.float32)))

    def shown(images: np.ndarray, codes: np.ndarray, ranks: list[int], folder: str = "") -> list[Shown]:
        name = f"{folder}/{{:03d}}.png" if folder else ""
        pairs = [(int(images[r]), float(codes[r] / codes[0])) for r in ranks]
        return [Shown(image, int(world.labels[image]), share, name.format(image)) for image, share in pairs]

    looks = []
    for concept in range(n_concepts):
        images, codes = active.of(concept)
        middle, least = middle_and_least(len(images))
        bins = histogram(images, codes, n_images=n_images)
        of_one = order[ends[concept] : ends[concept + 1]]
        pairs = zip(found.images[of_one], found.before[of_one], found.after[of_one], strict=True)
        row = rows[concept]
        weights = world.effects[concept]
        strongest = shown(images, codes, list(range(min(8, len(images)))), "some/long/folder")
        looks.append(
            Looks(
                images=strongest,
                heat_maps=maps if has_maps and strongest else "",
                neighbours=[((concept + step) % n_concepts, 1 - step / 10) for step in range(1, 9)],
                made=[Made("made/000003.webp", 12.34, 7.0)] if concept == 3 else [],
                middle=shown(images, codes, middle),
                least=shown(images, codes, least),
                bins=[
                    Bin(float(high), int(n), None if i < 0 else int(i), None if i < 0 else int(world.labels[i]))
                    for high, n, i in zip(bins.high, bins.n_images, bins.image, strict=True)
                ][: None if len(images) else 1],
                logits=[(k, float(v), float(v * codes.mean())) for k, v in enumerate(weights)] if len(codes) else [],
                effect=Effect(
                    row["accuracy"], row["accuracy_without"], row["n_flipped"], row["flipped_low"],
                    row["flipped_high"], row["n_lost"], row["n_gained"],
                ),
                flips=[(int(i), int(world.labels[i]), int(a), int(b)) for i, a, b in pairs][:8],
                path=[
                    Step(epoch, (concept + epoch) % n_concepts, 0.3 + 0.2 * epoch, 0.4, 0.5, 0.1,
                         [(each.image, each.label) for each in strongest[epoch : epoch + 4]])
                    for epoch in range(REFERENCE + 1)
                ],
                weights=weights,
                places=images,
                codes=codes.astype(np.float32),
            )
        )  # fmt: skip
    return looks


def image_looks(world: World) -> list[ImageLook]:
    """What is shown of each image of a world."""
    looks = []
    for image, (codes, logits) in enumerate(zip(world.codes, world.logits, strict=True)):
        predicted = int(logits.argmax())
        parts = codes * world.effects[:, predicted]
        top = np.argsort(-np.abs(parts))[:12]
        rows = [(int(c), float(codes[c]), float(parts[c])) for c in top if codes[c]]
        label, logit, by_concepts = int(world.labels[image]), float(logits[predicted]), float(parts.sum())
        name = f"some/long/folder/{image:03d}.png"
        n_active, rest = int((codes > 0).sum()), logit - by_concepts
        is_right = predicted == label
        looks.append(ImageLook(label, name, predicted, is_right, n_active, logit, by_concepts, rest, 0.0, rows))
    return looks


def write_explorer(
    folder: Path,
    *,
    n_concepts: int,
    has_maps: bool = True,
    has_classes: bool = True,
    classes: tuple[str, ...] = CLASSES,
    in_colour: bool = False,
) -> Path:
    """An explorer of so many concepts on forty images; returns its page."""
    chance = np.random.default_rng(1)
    tables, world = made_up_tables(n_concepts, classes=classes), made_up_world(n_concepts, n_classes=len(classes))
    if not has_classes:
        tables = tables._replace(concepts=tables.concepts.assign(class_id=-1, class_name="all"))
    columns, found = columns_of(tables, classes), charts(tables, n_concepts=n_concepts, reference_epoch=REFERENCE)
    setting = Setting(
        "made_up", REFERENCE, classes, (12, 16), (3, 4) if has_maps else None, 8, 64, in_colour,
        output_names=classes, made_from="d1",
    )  # fmt: skip
    looks = looks_of(world, has_maps=has_maps, effects=concept_effects(world, classes))
    images, order = list(range(len(world.codes))), by_complexity(columns)
    ablated = Ablated(images, world.labels.tolist(), world.logits, [*range(len(classes))], len(images))
    memorised = [Memorised(100 + i, i, (i + i % 2) % 5, 9.5 - i, 3 if i else None, i, f"{i}.png") for i in range(4)]
    strongest = [look.images[0].image if look.images else None for look in looks]
    for name in ("data", "images", "made"):
        (folder / name).mkdir(parents=True)
    for name, content in fixed_files(setting, n_concepts=n_concepts):
        (folder / name).write_bytes(content)
    listed = Listed(strongest, order, images, len(memorised), can_ablate=True)
    (folder / "concepts.js").write_text(concepts_script(setting, columns, found, listed))
    scripts = [
        ablation_script(ablated), memorised_script(memorised), *image_scripts(image_looks(world)),
        *gallery_scripts(looks, order, places=12), *details_scripts(looks, found),
    ]  # fmt: skip
    for name, text in scripts:
        (folder / "data" / name).write_text(text)
    for image in [*images, *(row.image for row in memorised)]:
        pixels = chance.integers(0, 256, (3, 12, 16), dtype=np.uint8)
        (folder / "images" / f"{image:06d}.webp").write_bytes(thumbnail(pixels))
    (folder / "made" / "000003.webp").write_bytes(thumbnail(chance.integers(0, 256, (3, 12, 16), dtype=np.uint8)))
    return folder / "index.html"
