import pytest

from featcx_core.study.fields import StudyError
from featcx_core.study.files import load_study

MISTAKES = {
    'nme = "a"': r"unknown key nme; did you mean name\?",
    'name = "a"\n[dictionary]\natoms = 3': r"unknown key dictionary\.atoms; did you mean atoms_per_class\?",
    'name = "a"\n[probe.penalties]\nzzz = 3': r"unknown key probe\.penalties\.zzz; wanted one of: count, low, high",
    'name = "a b"': r"name: String should match pattern .* got 'a b'",
    'name = "dagster"': r"the name dagster is taken",
    'name = "a"\nseed = -1': r"seed: .*greater than or equal to 0, got -1",
    'name = "a"\n[data.split]\nfit = 0': r"data\.split\.fit.*greater than 0",
    'name = "a"\n[activations]\npooling = "max"': r"activations\.pooling: .*got 'max'",
    'name = "a"\n[training]\nepochs = 3\nsave = []\n[probe]\nreference_epoch = 4': r"reference_epoch = 4 is beyond .* = 3",
    'name = "a"\n[training]\nepochs = 3\n[probe]\nreference_epoch = 8': r"= 8 is beyond training\.epochs = 3, with "
    r"training\.save checkpoint 7",
    'name = "a"\n[training]\nepochs = 7\nevery = 3\nsave = []\n[probe]\nreference_epoch = 4': r"with training\.every "
    r"checkpoint 3",
    'name = "a"\n[training]\nevery = 0': r"training\.every: .*greater than or equal to 1, got 0$",
    'name = "a"\n[training]\nshift = -1': r"training\.shift: .*greater than or equal to 0, got -1$",
    'name = "a"\n[data.corruption]\npixels = "shufled"': r"corruption\.pixels: .*got 'shufled'; did you mean shuffled\?$",
    'name = "a"\n[data.corruption]\nlabel = 0.5': r"unknown key data\.corruption\.label; did you mean labels\?$",
    'name = "a"\n[data.corruption]\nlabels = 1.5': r"data\.corruption\.labels: .*got 1\.5$",
    'name = "a"\n[data.corruption]\nshortcut = 1.5': r"corruption\.shortcut: .*less than or equal to 1, got 1\.5$",
    'name = "a"\n[spectra]\nattacks = ["fgsn"]': r"spectra\.attacks\.0: .*got 'fgsn'; did you mean fgsm\?$",
    'name = "a"\n[training]\nsave = [0.5, 0.25]': r"training\.save: wanted shares of the first epoch that rise",
    'name = "a"\n[training]\nsave = [1.5]': r"training\.save\.0.*less than 1",
    'name = "a"\n[analyses]\nend_shares = []': r"analyses\.end_shares: wanted at least 1 entry, got \[\]$",
    'name = "a"\n[redundancy]\nmasked_fractions = []': r"redundancy\.masked_fractions: wanted at least 1 entry, got \[\]$",
    'name = "a"\n[redundancy]\nmasked_fractions = [1.5]': r"masked_fractions\.0: .*less than 1, got 1\.5$",
    'name = "a"\n[clusters]\ncount = -3': r"clusters\.count: Input should be 'auto' or greater than or equal to 2, got -3$",
    'name = "a"\n[sensitivity]\nsigmas = []': r"sensitivity\.sigmas: wanted at least 1 entry, got \[\]$",
    'name = "a': r"not valid TOML",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_one_line_that_names_file_and_place(tmp_path, text):
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(StudyError, match=MISTAKES[text]) as caught:
        load_study(path)
    assert str(caught.value).startswith(f"{tmp_path}/s.toml: ")
    assert "\n" not in str(caught.value)
