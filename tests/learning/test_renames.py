"""Values of a renamed field: they are the same in another writing as well, and only then."""

from __future__ import annotations

from typing import Any

import pytest

from spectra_assets.learning.remedy.renames import is_same


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x", "x"),
        (True, "Y"),
        (False, "off"),
        ("true", True),
        (3, "3"),
        ("3", 3),
        (3.5, "3.50"),
        (1, 1.0),
        (5.75, "5,75"),
        (1234.5, "1.234,50"),
        (1234.5, "1,234.50"),
        (1234, "1,234"),
        (1.234, "1,234"),
    ],
)
def test_the_same_value_in_another_writing(old: Any, new: Any) -> None:
    assert is_same([old], [new])


@pytest.mark.parametrize(
    ("old", "new"),
    [("x", "X"), (True, "N"), (True, "maybe"), (3, "03"), ("007", 7), (3, "3;0"), (30, "3,0"), (3, "4"), (3, "1e400")],
)
def test_another_value(old: Any, new: Any) -> None:
    assert not is_same([old], [new])


def test_as_many_values() -> None:
    assert not is_same(["a", "b"], ["a"])
    assert not is_same(["a"], [])
