"""Values of a column at two readings, and what was found of them. What all forms of change measure by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from spectra_assets.covenant.model import Column

KNOWN = 20
"""Of fewer values nothing can be said."""

MOST = 0.9
"""Share of the values that must have changed alike."""

DIFFERENT = 5
"""So many different values there must be among them: what is all alike tells nothing."""

LONGEST = 256
"""Characters of a text that are compared."""


class Form(StrEnum):
    """What was done to the values of a column."""

    EMPTIED = "emptied"
    COLLAPSED = "collapsed"
    REWORDED = "reworded"
    PLACEHOLDER = "placeholder"
    SCALED = "scaled"
    RESCALED = "rescaled"
    ROUNDED = "rounded"
    MOVED = "moved"
    INVERTED = "inverted"
    CASED = "cased"
    CUT = "cut"
    GARBLED = "garbled"
    ESCAPED = "escaped"
    MASKED = "masked"
    HASHED = "hashed"
    AFFIXED = "affixed"
    SWAPPED = "swapped"
    REPLACED = "replaced"
    REKEYED = "rekeyed"
    REVERTED = "reverted"


@dataclass(frozen=True)
class Alteration:
    """`count` of `compared` values changed alike; `told` says how, in a sentence without personal values."""

    form: Form
    count: int
    compared: int
    told: str
    seen: str = ""
    """The value that stands for none."""


@dataclass(frozen=True)
class Pairs:
    """A column's values: `was` and `now` of the records that are there both times, in one order, `fresh` of the new ones.

    `settled`: of moments, those pairs that tell of zones, as a source writes them anew from run to run near the readings.
    """

    column: Column
    was: Sequence[Any]
    now: Sequence[Any]
    fresh: Sequence[Any] = ()
    settled: Sequence[bool] = ()

    @cached_property
    def both(self) -> list[tuple[Any, Any]]:
        """The pairs with a value each time; of moments those that are settled."""
        settled = self.settled or [True] * len(self.was)
        pairs = zip(self.was, self.now, settled, strict=True)
        return [(was, now) for was, now, tells in pairs if tells and was is not None and now is not None]


def unlike(form: Form, pairs: Pairs, told: str) -> Alteration:
    both = pairs.both
    return alteration(form, pairs, sum(was != now for was, now in both), len(both), told)


def alteration(form: Form, pairs: Pairs, count: int, compared: int, told: str) -> Alteration:
    return Alteration(form, count, compared, f"{count} of {compared} values of {pairs.column.name} {told}")


def share_changed(both: Sequence[tuple[Any, Any]]) -> float:
    return sum(was != now for was, now in both) / len(both) if len(both) >= KNOWN else 0.0


def different(both: Sequence[tuple[Any, Any]]) -> int:
    return len({was for was, _ in both})


Way = Callable[[Pairs, list[tuple[Any, Any]]], Alteration | None]
