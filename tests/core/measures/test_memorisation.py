import jaxtyping
import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from featcx_core.measures.memorisation import DETECTORS, detection, memorisation
from tests.references import memorisation as reference

EPOCHS = [1, 2, 4, 8, 16]


def planted(n=200, seed=0):
    """A fifth of the images is learned late, or never, and forgotten more often."""
    chance = np.random.default_rng(seed)
    is_noisy = np.arange(n) % 5 == 0
    ease = np.where(is_noisy, -1.5, 1.0) + chance.normal(size=n)
    margin = ease + np.linspace(-1, 2, 5)[:, None] + 0.7 * chance.normal(size=(5, n))
    return np.logaddexp(0, -margin), margin > 0, margin[-1], is_noisy


def learned(**given):
    loss, is_correct, margin, _ = planted(**given)
    return memorisation(loss, is_correct, margin, epochs=EPOCHS)


def test_by_hand():
    right = np.array([[0, 1, 1, 0, 1], [1, 0, 1, 0, 0], [1, 1, 1, 0, 1], [1, 1, 1, 0, 0]], dtype=bool)
    loss = np.arange(20.0).reshape(4, 5)
    result = memorisation(loss, right, np.arange(5.0), epochs=[1, 2, 5, 9])
    assert result.n_forgotten.tolist() == [0, 1, 0, 0, 2]
    assert result.epoch_learned[:3].tolist() == [2, 5, 1]
    assert np.isnan(result.epoch_learned[3:]).all()
    assert result.is_ever_right.tolist() == [True, True, True, False, True]
    assert result.cumulative_loss.tolist() == [30, 34, 38, 42, 46]
    assert result.final_loss.tolist() == [15, 16, 17, 18, 19]
    assert result.margin.tolist() == [0, 1, 2, 3, 4]


def test_equals_the_definition():
    loss, is_correct, _, _ = planted()
    result, rows = learned(), reference.memorisation(loss, is_correct, EPOCHS)
    for image, (total, forgotten, epoch) in enumerate(rows):
        assert result.cumulative_loss[image] == pytest.approx(total, rel=1e-12)
        assert result.n_forgotten[image] == forgotten
        assert result.epoch_learned[image] == epoch or (np.isnan(result.epoch_learned[image]) and epoch is None)


def test_detectors_equal_scikit_learn_and_find_planted_noise():
    is_noisy, result = planted()[3], learned()
    found = detection(result, is_noisy)
    assert tuple(found) == DETECTORS
    scores = {
        "cumulative_loss": result.cumulative_loss,
        "n_forgotten": np.where(result.is_ever_right, result.n_forgotten, 99),
        "epoch_learned": np.nan_to_num(result.epoch_learned, nan=99),
        "final_loss": result.final_loss,
        "margin": -result.margin,
    }
    for name, score in scores.items():
        assert found[name].value == pytest.approx(roc_auc_score(is_noisy, score), rel=1e-12)
    assert all(found[name].value > 0.8 for name in DETECTORS if name != "n_forgotten")
    assert found["cumulative_loss"].value > 0.95


def test_the_loss_at_the_end_detects_as_self_confidence_does():
    chance = np.random.default_rng(0)
    given, is_noisy = chance.integers(0, 10, 300), np.arange(300) % 4 == 0
    true = np.where(is_noisy, (given + 3) % 10, given)
    logits = chance.normal(size=(300, 10)) + 1.5 * np.eye(10)[true] + 0.5 * np.eye(10)[given]
    loss = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(given), reduction="none").numpy()
    confidence = reference.self_confidence(logits, given)
    right = logits[np.arange(300), given]
    margin = right - np.where(np.eye(10, dtype=bool)[given], -np.inf, logits).max(axis=1)
    result = memorisation(loss[None], (margin > 0)[None], margin, epochs=[1])
    found = detection(result, is_noisy)
    assert found["final_loss"].value == pytest.approx(roc_auc_score(is_noisy, 1 - confidence), rel=1e-12)
    assert 0.7 < found["final_loss"].value < 1


def test_labels_that_have_nothing_to_do_with_it_score_one_half():
    result = learned(n=4000)
    free = np.random.default_rng(5).random(4000) < 0.2
    for score in detection(result, free).values():
        assert score.value == pytest.approx(0.5, abs=0.03)


def test_of_one_checkpoint_and_of_tensors():
    loss, is_correct, margin, _ = planted()
    one = memorisation(loss[-1:], is_correct[-1:], margin, epochs=[16])
    assert (one.n_forgotten == 0).all()
    np.testing.assert_array_equal(one.cumulative_loss, one.final_loss)
    np.testing.assert_array_equal(np.isnan(one.epoch_learned), ~is_correct[-1])
    tensors = (torch.from_numpy(array) for array in (loss, is_correct, margin))
    for part, expected in zip(memorisation(*tensors, epochs=EPOCHS), learned(), strict=True):
        np.testing.assert_array_equal(part, expected)


def test_errors(monkeypatch):
    loss, is_correct, margin, is_noisy = planted()
    with pytest.raises(ValueError, match=r"epochs that rise, at least one, got \[1, 2, 2, 8, 16\]"):
        memorisation(loss, is_correct, margin, epochs=[1, 2, 2, 8, 16])
    with pytest.raises(ValueError, match=r"of 4 checkpoints and 200 images, got \(5, 200\) and \(5, 200\)"):
        memorisation(loss, is_correct, margin, epochs=[1, 2, 4, 8])
    with pytest.raises(ValueError, match="at least one, got"):
        memorisation(loss[:0], is_correct[:0], margin, epochs=[])
    with pytest.raises(ValueError, match="at least 1 case and 1 control, got 0 and 200"):
        detection(learned(), np.zeros(200, dtype=bool))
    loss[2, 3] = np.nan
    with pytest.raises(ValueError, match="scores that are numbers, got 1 that are NaN"):
        detection(memorisation(loss, is_correct, margin, epochs=EPOCHS), is_noisy)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside the tests
    with pytest.raises(ValueError, match=r"got \(5, 200\) and \(5, 199\)"):
        memorisation(loss, is_correct[:, 1:], margin, epochs=EPOCHS)
