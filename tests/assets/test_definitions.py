import logging
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.metadata import TableMetadataSet

from featcx_assets.definitions import definitions
from featcx_core.artefacts.catalogue import catalogue
from featcx_core.networks.anatomy import read_anatomy
from featcx_core.study.files import packaged_studies
from tests.assets.command import HEAVY

TABULAR = {
    "layers",
    "corruption",
    "checkpoint",
    "codes",
    "strongest_images",
    "concept_effects",
    "v_information",
    "reference_v_information",
    "complexity",
    "importance",
    "branches",
    "redundancy",
    "sensitivity",
    "support",
    "stability",
    "readers",
    "variance_share",
    "learning_curve",
    "layer_choices",
    "clusters",
    "decode_time",
    "sedimentation",
    "layer_information",
    "correlations",
    "meta_features",
    "concept_paths",
    "similarity",
    "similarity_to_end",
    "direction_paths",
    "projection",
    "selectivity",
    "ablation",
    "image_losses",
    "memorisation",
    "noise_groups",
    "spectra",
    "generalising",
    "monitor",
}
# asset -> (partitions, made from); for what is stored on the way stands what that is made from
GRAPH = {
    "layers": ("none", set()),
    "corruption": ("none", set()),
    "training": ("none", set()),
    "checkpoint": ("epoch", {"training"}),
    "activations": ("epoch x layer", {"checkpoint"}),
    "dictionary_activations": ("epoch", {"checkpoint"}),
    "dictionary": ("epoch", {"dictionary_activations"}),
    "codes": ("epoch", {"dictionary", "activations"}),
    "strongest_images": ("epoch", {"codes"}),
    "concept_effects": ("epoch", {"codes"}),
    "v_information": ("epoch x layer", {"activations", "codes"}),
    "reference_v_information": ("epoch x layer", {"activations", "codes"}),
    "complexity": ("epoch", {"v_information"}),
    "importance": ("epoch", {"codes"}),
    "decode_time": ("none", {"v_information", "reference_v_information"}),
    "sedimentation": ("none", {"complexity", "importance", "codes", "v_information"}),
    "layer_information": ("none", {"v_information"}),
    "correlations": (
        "none",
        {
            "complexity",
            "codes",
            "v_information",
            "reference_v_information",
            "importance",
            "redundancy",
            "sensitivity",
            "decode_time",
        },
    ),
    "meta_features": ("none", {"complexity", "v_information", "importance", "clusters"}),
    "branches": ("epoch", {"checkpoint", "codes"}),
    "redundancy": ("epoch", {"activations", "codes"}),
    "sensitivity": ("epoch", {"codes"}),
    "support": ("epoch", {"codes", "complexity", "importance"}),
    "stability": ("epoch", {"codes", "dictionary_activations", "activations"}),
    "variance_share": ("epoch", {"codes", "activations", "v_information"}),
    "learning_curve": ("epoch", {"dictionary", "dictionary_activations", "activations"}),
    "readers": ("epoch", {"codes", "activations", "v_information"}),
    "layer_choices": ("none", {"complexity", "v_information", "importance", "readers"}),
    "clusters": ("epoch", {"dictionary"}),
    "visualisation": ("epoch", {"codes", "complexity"}),
    "concept_paths": ("none", {"dictionary", "complexity", "importance"}),
    "similarity": ("epoch", {"activations"}),
    "similarity_to_end": ("epoch", {"activations"}),
    "direction_paths": ("none", {"activations"}),
    "projection": ("none", {"activations", "checkpoint"}),
    "selectivity": ("epoch", {"activations"}),
    "image_losses": ("epoch", {"checkpoint"}),
    "memorisation": ("none", {"image_losses"}),
    "noise_groups": ("epoch", {"checkpoint"}),
    "monitor": ("epoch", {"checkpoint"}),
    "spectra": ("none", {"noise_groups", "checkpoint"}),
    "ablation": ("epoch", {"selectivity", "dictionary", "codes", "importance"}),
    "generalising": (
        "none",
        {"memorisation", "checkpoint", "ablation", "selectivity", "spectra", "similarity_to_end", "complexity"},
    ),
    "figures": ("none", TABULAR | {"dictionary", "visualisation"}),
    "explorer": ("none", TABULAR | {"dictionary", "visualisation"}),
    "report": ("none", TABULAR | {"figures"}),
}
COMPARED = {"compared", "comparison", "similarity_within", "separation", "generalising_by_group"}
"""Tables of studies side by side."""


def studies_of(defs: dg.Definitions) -> set[str]:
    return {key.path[0] for key in defs.resolve_asset_graph().get_all_asset_keys()}


@pytest.fixture
def crowded(small_home: Path, tmp_path: Path) -> Path:
    """A home with the tiny study, without results, and room for others."""
    home = tmp_path / "home"
    (home / "tiny").mkdir(parents=True)
    for name in ("study.toml", "layers.json"):
        shutil.copy(small_home / "tiny" / name, home / "tiny")
    return home


