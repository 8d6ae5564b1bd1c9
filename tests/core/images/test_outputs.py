"""Outputs of the network that stand for the classes, one or several."""

from pathlib import Path

import numpy as np
import pytest
import torch

from featcx_core.features.losses import losses_of
from featcx_core.images.answers import is_right, losses_of_right
from featcx_core.images.outputs import chance, class_outputs, refuse_other_outputs, right_outputs
from featcx_core.measures.ablation import AblationCounts
from featcx_core.measures.removal import removal
from featcx_core.measures.support import support
from featcx_core.study.fields import Model, Study, StudyError
from featcx_core.study.files import load_study

NAMES = ("cat", "dog")


def test_outputs_by_number_name_and_file(tmp_path: Path):
    by_name = Model(outputs={"dog": ["Beagle", 207, 162], "cat": "tabby"})
    assert class_outputs(by_name, NAMES) == ((281,), (162, 207))  # the beagle once
    (tmp_path / "groups.toml").write_text('cat = 281\ndog = ["beagle", 207]\n')
    assert class_outputs(Model(outputs=str(tmp_path / "groups.toml")), NAMES) == ((281,), (162, 207))
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    own = Model(outputs={"dog": ["B", "c"], "cat": "a"}, output_names=str(tmp_path / "names.txt"))
    assert class_outputs(own, NAMES) == ((0,), (1, 2))
    assert chance(own, n_outputs=3) == pytest.approx(0.5)


def test_paths_to_outputs_are_relative_to_the_study_file(tmp_path: Path):
    text = 'name = "x"\n[model]\noutputs = "o.toml"\noutput_names = "n.txt"\n[checkpoints]\nfolder = "c"\npattern = "a.pt"\n'
    (tmp_path / "x.toml").write_text(text)
    model = load_study(tmp_path / "x.toml").model
    assert (model.outputs, model.output_names) == (str(tmp_path / "o.toml"), str(tmp_path / "n.txt"))


@pytest.mark.parametrize(
    ("outputs", "wanted"),
    [
        ({"dog": [1, 2], "cat": 2}, "output 2 is of dog and of cat; keep one"),
        ({"dog": ["dalmation"], "cat": 2}, "no output is called 'dalmation' in ImageNet; .* did you mean dalmatian"),
        ({"dog": ["Cardigan"], "cat": 2}, "outputs 264 and 474 are called 'Cardigan'; state the number"),
        ({"dog": [], "cat": 2}, "wanted at least one output of dog, got none"),
        ({"dog": [1]}, "wanted the output of every class, got none of 'cat'"),
    ],
)
def test_outputs_that_cannot_be(outputs: dict[str, object], wanted: str):
    with pytest.raises(StudyError, match=wanted):
        class_outputs(Model(outputs=outputs), NAMES)


def test_outputs_that_the_network_does_not_have():
    with pytest.raises(StudyError, match="dog = 9, but the network has 5 outputs"):
        refuse_other_outputs(Model(outputs={"dog": [1, 9], "cat": 2}), NAMES, n_outputs=5)
    with pytest.raises(StudyError, match="dog has all 2 outputs"):
        refuse_other_outputs(Model(outputs={"dog": [0, 1]}), ("dog",), n_outputs=2)
    with pytest.raises(ValueError, match="a class of several outputs cannot be trained; state one output a class"):
        Study(name="x", model=Model(outputs={"dog": [0, 1], "cat": 2}))


def answers(n: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of 6 outputs in float64; of two classes one has three of them, the other one; labels; right outputs."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, n)
    return 2 * rng.standard_normal((n, 6)), labels, right_outputs(((4,), (0, 2, 5)), labels)


def test_loss_answer_and_margin_by_their_definitions():
    logits, labels, right = answers()
    found = losses_of(torch.from_numpy(logits), right)
    for row, label, loss, is_correct, margin in zip(logits, labels, *found, strict=True):
        mine = [4] if label == 0 else [0, 2, 5]
        others = [i for i in range(6) if i not in mine]
        p = np.exp(row) / np.exp(row).sum()
        assert loss == pytest.approx(-np.log(p[mine].sum()), rel=1e-10)
        assert is_correct == (row.argmax() in mine)
        assert margin == pytest.approx(row[mine].max() - row[others].max())


def test_one_output_a_class_is_the_usual_case():
    logits, labels, _ = answers()
    one, row = (right_outputs(((4,), (0,)), labels), right_outputs(((4,), (0,)), labels)[:, None])
    assert one.ndim == 1
    for a, b in zip(losses_of(torch.from_numpy(logits), one), losses_of(torch.from_numpy(logits), row), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    both = [losses_of_right(torch.from_numpy(logits), torch.from_numpy(r)) for r in (one, row)]
    torch.testing.assert_close(*both)


def test_what_removing_a_concept_costs_where_several_outputs_are_right():
    logits, labels, right = answers()
    rng = np.random.default_rng(1)
    codes, atoms, head = rng.random((40, 3)), rng.random((3, 4)), rng.standard_normal((4, 6))
    found = removal(codes, atoms, head, logits=logits, right=right, groups=4)

    def losses(values: np.ndarray) -> np.ndarray:
        p = np.exp(values) / np.exp(values).sum(1, keepdims=True)
        return -np.log(np.where(labels == 0, p[:, 4], p[:, [0, 2, 5]].sum(1)))

    for concept in range(3):
        without = logits - codes[:, [concept]] * (atoms[concept] @ head)
        assert found.loss[concept] == pytest.approx((losses(without) - losses(logits)).mean(), rel=1e-9)


def test_curves_count_any_of_the_right_outputs():
    logits, _, right = answers()
    expected = np.mean([row.argmax() in wanted for row, wanted in zip(logits, right, strict=True)])
    counts = AblationCounts(1, groups=4)
    counts.add(logits.argmax(1)[None], right)
    curve = counts.curves({"none": np.array([[0]])}, np.array([0.0]))["none"]
    assert curve.accuracy[0] == pytest.approx(expected)
    whole = support(
        logits, np.eye(6), np.eye(6), np.zeros(6), orders={"one": np.arange(6)[None]}, shares=np.array([1.0]),
        predicted=logits.argmax(1), labels=right, groups=4,
    )  # fmt: skip
    assert whole["one"].accuracy[0] == pytest.approx(expected)
    assert is_right(torch.from_numpy(logits.argmax(1)), torch.from_numpy(right)).double().mean() == expected
