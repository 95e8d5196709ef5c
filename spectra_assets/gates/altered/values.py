"""Changes of values of any type: none, one for all, other words, what stands for none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from spectra_assets.covenant.amounts import NUMBERS
from spectra_assets.covenant.model import DataType, PiiLevel
from spectra_assets.gates.altered.pairs import DIFFERENT, KNOWN, MOST, Alteration, Form, Pairs, alteration, share_changed, unlike
from spectra_assets.gates.altered.placeholder import is_placeholder, spelled
from spectra_assets.gates.sample import one_line
from spectra_assets.names import words

_WORDS = 50
"""Different values that a vocabulary has at most; each must repeat."""

_PURE = 0.98
"""Share of the records in which a word must have become the same new one."""

_SEEN = 0.01
"""Share of the records up to which a value is new to a column."""

_PART = 0.05
"""Share of the records from which on a placeholder is worth a word."""

_SOME = 10
"""Values that only some records can show (an umlaut, an ampersand, a long text)."""

_FEW = 8
"""Texts that show by as many of them that all changed their places: that is no chance."""

_OWN = 0.9
"""Share of the texts that must differ, to be what records are called."""

_FULL = 0.95
"""A column is full if so many records have a value."""


def _quoted(pairs: Pairs, value: Any) -> str:
    """A value as a message shows it; of personal data only that there is one."""
    if pairs.column.pii != PiiLevel.NONE and not is_placeholder(pairs.column.type, value):
        return "one value"
    return one_line(spelled(pairs.column.type, value), 40)


def emptied(pairs: Pairs, _: list[tuple[Any, Any]]) -> Alteration | None:
    """Nearly every record had a value, and nearly none has one now."""
    gone = [now is None for was, now in zip(pairs.was, pairs.now, strict=True) if was is not None]
    if pairs.column.sparse or len(gone) < max(KNOWN, _FULL * len(pairs.was)) or sum(gone) < MOST * len(gone):
        return None
    return alteration(Form.EMPTIED, pairs, sum(gone), len(gone), "are empty now")


def placeholder(pairs: Pairs, _: list[tuple[Any, Any]]) -> Alteration | None:
    """A value that stands for no value, which hardly any record had, is in many now."""
    every = [*pairs.now, *pairs.fresh]
    if len(pairs.was) < KNOWN:
        return None
    kind, before = pairs.column.type, Counter(value for value in pairs.was if value is not None)
    between = (min(before), max(before)) if kind in NUMBERS and before else None
    for value, count in Counter(value for value in every if value is not None).most_common():
        if count < _PART * len(every):
            break
        if before[value] <= max(1, _SEEN * len(pairs.was)) and is_placeholder(kind, value, between):
            seen = one_line(spelled(kind, value), 40)
            told = f"{count} of {len(every)} values of {pairs.column.name} are {seen} now, which stands for no value"
            return Alteration(Form.PLACEHOLDER, count, len(every), told, seen)
    return None


def collapsed(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """Many different values became one, or very few, that hardly any record had. Of references one that is known, too."""
    before = Counter(was for was, _ in both)
    after = Counter(now for was, now in both if was != now)
    top, count = [value for value, _ in after.most_common(3)], 0
    for most, value in enumerate(top, 1):
        known = before[value] > max(1, _SEEN * len(both))
        crowded = max(before.values()) > 0.2 * len(both)  # one of them had many before
        if known and (pairs.column.references is None or crowded or len(before) < 2 * DIFFERENT):
            return None
        if _goes_on(pairs.column.type, value, before):
            return None
        count += after[value]
        if count >= MOST * len(both):
            if len(before) < DIFFERENT * most:
                return None
            shown = _quoted(pairs, top[0]) if most == 1 else f"one of {most}"
            return alteration(Form.COLLAPSED, pairs, count, len(both), f"are {shown} now, of {len(before)} different ones")
    return None


def _goes_on(kind: DataType, value: Any, before: Collection[Any]) -> bool:
    """Whether a value that is new to a column is the next of its kind: a number of a batch, a run, a revision."""
    if kind in NUMBERS:
        return bool(value > max(before)) and not is_placeholder(kind, value)
    if kind != DataType.TEXT:
        return False
    return any(char.isdigit() for char in value) and sum(_shape(each) == _shape(value) for each in before) > len(before) / 2


def _shape(text: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F-]{16,}", text):
        return f"id {len(text)}"
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", text))


def reworded(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """A vocabulary was replaced as a whole."""
    known = {was for was, _ in both}
    if not 2 <= len(known) <= _WORDS or len(both) < DIFFERENT * len(known):
        return None
    if sum(now not in known for _, now in both) < MOST * len(both) or share_changed(both) < MOST:
        return None
    after = Counter(now for _, now in both)
    if len(after) > 2 * len(known) or all(_goes_on(pairs.column.type, now, known) for now in after):
        return None
    read = words_of(both)
    told = "are other words than before"
    if read and pairs.column.pii == PiiLevel.NONE:
        shown = ", ".join(f"{_quoted(pairs, was)} is {_quoted(pairs, now)}" for now, was in list(read.items())[:6])
        told += f", one for one: {shown}{' …' if len(read) > 6 else ''}"
    return unlike(Form.REWORDED, pairs, told)


def recoded(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """Each code stands where another one stood: a priority counts from the other end, a status from one in place of nought."""
    codes = {was for was, _ in both}
    if pairs.column.type != DataType.TEXT and not CODES & {word.lower() for word in words(pairs.column.name)}:
        return None
    if not 2 <= len(codes) <= _WORDS or len(both) < DIFFERENT * len(codes) or share_changed(both) < MOST:
        return None
    read = words_of(both)
    if not read or codes.isdisjoint(read):
        return None
    shown = ", ".join(f"{_quoted(pairs, was)} is {_quoted(pairs, now)}" for now, was in list(read.items())[:6])
    told = "stand where another one stood" + (f": {shown}" if pairs.column.pii == PiiLevel.NONE else "")
    return unlike(Form.SWAPPED, pairs, told)


CODES = frozenset(("status", "state", "type", "kind", "code", "priority", "severity", "category", "class", "level", "phase"))
"""Words of a column of numbers that are codes: they count nothing."""


def words_of(both: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    """New word → the one it stands for, where each old one became one new one and none of them the same; {} else."""
    found: dict[Any, Counter[Any]] = {}
    for was, now in both:
        found.setdefault(was, Counter())[now] += 1
    first = {was: after.most_common(1)[0] for was, after in found.items()}
    read = {now: was for was, (now, _) in first.items()}
    pure = sum(count for _, count in first.values()) >= _PURE * len(both)
    return dict(sorted(read.items(), key=str)) if pure and len(read) == len(found) else {}


def permuted(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """Texts that tell records apart are the same as before, and nearly each of them stands under another key."""
    changed = sum(was != now for was, now in both)
    if len(both) < _FEW or changed < MOST * len(both):
        return None
    before, after = Counter(was for was, _ in both), Counter(now for _, now in both)
    if len(before) < _OWN * len(both) or (before & after).total() < MOST * len(both):
        return None
    return alteration(Form.REPLACED, pairs, changed, len(both), "are those of other records: they stand under other keys now")


def inverted(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """Yes became no, and no yes."""
    turned = [was for was, now in both if was != now]
    if len(turned) < MOST * len(both) or not all(turned.count(side) >= _SOME for side in (True, False)):
        return None
    return alteration(Form.INVERTED, pairs, len(turned), len(both), "say the contrary of what they said")