def test_loading_them_loads_nothing_heavy(empty_home: Path):
    code = f"""
import sys
from featcx_assets.definitions import defs
keys = defs.resolve_asset_graph().get_all_asset_keys()
print(len(keys), {{key.path[0] for key in keys}}, sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{len(GRAPH)} {{'mnist'}} []"
    assert not empty_home.exists()


def test_they_are_whole_and_every_study_is_there(crowded: Path):
    defs = definitions(crowded)
    dg.Definitions.validate_loadable(defs)
    assert studies_of(defs) == {"tiny"}
    repository = defs.get_repository_def()
    assert {sensor.name for sensor in repository.sensor_defs} == {"tiny_checkpoints"}
    assert {schedule.name for schedule in repository.schedule_defs} == {"tiny_across_epochs"}
    assert all(s.default_status == dg.DefaultSensorStatus.RUNNING for s in repository.sensor_defs)
    assert all(s.default_status == dg.DefaultScheduleStatus.RUNNING for s in repository.schedule_defs)


def test_the_graph_is_that_of_the_design(crowded: Path):
    graph = definitions(crowded).resolve_asset_graph()
    assert {key.path[1] for key in graph.get_all_asset_keys()} == GRAPH.keys() == {*catalogue().names}
    kinds = {type(None): "none", dg.DynamicPartitionsDefinition: "epoch", dg.MultiPartitionsDefinition: "epoch x layer"}
    for asset, (partitions, inputs) in GRAPH.items():
        node = graph.get(dg.AssetKey(["tiny", asset]))
        assert {key.path[1] for key in node.parent_keys} == inputs, asset
        assert kinds[type(node.partitions_def)] == partitions, asset
    grid = graph.get(dg.AssetKey(["tiny", "activations"])).partitions_def
    assert isinstance(grid, dg.MultiPartitionsDefinition)
    layers = grid.get_partitions_def_for_dimension("layer").get_partition_keys()
    assert list(layers) == ["stem", "layer2.0", "layer3.2"]
    epochs = grid.get_partitions_def_for_dimension("epoch")
    assert isinstance(epochs, dg.DynamicPartitionsDefinition)
    assert epochs.name == "tiny_epochs"


def test_every_asset_says_what_it_is(crowded: Path):
    graph = definitions(crowded).resolve_asset_graph()
    for asset in GRAPH:
        node = graph.get(dg.AssetKey(["tiny", asset]))
        written = catalogue()[asset].tables
        assert bool(written) is (asset in TABULAR), asset
        assert node.description, asset
        assert node.group_name in {"sources", "features", "measures", "dynamics", "report"}
        assert node.kinds, asset
        schema = TableMetadataSet.extract(node.metadata).column_schema
        named = {column.name: column.description for column in schema.columns} if schema else {}
        assert named == {column.name: column.description for table in written for column in table.columns}, asset
        if written:
            assert "one row per" in node.description.lower(), asset


def test_every_check_says_what_it_wants(crowded: Path):
    graph = definitions(crowded).resolve_asset_graph()
    checks = {key.name: graph.get_check_spec(key) for key in graph.asset_check_keys if key.asset_key.path[0] == "tiny"}
    assert checks.keys() == {
        *(f"{name}_rows_are_valid" for name in catalogue().tables if name not in COMPARED),
        "shuffled_codes_say_nothing",
        "penultimate_says_more_than_stem",
        "reconstruction_keeps_predictions",
        *(f"{name}_has_random_directions" for name in ("branches", "redundancy", "sensitivity", "variance_share")),
        "permuted_codes_have_no_branch",
        "shortcuts_bring_what_came",
        "fewer_masked_units_change_less",
        "weak_noise_moves_little",
        "concepts_are_found_again",
        "a_wider_reader_reads_more",
        "support_starts_from_the_dictionary",
        "matches_are_unique",
        "clusters_are_nested",
        "super_classes_cover_all_classes",
        "similarity_beats_permuted_images",
        "units_know_more_than_chance",
        "thresholds_hold_on_clean_images",
        "nothing_ablated_is_the_whole_network",
    }
    assert all(spec.description for spec in checks.values())


BROKEN = {
    "toml": ("study.toml", 'name = "broken'),
    "key": ("study.toml", 'name = "broken"\nsed = 1'),
    "another name": ("study.toml", 'name = "tiny"'),
    "not text": ("study.toml", b"\xff\xfe"),
    "layers": ("layers.json", "{"),
    "no layers": ("layers.json", None),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_study_is_left_out_and_the_others_stay(crowded: Path, caplog: pytest.LogCaptureFixture, case: str):
    folder = shutil.copytree(crowded / "tiny", crowded / "broken")
    (folder / "study.toml").write_text((folder / "study.toml").read_text().replace('"tiny"', '"broken"', 1))
    name, content = BROKEN[case]
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with caplog.at_level(logging.WARNING, logger="featcx"):
        defs = definitions(crowded)
    dg.Definitions.validate_loadable(defs)
    assert studies_of(defs) == {"tiny"}
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "featcx"]
    assert warning.startswith("study broken is left out: ")


def test_the_packaged_study_is_shown_before_it_is_used(empty_home: Path):
    defs = definitions(empty_home)
    assert studies_of(defs) == {"mnist"}
    anatomy = read_anatomy(packaged_studies()["mnist"].with_suffix(".layers.json"))
    grid = defs.resolve_asset_graph().get(dg.AssetKey(["mnist", "activations"])).partitions_def
    assert isinstance(grid, dg.MultiPartitionsDefinition)
    assert list(grid.get_partitions_def_for_dimension("layer").get_partition_keys()) == anatomy.names
