"""The explorer's data: columns, charts, pictures, files; and the step that writes it for a study."""

import base64
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from PIL import Image

from featcx_core.analyses.examples import heat_maps, map_shape, maps_are_of_patches
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.networks.anatomy import Anatomy, anatomy_text
from featcx_core.report.explorer.charts import charts
from featcx_core.report.explorer.columns import PROPERTIES, concept_columns, for_readers
from featcx_core.report.explorer.looks import ImageLook, Looks
from featcx_core.report.explorer.page import SCRIPTS
from featcx_core.report.explorer.pictures import LARGEST_MAP, LONGEST, SmallMaps, as_text, small_maps, thumbnail
from featcx_core.report.explorer.scripts import FILE_SIZE, GALLERY_SIZE, details_scripts, gallery_scripts, image_scripts
from featcx_core.store.places import Store, committed, open_store
from tests.core.findings.frames import no_rows
from tests.explorers import CLASSES, LAYERS, REFERENCE, columns_of, frame, made_up_tables, write_explorer
from tests.steps import path_of, reader, remake, rows_of, table_of

N = 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_explorer(tmp_path_factory.mktemp("explorer") / "all", n_concepts=N).parent


@pytest.fixture
def done(home: Path) -> Store:
    """The tiny study, all of it made."""
    return open_store(home, "tiny")


def explored(store: Store) -> Path:
    """The page of the explorer, written anew."""
    remake(store, "explorer")
    return path_of(store, "explorer") / "index.html"


def argument(script: str) -> Any:
    """What a script of data hands over last."""
    return json.loads(re.sub(r'^featcx\.\w+\((?:"\w+",)?|\);\n$', "", script))


def test_columns_are_the_properties_that_the_study_has():
    found = {column.name: column for column in columns_of(made_up_tables(N))}
    assert [name for name, column in found.items() if column.in_table] == [
        "shows", "super_class", "complexity", "importance", "flipped_fraction", "decode_time_normalised", "first_epoch",
        "prevalence_fraction", "class_information", "redundancy_1", "sensitivity_1", "cluster",
    ]  # fmt: skip
    assert found["redundancy_1"].label == "redundancy, 50% masked"
    assert found["sensitivity_0"].label == "sensitivity, σ 0.01"
    assert "hoyer" not in found  # never measured here
    assert all(len(column.values) == N for column in found.values())
    assert found["complexity"].values[24] is None  # dead
    assert found["super_class"].values[0] == "animal"
    assert found["super_class"].values[N - 1] is None  # none is stated
    assert found["complexity"].meaning.startswith("K: 0 = simple")


def test_meanings_are_those_of_the_tables_without_what_databases_say():
    columns = columns_of(made_up_tables(N))
    found = {column.name: column.meaning for column in columns}
    assert found["decode_time"] == "Λ: 0 = available early in training, 1 = late."
    assert found["super_class"] == "Super-class of the concept's class."
    assert found["cluster"] == "Meta-feature: cluster of the atom, by K-means."
    assert found["class_name"] == "Name of the class whose images it was fitted on."
    for prop in PROPERTIES:
        said = for_readers(next(c.description for c in catalogue().tables[prop.table].columns if c.name == prop.column))
        assert not re.search(r"\b(null|empty)\b|-1", said)
        assert said.endswith(".")


def test_concepts_of_all_classes_have_no_class():
    tables = made_up_tables(N)
    of_all = tables.concepts.assign(class_id=-1, class_name="all")
    columns = columns_of(tables._replace(concepts=of_all))
    assert "class_name" not in [column.name for column in columns]


def test_a_zero_atom_is_in_no_cluster():
    tables = made_up_tables(N)
    rows = tables.clusters.assign(cluster=tables.clusters["cluster"].where(tables.clusters["concept"] != 4, -1))
    columns = columns_of(tables._replace(clusters=rows))
    found = next(column.values for column in columns if column.name == "cluster")
    assert found == [None if concept == 4 else concept % 7 for concept in range(N)]


def test_values_are_short():
    tables = made_up_tables(N)
    wanted = tables.importance["importance"].to_numpy()
    found = {column.name: column for column in columns_of(tables)}["importance"]
    np.testing.assert_allclose(found.values, wanted, rtol=5e-4)
    assert max(len(json.dumps(value)) for value in found.values) <= 9


