"""Changes of numbers, moments and dates: units, signs, decimals, zones."""

from __future__ import annotations

import math
from collections import Counter
from operator import itemgetter
from statistics import median
from typing import Any

from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.traits import CHANGED
from spectra_assets.gates.altered.pairs import DIFFERENT, KNOWN, MOST, Alteration, Form, Pairs, alteration, different
from spectra_assets.names import words

_FACTOR = 1.15
"""Numbers that all rise or fall by less may be dearer, or cheaper."""

_NEAR, _CENT = 1e-6, 0.0051

_QUARTER, _FARTHEST, _MINUTE, _HOUR, _DAY = 900, 14 * 3600, 60, 3600, 86_400

_TENS = [10.0**power for power in range(-9, 10) if power]
_UNITS = (*_TENS, *(-each for each in _TENS), 60.0, 1 / 60, 3600.0, 1 / 3600, 1024.0, 1 / 1024)
"""How many of one unit are one of another. (Shares and prices rise otherwise.)"""

_SINCE_1970 = tuple(10.0**power for power in (3, 6, 9, -3, -6, -9))
"""How many seconds, milliseconds, microseconds or nanoseconds are one of another unit."""

_SEASONS = 3
"""Two zones are apart by as many hours all year, or by one or two more while only one of them has its summer time."""


