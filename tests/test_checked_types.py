"""The checks around featcx_core while the tests run: types, shapes, and both turned off."""

import jaxtyping
import numpy as np
import pytest

import featcx_core as fx
from featcx_core.study.nearest import nearest
from tests.checked_types import checked


def test_a_function_without_shapes_refuses_other_types():
    with pytest.raises(TypeError, match="parameter choices=5 violates type hint"):
        nearest("a", 5)


def test_a_function_with_shapes_refuses_other_shapes():
    with pytest.raises(jaxtyping.TypeCheckError, match="linear_cka"):
        fx.linear_cka(np.zeros(3), np.zeros((3, 2)))


def test_what_is_wrong_gets_in_where_checks_are_off(monkeypatch: pytest.MonkeyPatch):
    @checked
    def length(values: list[int]) -> int:
        return len(values)

    with pytest.raises(TypeError, match="violates type hint"):
        length("abc")
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    assert length("abc") == 3


def test_shapes_are_seen_wherever_they_stand():
    from tests.checked_types import _has_shapes

    shape = jaxtyping.Float[np.ndarray, "image unit"]
    assert all(map(_has_shapes, (shape, shape | None, list[shape], dict[str, tuple[int, shape]], "Float[Array, 'n']")))
    assert not any(map(_has_shapes, (int, int | None, list[str], dict[str, tuple[int, ...]], None)))
