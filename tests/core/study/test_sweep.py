import re
from pathlib import Path

import pytest

from featcx_core.store.places import Store
from featcx_core.study.fields import Model, Study, StudyError
from featcx_core.study.files import load_study, packaged_studies
from featcx_core.study.sweep import is_sweep, load_sweep, packaged_sweeps
from tests.conftest import TINY, write_tiny

GRID = """
name = "s"
[training]
epochs = 3
save = []
[sweep]
"seed" = [0, 1]
"training.schedule" = ["one_cycle", "constant"]
"training.optimizer.weight_decay" = [0.0, 5e-4]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "s.toml"
    path.write_text(text)
    return path


def swept(folder: Path, lines: str) -> Path:
    return written(folder, f'name = "s"\n[sweep]\n{lines}')


def test_one_study_a_combination_the_last_field_fastest(tmp_path: Path):
    sweep = load_sweep(written(tmp_path, GRID))
    assert sweep.fields == ("seed", "training.schedule", "training.optimizer.weight_decay")
    assert [study.name for study in sweep.studies][:3] == [
        "s__seed_0__schedule_one_cycle__weight_decay_0",
        "s__seed_0__schedule_one_cycle__weight_decay_0p0005",
        "s__seed_0__schedule_constant__weight_decay_0",
    ]
    assert len({study.name for study in sweep.studies}) == 8
    last = sweep.studies[-1]
    assert (last.seed, last.training.schedule, last.training.optimizer.weight_decay) == (1, "constant", 5e-4)
    assert last.training.epochs == 3  # what is not swept is as stated
    assert last.training.optimizer.lr == 0.2  # or the default


def test_the_dots_may_be_tables(tmp_path: Path):
    quoted = load_sweep(swept(tmp_path, '"training.optimizer.lr" = [0.1, 0.2]'))
    assert load_sweep(swept(tmp_path, "training.optimizer.lr = [0.1, 0.2]")) == quoted
    assert load_sweep(swept(tmp_path, "[sweep.training.optimizer]\nlr = [0.1, 0.2]")) == quoted


def test_another_value_renames_no_other_member(tmp_path: Path):
    few = load_sweep(swept(tmp_path, "seed = [0, 1]"))
    many = load_sweep(swept(tmp_path, "seed = [2, 0, 1]"))
    assert {study.name for study in few.studies} < {study.name for study in many.studies}


def test_names_are_of_letters_digits_and_underscores_and_unique(tmp_path: Path):
    lines = """
