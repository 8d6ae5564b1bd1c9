import numpy as np
import pandas as pd
import pytest

from featcx_core.findings.nearness import nearness_to_residual
from featcx_core.findings.where_claims import layers_reveal_progressively, simple_by_the_residual
from tests.core.findings.frames import frame, no_rows
from tests.core.findings.synthetic import REFERENCE, study
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
    return layers_reveal_progressively(tables, reference_epoch=1)


@pytest.mark.parametrize(
    ("means", "control", "verdict", "words"),
    [
        ([0.1, 0.3, 0.5, 0.7, 0.9], None, "holds", "from l0 to l3"),
        ([0.1, 0.3, 0.5, 0.7, 0.9], [0.1, 0.4, 0.6, 0.8, 0.9], "partly", "more than random directions, no"),
        ([0.1, 0.3, 0.5, 0.7, 0.9], [0.1, 0.2, 0.2, 0.3, 0.9], "holds", "changes by"),
        ([0.1, 0.3, 0.2, 0.5, 0.9], None, "partly", "1 of 3 steps fall"),
        ([0.1, 0.1, 0.1, 0.7, 0.9], None, "partly", "l3 alone brings more than half"),
        ([0.5, 0.5, 0.5, 0.3, 0.9], None, "does not hold", "does not hold here"),  # the penultimate does not count
        ([0.5, 0.9], None, "not measured", "two layers"),
    ],
)
def test_layers_must_reveal_in_steps_and_more_than_the_control(means, control, verdict, words):
    claim = layer_claim(means, control=control)
    assert claim.verdict == verdict
    assert words in claim.finding


def test_a_rise_that_is_there_before_training_is_not_called_learned():
    tables = study()
    claim = layers_reveal_progressively(tables, reference_epoch=REFERENCE)
    assert ("absent before training", "no") in claim.answers
    rows = tables.layer_information
    flat = rows.assign(**{name: rows[name].where(rows["epoch"] > 0, 0) for name in rows if name.startswith("gain")})
    claim = layers_reveal_progressively(tables._replace(layer_information=flat), reference_epoch=REFERENCE)
    assert ("absent before training", "yes") in claim.answers
    trained = tables._replace(epochs=tables.epochs.query("epoch > 0"))
    claim = layers_reveal_progressively(trained, reference_epoch=REFERENCE)
    assert "absent before training" not in dict(claim.answers)


@pytest.mark.parametrize(
    ("study", "verdict", "words"),
    [
        (study_of_branches(information=-0.1), "partly", "holds here in part: with I_V, not decided"),
        (study_of_branches(simple=-0.1, built=-0.1), "does not hold", "the simplest concepts have −0.2"),
        (study_of_branches(simple=0.2, built=-0.1), "partly", "complex ones nearer to the main branch, no"),
        (study_of_branches(simple=-0.1, built=0.2), "partly", "simple ones nearer to the residual, no"),
        (study_of_branches(simple=0.0, built=0.0), "not decided", "the intervals leave it open"),
        (no_rows(), "not measured", "it takes residual blocks and 20 scored concepts"),
        (study_of_branches(epochs=(3,)), "not measured", "not measured at epoch 4; measured at 3 (`analyses.epochs`)"),
    ],
)
def test_the_claim_on_branches_needs_both_ends_and_both_measures(study, verdict: str, words: str):
    claim = simple_by_the_residual(study, reference_epoch=4)
    assert claim.verdict == verdict
    assert words in claim.finding


def test_the_claim_on_branches_holds_where_information_agrees_and_not_before_training():
    study = with_signs_of_information(study_of_branches())
    study = study._replace(epochs=frame("epochs", [{"epoch": 0}, {"epoch": 4}]))
    claim = simple_by_the_residual(study, reference_epoch=4)
    assert claim.verdict == "holds"
    assert "mean over the blocks of epoch 4: 0.1" in claim.finding
    assert "Before training (epoch 0): " in claim.finding
    same = {
        name: pd.concat([table[table["epoch"] > 0], table[table["epoch"] == 4].assign(epoch=0)])
        for name, table in (("branches", study.branches), ("complexity", study.complexity))
    }
    claim = simple_by_the_residual(study._replace(**same), reference_epoch=4)
    assert claim.verdict == "partly"
    assert "in part: absent before training, no." in claim.finding


def test_a_contrast_of_random_directions_too_is_not_particular_to_concepts():
    study = study_of_branches(control=1.0)
    claim = simple_by_the_residual(with_signs_of_information(study), reference_epoch=4)
    assert claim.verdict == "partly"
    assert "in part: more than random directions, not decided." in claim.finding
    control = nearness_to_residual(study.branches, study.complexity, study.layers, epoch=4, kind="random_direction")
    assert f"Random directions have {control}." in claim.finding
