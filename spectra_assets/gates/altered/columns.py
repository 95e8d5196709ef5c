"""What was done to the columns of a table, each alone and several together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

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
from spectra_assets.gates.altered.quantities import another_day, moved, rescaled, reverted, rounded, scaled, untimed
from spectra_assets.gates.altered.texts import affixed, cased, cut, encoded, garbled, hashed, masked, shortened, unpadded
from spectra_assets.gates.altered.values import collapsed, emptied, inverted, permuted, placeholder, recoded, reworded

_TEXTS = 3
"""Columns of texts that other records under the same keys differ in."""


def alterations(columns: Sequence[Pairs]) -> dict[str, Alteration]:
    """Column → what was done to it at once; not there if nothing was, or each record changed in its own way."""
    changed = [each for each in columns if share_changed(each.both) >= MOST]
    found = _moved_round(changed)
    for each in columns:
        if each.column.name not in found and (alone := _altered(each)) is not None:
            found[each.column.name] = alone
    return found | _replaced(columns, [each for each in changed if each.column.name not in found])


def _altered(pairs: Pairs) -> Alteration | None:
    kind, both = pairs.column.type, pairs.both
    ways: list[Way] = [emptied, rescaled, *([permuted] if kind == DataType.TEXT else [])]
    if len(both) >= KNOWN and any(was != now for was, now in both):
        ways += _WAYS.get(kind, _NUMERIC if kind in NUMBERS else [])
    ways += [placeholder, reverted]
    return next((found for way in ways if (found := way(pairs, both)) is not None), None)


def _replaced(columns: Sequence[Pairs], changed: Sequence[Pairs]) -> dict[str, Alteration]:
    """All texts that tell records apart are others; `changed` are the columns that are, in no other way."""
    texts = [each for each in columns if each.column.type == DataType.TEXT and different(each.both) > len(each.both) / 2]
    if len(texts) < _TEXTS or not all(each in changed for each in texts):
        return {}
    told = "are others under the same keys, and so is every other text: as if these were other records"
    return {each.column.name: unlike(Form.REPLACED, each, told) for each in texts}


def _moved_round(changed: Sequence[Pairs]) -> dict[str, Alteration]:
    """The values of columns changed places: of two, or of more in a circle. A column that alone holds what another one held is
    a former value, which goes on at each reading."""
    held = {
        one.column.name: (other.column.name, counts)
        for one, other in permutations(changed, 2)
        if one.column.type == other.column.type and (counts := _holds(one, other)) is not None
    }
    found = {}
    for name, (_, (alike, compared)) in held.items():
        circle = [name]
        while circle[-1] in held and held[circle[-1]][0] not in circle:
            circle.append(held[circle[-1]][0])
        if circle[-1] in held and held[circle[-1]][0] == name:
            names = " and ".join(sorted(circle))
            found[name] = Alteration(Form.SWAPPED, alike, compared, f"{alike} of {compared} values of {names} changed places")
    return found


def _holds(one: Pairs, other: Pairs) -> tuple[int, int] | None:
    """(alike, compared), if nearly all records have in `one` what stood in `other`."""
    every = zip(one.was, one.now, other.was, strict=True)
    told = [(now, there) for was, now, there in every if None not in (was, now, there) and was != there]
    alike = [now for now, there in told if now == there]
    if len(told) < KNOWN or len(alike) < MOST * len(told) or len(set(alike)) < DIFFERENT:
        return None
    return len(alike), len(told)


_NUMERIC: list[Way] = [scaled, rounded, collapsed, reworded, recoded]

_WAYS: Mapping[DataType, list[Way]] = {
    DataType.TEXT: [unpadded, collapsed, reworded, recoded, cased, garbled, encoded, shortened, cut, masked, hashed, affixed],
    DataType.BOOL: [inverted],
    DataType.TIMESTAMP: [moved, untimed, collapsed],
    DataType.DATE: [another_day, collapsed],
}
"""In which ways values of a type may be changed at once, the most telling first."""
