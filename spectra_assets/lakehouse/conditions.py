"""Conditions over many columns, as balanced trees: a plan on its way to the engine may be nested a hundred levels deep at most,
of which each operator takes two."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import and_, or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

if TYPE_CHECKING:
    from pyspark.sql import Column


def all_of(conditions: Iterable[Column]) -> Column:
    """Whether all hold; true of none."""
    return _tree([*conditions], and_, True)


def any_of(conditions: Iterable[Column]) -> Column:
    """Whether one holds; false of none."""
    return _tree([*conditions], or_, False)


def _tree(parts: list[Column], join: Callable[[Column, Column], Column], of_none: bool) -> Column:
    if not parts:
        return F.lit(of_none)
    while len(parts) > 1:
        pairs = [join(one, other) for one, other in zip(parts[::2], parts[1::2], strict=False)]
        parts = [*pairs, *parts[len(parts) - len(parts) % 2 :]]
    return parts[0]
