import numpy as np
import pytest

from featcx_core.features import samples as module
from featcx_core.features.samples import checked, grouped


def test_groups_are_as_large_as_memory_allows_and_keep_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GROUP_BYTES", 10 * 8)
    arrays = [np.full((n, 1), n, dtype=np.float64) for n in (4, 6, 1, 11, 2, 3)]
    assert [[len(acts) for acts in group] for group in grouped(arrays)] == [[4, 6], [1], [11], [2, 3]]
    assert list(grouped([])) == []


def test_samples_that_can_be_fitted_pass_unchanged() -> None:
    acts = [np.ones((5, 3)), np.arange(12.0).reshape(4, 3)]
    assert all(a is b for a, b in zip(checked(acts, classes=[4, 7], n_atoms=3, method="nmf"), acts, strict=True))
    assert len(list(checked([-acts[0]], classes=[-1], n_atoms=1, method="semi_nmf"))) == 1


@pytest.mark.parametrize(
    ("acts", "n_atoms", "message"),
    [
        (np.array([[1.0, np.nan], [np.inf, 1.0]]), 1, "finite activations, got 2 NaN or infinite values in class 3"),
        (np.array([[1.0, -1.0], [0.0, 1.0]]), 1, "got 1 negative values in class 3; try the method semi_nmf"),
        (np.ones((9, 2)), 3, r"as many atoms as units \(2\), got 3 in class 3; try fewer atoms"),
        (np.ones((2, 9)), 3, "at least 3 samples in class 3, one per atom, got 2; try fewer atoms or more images"),
    ],
)
def test_errors(acts: np.ndarray, n_atoms: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(checked([acts], classes=[3], n_atoms=n_atoms, method="nmf"))