"model.source" = ["torchvision:resnet18", "torchvision:resnet_18", "torchvision:resnet-18"]
"activations.layers" = [["stem", "layer1.*", "layer2.*", "layer3.*", "layer4.*"], "auto"]
"training.optimizer.lr" = [1e-5, 0.12345678, 0.12345679]
"probe.penalties" = [{low = 1e-3}, {low = 1e-4}]
"""
    names = [study.name for study in load_sweep(swept(tmp_path, lines)).studies]
    assert len(set(names)) == 36
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in names)
    assert "torchvision_resnet18__" in names[0]
    assert "__lr_1em05__" in names[0]


def test_ends_that_are_alike_are_told_apart(tmp_path: Path):
    lines = '"data.split.fit" = [400, 500]\n"dictionary.l1" = [0.0, 1.0]\n"dictionary.l2" = [0.0, 1.0]'
    name = load_sweep(swept(tmp_path, lines)).studies[0].name
    assert name == "s__fit_400__l1_0__l2_0"
    lines = '"model.weights" = ["a.pt", "b.pt"]\n"data.transform.weights" = ["", "X"]'
    assert "__model_weights_a_pt__transform_weights_" in load_sweep(swept(tmp_path, lines)).studies[0].name


def test_a_path_is_relative_to_the_sweep_file(tmp_path: Path):
    one, two = load_sweep(swept(tmp_path, '"data.source" = ["npz:a.npz", "npz:b.npz"]')).studies
    assert (one.data.source, two.data.source) == (f"npz:{tmp_path / 'a.npz'}", f"npz:{tmp_path / 'b.npz'}")


MISTAKES = {
    "": r"\[sweep\] is empty; wanted fields with lists of values, for instance",
    '"training.shedule" = ["constant"]': r"unknown field training\.shedule in \[sweep\]; did you mean training\.schedule\?",
    '"weight_decay" = [0.0]': r"unknown field weight_decay .* did you mean training\.optimizer\.weight_decay\?",
    '"training.optimiser.lr" = [1.0]': r"did you mean training\.optimizer\.lr\?",
    "seed = 3": r"sweep\.seed: wanted a list of values, got 3",
    'training.schedule = "constant"': r'sweep\.training\.schedule: wanted a list of values, got "constant"',
    "seed = []": r"sweep\.seed: wanted a list of values, got an empty one",
    "seed = [0, 1, 0]": r"sweep\.seed: 0 is there twice",
    '"dictionary.l1" = [0, 0.0]': r"sweep\.dictionary\.l1: 0\.0 is there twice",
    "seed = [0, -1]": r"seed: Input should be greater than or equal to 0, got -1",
    '"training.schedule" = ["cosine"]': r"training\.schedule: Input should be 'one_cycle' or 'constant', got 'cosine'",
    'name = ["a", "b"]': r"sweep\.name: the members are named after their values",
    '"training.epochs" = [1, 2]\n[probe]\nreference_epoch = 6': r"reference_epoch = 6 is beyond training\.epochs = 1",
    "seed = [0]\n[variants]": r"\[variants\] is empty; wanted names with settings, for instance plain = \{\}",
    "seed = [0]\n[variants]\nplain = 3": r"variants\.plain: wanted settings, got 3; try \{seed = 1\}",
    "seed = [0]\n[variants]\na-b = {}": r"variants: wanted names of letters, digits and _, got 'a-b'",
    "seed = [0]\n[variants]\na = {training.shfit = 1}": r"unknown field training\.shfit .* did you mean training\.shift\?",
    "seed = [0]\n[variants]\na = {}\nb = {seed = 0}": r"variants\.b: the same studies as variants\.a; take one",
    '"data.transform.crop" = [8, 16]\n[data]\ntransform = "auto"': r'data\.transform is stated as "auto"; take that out',
}


@pytest.mark.parametrize("lines", MISTAKES)
def test_a_mistake_is_one_line_that_names_file_and_field(tmp_path: Path, lines: str):
    with pytest.raises(StudyError, match=MISTAKES[lines]) as caught:
        load_sweep(swept(tmp_path, lines))
    assert str(caught.value).startswith(f"{tmp_path}/s.toml: ")
    assert "\n" not in str(caught.value)


def test_without_its_table_it_is_a_study(tmp_path: Path):
    with pytest.raises(StudyError, match=r"unknown key sed; did you mean seed\?"):
        load_sweep(written(tmp_path, 'name = "s"\nsed = 1\n[sweep]\nseed = [0, 1]'))
    with pytest.raises(StudyError, match="name: Field required"):
        load_sweep(written(tmp_path, "[sweep]\nseed = [0, 1]"))


def test_a_sweep_is_no_study(tmp_path: Path):
    path = written(tmp_path, GRID)
    assert is_sweep(path)
    assert not is_sweep(packaged_studies()["mnist"])
    with pytest.raises(StudyError, match=r"a sweep of several studies, not one; `featcx run .*s\.toml` makes them"):
        load_study(path)


def test_the_packaged_sweep():
    sweep = load_sweep(packaged_sweeps()["mnist_sweep"])
    assert len(sweep.studies) == 8
    assert not packaged_sweeps().keys() & packaged_studies().keys()
    for study in sweep.studies:  # all else is as in the built-in study
        changed = {"name", "seed", "training"}
        assert study.model_dump(exclude=changed) == Study(name="mnist").model_dump(exclude=changed)


def test_the_packaged_sweep_of_wrong_labels():
    sweep = load_sweep(packaged_sweeps()["memorisation_sweep"])
    assert sweep.fields == ("seed",)
    assert len(sweep.studies) == 35
    assert {study.data.split_seed for study in sweep.studies} == {0}  # networks of all seeds see the same images
    assert {study.data.corruption.probability for study in sweep.studies} == {0, 0.25, 0.5, 0.75, 1}
    assert sweep.studies[6].name == "memorisation_sweep__random_25__seed_1"
    assert {study.data.corruption.shortcut for study in sweep.studies[25:30]} == {1.0}
    assert {study.training.shift for study in sweep.studies[30:]} == {2}
    assert {study.training.last for study in sweep.studies} == {6}


def test_the_packaged_sweep_of_widths():
    sweep = load_sweep(packaged_sweeps()["width_sweep"])
    assert [len(sweep.studies), {study.data.split_seed for study in sweep.studies}] == [15, {0}]


VARIANTS = 'seed = [0, 1]\n[variants]\nplain = {}\nmarked = {"data.corruption.shortcut" = 1.0, training.shift = 2}'


def test_variants_are_combined_with_every_value(tmp_path: Path):
    sweep = load_sweep(swept(tmp_path, VARIANTS))
    assert [study.name for study in sweep.studies] == [
        "s__plain__seed_0", "s__plain__seed_1", "s__marked__seed_0", "s__marked__seed_1",
    ]  # fmt: skip
    assert [study.data.corruption.shortcut for study in sweep.studies] == [0, 0, 1, 1]
    assert [study.training.shift for study in sweep.studies] == [0, 0, 2, 2]


def test_a_variant_may_state_arguments_of_the_network(tmp_path: Path):
    lines = "seed = [0]\n[variants]\nnarrow = {model.arguments.blocks = 1}\nwide = {model.arguments = {blocks = 2}}"
    assert [study.model.arguments for study in load_sweep(swept(tmp_path, lines)).studies] == [
        {"blocks": 1}, {"blocks": 2},
    ]  # fmt: skip


def test_a_network_is_built_once_for_all_studies_that_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from featcx_core.artefacts import register as registering

    sweep = load_sweep(write_tiny(tmp_path, text=TINY + '[sweep]\nseed = [0, 1]\n"dictionary.l1" = [0.1, 0.2]'))
    built: list[str] = []
    find = registering._found_anatomy
    monkeypatch.setattr(registering, "_found_anatomy", lambda study: built.append(study.name) or find(study))
    stores: list[Store] = []
    for study in sweep.studies:
        stores.append(registering.register(study, home=tmp_path / "home", siblings=stores))
    assert built == [sweep.studies[0].name]
    assert len({store.layers_path.read_bytes() for store in stores}) == 1
    other = sweep.studies[0].model_copy(update={"name": "other", "model": Model(arguments={"widths": [4, 8, 16]})})
    registering.register(other, home=tmp_path / "home", siblings=stores)
    assert built[1:] == ["other"]