def scaled(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """All numbers are the same number of times what they were."""
    nonzero = [(was, now) for was, now in both if was]
    if len(nonzero) < KNOWN or pairs.column.references is not None:
        return None
    if (part := _in_part(pairs, nonzero)) is not None:
        return part
    factor = median(now / was for was, now in nonzero)
    if not factor or (factor > 0 and abs(math.log(factor)) < math.log(_FACTOR)):
        return None
    tenth = math.log10(abs(factor))
    exact = 10.0 ** round(tenth) * (1 if factor > 0 else -1)
    factor = exact if abs(factor / exact - 1) <= _NEAR else factor
    blur = 0.0 if factor == exact else _CENT if pairs.column.type != DataType.INT64 else 0.51
    alike = [was for was, now in nonzero if abs(now - was * factor) <= max(_NEAR * abs(was * factor), blur)]
    if len(alike) < MOST * len(nonzero) or len(set(alike)) < DIFFERENT or 2 * blur >= median(abs(was) for was in alike):
        return None
    return alteration(Form.SCALED, pairs, len(alike), len(nonzero), f"are {factor:.5g} times what they were")


_PART = 0.25
"""Of so many of the numbers: fewer were put right, or were wrong before."""


def _in_part(pairs: Pairs, nonzero: list[tuple[Any, Any]]) -> Alteration | None:
    """Numbers that became as many times what they were as a unit is of another one, while the others stayed as they were."""
    became = [(was, _unit(now / was)) for was, now in nonzero if now != was]
    unit, count = max(Counter(unit for _, unit in became if unit is not None).items(), key=itemgetter(1), default=(None, 0))
    if unit is None or count < max(KNOWN, _PART * len(nonzero), MOST * len(became)):
        return None
    if len({was for was, each in became if each == unit}) < DIFFERENT:
        return None
    return alteration(Form.SCALED, pairs, count, len(nonzero), f"are {unit:.5g} times what they were")


def _unit(factor: float) -> float | None:
    """The unit of which the other one is `factor`, if there is one."""
    return next((each for each in _UNITS if abs(factor / each - 1) <= _NEAR), None)


def rescaled(pairs: Pairs, _: list[tuple[Any, Any]]) -> Alteration | None:
    """Moments are so many times as far from 1970 as they were: the numbers they are read from are in another unit. Those near the
    readings tell it as well."""
    known = [(was, now) for was, now in zip(pairs.was, pairs.now, strict=True) if was is not None and now is not None]
    changed = [(was, now) for was, now in known if was != now]
    if pairs.column.type != DataType.TIMESTAMP or len(changed) < KNOWN:
        return None
    for factor in _SINCE_1970:
        alike = [was for was, now in changed if abs(now - was * factor) <= 1]  # a fraction of a second may be lost
        if len(alike) >= max(MOST * len(changed), _PART * len(known)) and len(set(alike)) >= DIFFERENT:
            return alteration(Form.RESCALED, pairs, len(alike), len(known), f"are {factor:g} times as far from 1970 as they were")
    return None


def rounded(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """Numbers have fewer digits than they had: no decimals, whole hundreds, or as many of them as there are digits that count."""
    if sum(was != now for was, now in both) < KNOWN:
        return None
    steps = [(f"are rounded to {step:g}" if step != 1 else "lost their decimals", [step] * len(both)) for step in _STEPS]
    steps += [(f"are rounded to {count} digits", [_last(was, count) for was, _ in both]) for count in _DIGITS]
    for told, each in steps:
        rows = [(was, now, step) for (was, now), step in zip(both, each, strict=True) if step <= 1 or abs(was) >= step]
        finer = [(was, now, step) for was, now, step in rows if not _is_whole(was / step)]
        alike = [was for was, now, step in finer if _is_whole(now / step) and abs(now - was) < step]
        if len(finer) >= KNOWN and len(alike) >= MOST * len(finer) and len(set(alike)) >= DIFFERENT:
            return alteration(Form.ROUNDED, pairs, len(alike), len(finer), told)
    return None


_STEPS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
_DIGITS = (3, 2)
"""To what numbers are rounded: to so much, or to so many digits from the first one that counts."""


def _last(number: float, count: int) -> float:
    """What the last of so many digits of a number counts."""
    return float(10.0 ** (math.floor(math.log10(abs(number))) - count + 1)) if number else 1.0


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) <= _NEAR * max(1.0, abs(number)) if math.isfinite(number) else False


def moved(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """Nearly all moments moved by as many hours, summer times aside."""
    moved = [(was, round((now - was) / _QUARTER) * _QUARTER, now - was) for was, now in both]
    moved = [each for each in moved if 0 < abs(each[1]) <= _FARTHEST and abs(each[2] - each[1]) < _MINUTE]
    counts = Counter(by for _, by, _ in moved)
    alike = max((sum(counts[by + hours * _HOUR] for hours in range(_SEASONS)) for by in counts), default=0)
    if alike < MOST * len(both) or len({was for was, *_ in moved}) < DIFFERENT:
        return None
    return alteration(Form.MOVED, pairs, alike, len(both), "moved by hours")


def reverted(pairs: Pairs, _: list[tuple[Any, Any]]) -> Alteration | None:
    """Some times of change went back, and hardly any forth: what is read is a former copy of the source, in which most records
    are as they were. Those near the readings tell it as well."""
    if pairs.column.type != DataType.TIMESTAMP or not CHANGED & {word.lower() for word in words(pairs.column.name)}:
        return None
    known = [now - was for was, now in zip(pairs.was, pairs.now, strict=True) if was is not None and now is not None]
    back, forth = sum(by < -_MINUTE for by in known), sum(by > _MINUTE for by in known)
    if back < _SOME or back < MOST * (back + forth) or back >= MOST * len(known):
        return None
    return alteration(Form.REVERTED, pairs, back, len(known), "went back: they are those of a former copy")


_SOME = 10
"""Moments that must have gone back."""


def untimed(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """Moments lost their time of day, or what is less than an hour or a minute of it."""
    for part, most, told in _PARTS:
        timed = [(was, now) for was, now in both if was % part]
        bare = [was for was, now in timed if not now % part and abs(was - now) < most]
        if len(timed) >= KNOWN and len(bare) >= MOST * len(timed) and len(set(bare)) >= DIFFERENT:
            return alteration(Form.CUT, pairs, len(bare), len(timed), told)
    return None


_PARTS = (
    (_DAY, 2 * _DAY, "lost their time of day"),
    (_HOUR, _HOUR, "lost their minutes"),
    (_MINUTE, _MINUTE, "lost their seconds"),
)
"""What a moment may lose: seconds of which it is whole then, those by which it may have moved, and what it lost."""


def another_day(pairs: Pairs, both: list[tuple[Any, Any]]) -> Alteration | None:
    """Dates are a day off, as those of another zone are."""
    counts = Counter(now - was for was, now in both if abs(now - was) == 1)
    by, count = counts.most_common(1)[0] if counts else (0, 0)
    if count < MOST * len(both) or different(both) < DIFFERENT:
        return None
    return alteration(Form.MOVED, pairs, count, len(both), f"are a day {'later' if by > 0 else 'earlier'}")
