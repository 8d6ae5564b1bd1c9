import numpy as np
import pandas as pd
import pytest

from featcx_core.findings.nearness import nearness_to_residual
from featcx_core.findings.where_claims import layers_reveal_progressively, simple_by_the_residual
from tests.core.findings.frames import frame, no_rows
from tests.core.findings.synthetic_branches import study_of_branches, with_signs_of_information
from tests.core.findings.synthetic_means import with_means


def layer_claim(means, *, control=None, noise=0.02):
    """Return the claim on layers with these means, the penultimate last, and 40 concepts about them."""
    chance = np.random.default_rng(0)
    roles = ["block"] * (len(means) - 1) + ["penultimate"]
    layers = frame("layers", [{"layer": f"l{i}", "depth": i, "role": role} for i, role in enumerate(roles)])
    rows = [
        {"epoch": 1, "layer": f"l{i}", "dictionary_epoch": 1, "kind": kind, "concept": concept,
         "v_information": mean + chance.normal(0, noise)}
        for kind, curve in (("concept", means), ("random_direction", control or []))
        for i, mean in enumerate(curve) for concept in range(40)
    ]  # fmt: skip
    tables = with_means(no_rows()._replace(v_information=frame("v_information", rows), layers=layers))
    return layers_reveal_progressively(tables.layer_information, layers, reference_epoch=1)


@pytest.mark.parametrize(
    ("means", "control", "status", "words"),
    [
        ([0.1, 0.3, 0.5, 0.7, 0.9], None, "seen", "from l0 to l3"),
        ([0.1, 0.3, 0.5, 0.7, 0.9], [0.1, 0.4, 0.6, 0.8, 0.9], "partly", "random directions rise as much"),
        ([0.1, 0.3, 0.5, 0.7, 0.9], [0.1, 0.2, 0.2, 0.3, 0.9], "seen", "changes by"),
        ([0.1, 0.3, 0.2, 0.5, 0.9], None, "partly", "1 of 3 steps fall"),
        ([0.1, 0.1, 0.1, 0.7, 0.9], None, "partly", "l3 alone brings more than half"),
        ([0.5, 0.5, 0.5, 0.3, 0.9], None, "absent", "does not hold here"),  # the penultimate does not count
        ([0.5, 0.9], None, "missing", "two layers"),
    ],
)
def test_layers_must_reveal_in_steps_and_more_than_the_control(means, control, status, words):
    claim = layer_claim(means, control=control)
    assert claim.status == status
    assert words in claim.finding


@pytest.mark.parametrize(
    ("study", "status", "words"),
    [
        (study_of_branches(information=-0.1), "partly", "holds here with CKA, not with I_V"),
        (study_of_branches(simple=-0.1, built=-0.1), "absent", "does not hold here (simplest against most complex: "),
        (no_rows(), "missing", "it takes residual blocks and 20 scored concepts"),
        (study_of_branches(epochs=(3,)), "missing", "not measured at epoch 4; measured at 3 (`analyses.epochs`)"),
    ],
)
def test_the_claim_on_branches_needs_both_measures(study, status: str, words: str):
    claim = simple_by_the_residual(study, reference_epoch=4)
    assert claim.status == status
    assert words in claim.finding


def test_the_claim_on_branches_is_seen_where_information_agrees_and_names_the_untrained_network():
    study = with_signs_of_information(study_of_branches())
    claim = simple_by_the_residual(study, reference_epoch=4)
    assert claim.status == "seen"
    assert "mean over the blocks of epoch 4: 0.1" in claim.finding
    assert "Before training (epoch 0): " in claim.finding
    same = {
        name: pd.concat([table[table["epoch"] > 0], table[table["epoch"] == 4].assign(epoch=0)])
        for name, table in (("branches", study.branches), ("complexity", study.complexity))
    }
    claim = simple_by_the_residual(study._replace(**same), reference_epoch=4)
    assert claim.status == "partly"
    assert "it is there before training too and may not be learned" in claim.finding


def test_what_random_directions_do_too_is_not_particular_to_concepts():
    study = study_of_branches(control=1.0)
    claim = simple_by_the_residual(with_signs_of_information(study), reference_epoch=4)
    assert claim.status == "partly"
    assert claim.finding.startswith("holds here, but random directions have it too")
    control = nearness_to_residual(study.branches, study.complexity, study.layers, epoch=4, kind="random_direction")
    assert f"Random directions have {control}." in claim.finding
