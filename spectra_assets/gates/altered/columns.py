"""What was done to the columns of a table, each alone and several together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from spectra_assets.covenant.amounts import NUMBERS
from spectra_assets.covenant.model import DataType
from spectra_assets.gates.altered.pairs import (
    DIFFERENT,
    KNOWN,
    MOST,
    Alteration,
    Form,
    Pairs,
    Way,
    different,
    share_changed,
    unlike,
)
from spectra_assets.gates.altered.quantities import another_day, moved, rounded, scaled, untimed
from spectra_assets.gates.altered.texts import affixed, cased, cut, escaped, garbled, hashed, masked
from spectra_assets.gates.altered.values import collapsed, emptied, inverted, placeholder, reworded

_TEXTS = 3
"""Columns of texts that other records under the same keys differ in."""


def alterations(columns: Sequence[Pairs]) -> dict[str, Alteration]:
    """Column → what was done to it at once; not there if nothing was, or each record changed in its own way."""
    changed = [each for each in columns if share_changed(each.both) >= MOST]
    found: dict[str, Alteration] = {}
    for one, other in combinations(changed, 2):
        if one.column.type == other.column.type:
            found |= _swapped(one, other)
    for each in columns:
        if each.column.name not in found and (alone := _altered(each)) is not None:
            found[each.column.name] = alone
    return found | _replaced(columns, [each for each in changed if each.column.name not in found])


def _altered(pairs: Pairs) -> Alteration | None:
    kind, both = pairs.column.type, pairs.both
    ways: list[Way] = [emptied]
    if len(both) >= KNOWN and any(was != now for was, now in both):
        ways += _WAYS.get(kind, _NUMERIC if kind in NUMBERS else [])
    ways.append(placeholder)
    return next((found for way in ways if (found := way(pairs, both)) is not None), None)


def _replaced(columns: Sequence[Pairs], changed: Sequence[Pairs]) -> dict[str, Alteration]:
    """All texts that tell records apart are others; `changed` are the columns that are, in no other way."""
    texts = [each for each in columns if each.column.type == DataType.TEXT and different(each.both) > len(each.both) / 2]
    if len(texts) < _TEXTS or not all(each in changed for each in texts):
        return {}
    told = "are others under the same keys, and so is every other text: as if these were other records"
    return {each.column.name: unlike(Form.REPLACED, each, told) for each in texts}


def _swapped(one: Pairs, other: Pairs) -> dict[str, Alteration]:
    """The values of two columns changed places."""
    every = zip(one.was, one.now, other.was, other.now, strict=True)
    four = [(a, b, c, d) for a, b, c, d in every if None not in (a, b, c, d) and a != c]
    alike = [a for a, b, c, d in four if a == d and b == c]
    if len(four) < KNOWN or len(alike) < MOST * len(four) or len(set(alike)) < DIFFERENT:
        return {}
    names = one.column.name, other.column.name
    told = f"{len(alike)} of {len(four)} values of {names[0]} and {names[1]} changed places"
    return dict.fromkeys(names, Alteration(Form.SWAPPED, len(alike), len(four), told))


_NUMERIC: list[Way] = [scaled, rounded, collapsed, reworded]

_WAYS: Mapping[DataType, list[Way]] = {
    DataType.TEXT: [collapsed, reworded, cased, garbled, escaped, cut, masked, hashed, affixed],
    DataType.BOOL: [inverted],
    DataType.TIMESTAMP: [moved, untimed, collapsed],
    DataType.DATE: [another_day, collapsed],
}
"""In which ways values of a type may be changed at once, the most telling first."""