def test_empty_tables_are_no_columns_and_no_charts_but_no_concepts_are_an_error():
    tables = no_rows()
    only = tables._replace(concepts=made_up_tables(3).concepts)
    nothing = {"effects": frame("concept_effects", {}), "importance_ends": frame("importance", {})}
    nothing["importance_ends"] = nothing["importance_ends"].rename(columns={"study": "low", "fingerprint": "high"})
    assert [c.name for c in concept_columns(only, **nothing, reference_epoch=REFERENCE)] == [
        "class_name", "prevalence_fraction", "class_information",
    ]  # fmt: skip
    assert charts(only, n_concepts=3, reference_epoch=REFERENCE) == []
    with pytest.raises(ValueError, match="wanted the concepts of epoch 3, got none; materialise codes first"):
        concept_columns(tables, **nothing, reference_epoch=REFERENCE)


def test_charts_hold_each_concepts_values_in_place():
    tables = made_up_tables(N)
    found = {chart.title: chart for chart in charts(tables, n_concepts=N, reference_epoch=REFERENCE)}
    hard = tables.complexity["complexity"].to_numpy()
    where, when = found["Where can it be read?"], found["When could it be read?"]
    assert where.places == list(LAYERS)
    np.testing.assert_allclose(where.series["V-information"], (1 - hard)[:, None] * [1 / 3, 2 / 3, 1])
    assert where.errors is not None
    assert when.places == [0, 1, 2, 3]
    np.testing.assert_allclose(when.series["V-information"], (1 - hard)[:, None] * [0, 1 / 3, 2 / 3, 1])
    assert list(found["Was it there?"].series) == ["matched", "chance"]
    cosine, k = found["Was it there?"].series["matched"], found["How complex was it?"].series["complexity"]
    assert np.isnan(k[24]).all()
    assert np.isnan(k[cosine <= 0.4]).all()  # matched no better than by chance
    assert np.isfinite(k[:24][cosine[:24] > 0.4]).all()


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (4, "RGB")])
def test_small_images_are_kept_and_large_ones_shrunk(channels, mode):
    small = np.random.default_rng(0).integers(0, 256, (channels, 20, 28), dtype=np.uint8)
    kept = Image.open(BytesIO(thumbnail(small)))
    assert kept.size == (28, 20)
    if channels == 3:
        np.testing.assert_array_equal(np.asarray(kept), small.transpose(1, 2, 0))  # lossless
    shrunk = Image.open(BytesIO(thumbnail(np.zeros((channels, 300, 400), dtype=np.uint8))))
    assert shrunk.size == (LONGEST, LONGEST * 3 // 4)


def test_heat_maps_are_scaled_together_and_large_ones_made_smaller():
    maps = np.zeros((2, 2, 3), dtype=np.float32)
    maps[0, 0, 0], maps[1, 1, 2] = 4.0, 1.0
    found = np.frombuffer(base64.b64decode(as_text(small_maps(maps))), dtype=np.uint8).reshape(2, 2, 3)
    assert found.max(axis=(1, 2)).tolist() == [255, 64]
    assert found[1, 1, 2] == 64
    assert small_maps(np.ones((1, 40, 8), dtype=np.float32)).shares.shape == (1, LARGEST_MAP, 8)
    assert as_text(SmallMaps(np.zeros((0, 2, 3), dtype=np.uint8), np.zeros(0, dtype=np.float32))) == ""
    assert not small_maps(np.zeros((1, 2, 2), dtype=np.float32)).shares.any()


def test_intervals_stand_beside_complexity_and_importance():
    tables = made_up_tables(N)
    found = {column.name: column for column in columns_of(tables)}
    assert found["importance"].low is not None
    np.testing.assert_allclose(found["importance"].low, 0.9 * tables.importance["importance"], rtol=1e-5)
    assert found["complexity"].low is not None
    assert found["complexity"].low[24] is None  # dead
    assert found["variance_share" if "variance_share" in found else "prevalence_fraction"].low is None


def test_the_best_layer_says_which_concepts_are_barely_readable():
    tables = made_up_tables(N)
    found = next(column.values for column in columns_of(tables) if column.name == "best_information")
    np.testing.assert_allclose(np.array(found, float), 1 - tables.complexity["complexity"], rtol=1e-5)


def data_of(folder: Path, kind: str) -> list[Any]:
    """The rows of all files of a kind, in order."""
    return [row for path in sorted((folder / "data").glob(f"{kind}_*.js")) for row in argument(path.read_text())]


def test_files_hold_every_concept_and_image_once(folder: Path):
    given = argument((folder / "concepts.js").read_text())
    assert given["count"] == N
    assert given["strongest"][24] is None
    column = next(column for column in given["columns"] if column["name"] == "class_name")
    assert [column["names"][value] for value in column["values"][:: N // 5]] == list(CLASSES)
    details, cards = data_of(folder, "details"), data_of(folder, "gallery")
    assert len(details) == len(cards) == N
    assert sorted(given["order"]) == list(range(N))
    k = next(column["values"] for column in given["columns"] if column["name"] == "complexity")
    ordered = [k[concept] for concept in given["order"]]
    assert ordered[-2:] == [None, None]
    assert ordered[:-2] == sorted(ordered[:-2])
    for concept, (images, maps) in zip(given["order"], cards, strict=True):
        assert images == [image for image, *_ in details[concept]["images"]][:4]
        assert base64.b64decode(maps) == base64.b64decode(details[concept]["heat"])[: 12 * len(images)]
    assert [len(row["images"]) for row in details].count(0) == 2
    assert len(data_of(folder, "images")) == len(given["images"]) == 40
    assert all(
        len(chart["series"]) <= len(lines)
        for chart, lines in zip(given["chart_specs"], details[0]["charts"], strict=True)
    )
    assert "NaN" not in "".join(path.read_text() for path in folder.rglob("concepts.js"))


def test_details_come_in_files_of_a_hundred_and_the_gallery_in_its_order():
    looks = [Looks([], "", [(number, 0.5)]) for number in range(2 * FILE_SIZE + 1)]
    found = dict(details_scripts(looks, []))
    assert list(found) == ["details_0000.js", "details_0001.js", "details_0002.js"]
    assert [row["near"] for row in argument(found["details_0002.js"])] == [[[2 * FILE_SIZE, 0.5]]]
    assert len(dict(gallery_scripts(looks, range(201), places=0))) == -(-201 // GALLERY_SIZE)
    ((name, text),) = image_scripts([ImageLook(1, "a/b.png", 2, None, 3, 4.0, 3.5, 0.25, 0.25, [(7, 0.5, 1.5)])])
    assert name == "images_0000.js"
    assert argument(text) == [[1, "a/b.png", 2, None, 3, 4, 3.5, 0.25, 0.25, [[7, 0.5, 1.5]]]]


def test_the_page_reads_only_what_lies_beside_it(folder: Path):
    page = (folder / "index.html").read_text()
    named = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert set(named) == {"explorer.css", "../index.html", "data:,", *SCRIPTS, "concepts.js"}
    assert all((folder / name).exists() for name in named if not name.startswith(("..", "data:")))
    for name in ("index.html", "explorer.css", *SCRIPTS):
        assert not re.search(r"https?://|innerHTML|\bfetch\(|\beval\(", (folder / name).read_text()), name


def test_a_study_gets_its_explorer(done: Store):
    assert 'href="explorer/index.html"' in (done.root / "report" / "index.html").read_text()  # made after the report
    page = explored(done)
    given = argument((page.parent / "concepts.js").read_text())
    concepts = table_of(done, "concepts").query("epoch == 2")
    assert given["count"] == len(concepts) == 12
    assert given["name"] == "tiny"
    rows, data = argument((page.parent / "data" / "details_0000.js").read_text()), reader(done).data
    memorised = argument((page.parent / "data" / "memorised.js").read_text())
    losses = table_of(done, "memorisation").nlargest(100, "cumulative_loss")
    assert given["n_memorised"] == len(memorised) == 100
    assert sorted(row[3] for row in memorised) == pytest.approx(sorted(losses["cumulative_loss"]), rel=1e-5)
    assert given["images"] == sorted(data.probe.tolist())  # few: predictions are computed on all of them
    shown = {*given["images"], *(row[0] for row in memorised)}
    assert {f"{image:06d}.webp" for image in shown} == {path.name for path in (page.parent / "images").iterdir()}
    paths = [[step[0] for step in row["path"]] for row in rows]
    assert paths == [[0, 1, 2]] * 12
    assert all(step[6] for row in rows for step in row["path"][2:] if row["images"])  # the reference epoch: itself
    height, width = given["heat"]
    for row in rows:
        assert len(base64.b64decode(row["heat"])) == len(row["images"]) * height * width
    assert max(base64.b64decode(rows[0]["heat"])) == 255
    assert [chart["title"] for chart in given["chart_specs"]] == [
        "Where can it be read?", "When could it be read?", "How complex was it?", "How important was it?",
        "Was it there?", "Which branch carries it?",
    ]  # fmt: skip
    labels = {column["label"] for column in given["columns"] if column["in_table"]}
    assert {"shows", "complexity", "importance", "flips without it", "learned late", "on images", "cluster"} <= labels
    assert {"redundancy, 50% masked", "sensitivity, σ 0.1"} <= labels
    importance = next(column for column in given["columns"] if column["name"] == "importance")
    assert all(
        low <= v <= high for low, v, high in zip(*(importance[k] for k in ("low", "values", "high")), strict=True)
    )
    assert committed(page.parent) is not None


def test_pictures_made_to_excite_a_concept_stand_on_its_page(done: Store):
    folder, place = path_of(done, "visualisation", 2), Partition("visualisation", 2)
    with done.writing(folder, fingerprint=Snapshot(done).fingerprint(place)) as draft:
        draft.mkdir(parents=True)
        Image.new("L", (8, 8)).save(draft / "000005.png")
        group = zarr.create_group(store=str(draft / "arrays.zarr"))
        for name, values in {"concept": [5], "projection": [12.341], "best_image": [7.0]}.items():
            group.create_array(name, data=np.array(values))
    page = explored(done)
    rows = argument((page.parent / "data" / "details_0000.js").read_text())
    assert [row["made"] for row in rows] == [[] if i != 5 else [["made/000005.png", 12.341, 7]] for i in range(12)]
    assert (page.parent / "made" / "000005.png").read_bytes() == (folder / "000005.png").read_bytes()


def test_an_explorer_that_cannot_be_written_leaves_the_old_one(done: Store, monkeypatch: pytest.MonkeyPatch):
    page = explored(done)
    before = page.read_bytes()

    def full(image: np.ndarray) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("featcx_core.analyses.explorer.make.thumbnail", full)
    with pytest.raises(OSError, match="the disk is full; make room"):
        explored(done)
    assert page.read_bytes() == before
    assert list((done.root / "report").glob(".*.partial")) == []


def test_predictions_computed_from_the_page_are_those_of_the_tables(done: Store):
    page = explored(done)
    ablated = argument((page.parent / "data" / "ablation.js").read_text())
    logits = np.frombuffer(base64.b64decode(ablated["logits"]), dtype="<f4").reshape(len(ablated["images"]), -1)
    wanted = rows_of(done, "concept_effects", epoch=2, table="concept_effects")["n_flipped"].tolist()
    found = []
    for row in argument((page.parent / "data" / "details_0000.js").read_text()):
        left, weights = logits.astype(np.float64), np.frombuffer(base64.b64decode(row["weights"]), dtype="<f4")
        places, codes = (
            np.frombuffer(base64.b64decode(row[k]), dtype=d) for k, d in (("places", "<u4"), ("codes", "<f4"))
        )
        left[places] -= codes[:, None].astype(np.float64) * weights
        found.append(int((left.argmax(axis=1) != logits.argmax(axis=1)).sum()))
        assert row["effect"][2] == found[-1]
    assert found == wanted


def test_maps_of_a_class_token_are_those_of_the_patches(done: Store):
    layers, images = done.anatomy.model_dump_json(), np.array([[0, 1], [2, -1]])
    whole = [maps.maps for maps in heat_maps(reader(done), images)]
    assert not maps_are_of_patches(reader(done))
    altered = Anatomy.model_validate_json(layers.replace('"channels_first"', '"class_token"'))
    done.layers_path.write_text(anatomy_text(altered))
    assert map_shape(reader(done)) is not None
    assert maps_are_of_patches(reader(done))
    np.testing.assert_array_equal(
        np.concatenate([maps.maps for maps in heat_maps(reader(done), images)]), np.concatenate(whole)
    )


def test_where_there_is_one_position_an_image_there_are_no_maps(done: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("featcx_core.analyses.explorer.reading.map_shape", lambda reader: None)
    monkeypatch.setattr("featcx_core.analyses.examples.map_shape", lambda reader: None)
    page = explored(done)
    assert argument((page.parent / "concepts.js").read_text())["heat"] is None
    assert {row["heat"] for row in argument((page.parent / "data" / "details_0000.js").read_text())} == {""}
