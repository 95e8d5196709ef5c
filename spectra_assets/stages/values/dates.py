"""Text dates: how they look, which Spark pattern reads them, and whether day and month can be told apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

ISO = "iso8601"
"""Date format of texts in ISO 8601 which have not all the same parts: with and without zone, fractions of 1 to 9 digits. Of days
with a zone too, as XML Schema writes them (`2019-04-12-08:00`): they are the day that is written."""

ODATA = "odata"
"""Date format of `/Date(1735689600000)/`."""

EPOCH_SECONDS, EPOCH_MICROS, EPOCH_NANOS = "epoch_seconds", "epoch_micros", "epoch_nanos"
"""Date formats of numbers since 1970. Milliseconds need none."""

EPOCH_MILLIS = "epoch_millis"
"""How milliseconds are called beside other formats."""

EPOCH_MS = (10**11, 5 * 10**12)
"""Integers in here may be epoch milliseconds: from 1973 to 2128. The other units have the same years."""

PER_SECOND = {EPOCH_SECONDS: 1, None: 10**3, EPOCH_MICROS: 10**6, EPOCH_NANOS: 10**9, EPOCH_MILLIS: 10**3}
"""Date format of numbers → how many of them make a second."""

_NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"
)  # fmt: skip
_MONTHS = {name[:3]: number for number, name in enumerate(_NAMES, 1)}
_MONTH = f"(?P<month>(?:{'|'.join((*_NAMES, *_MONTHS))})(?![a-z]))"
"""Written out, or its first three letters: Spark reads no others."""
_WEEKDAY = r"(?P<weekday>(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?P<comma>,?) )"
_CLOCK = (
    r"(?P<join>, | |T)(?P<hour>[0-9]{1,2}):[0-9]{2}(?P<second>:[0-9]{2}(?P<fraction>\.[0-9]{1,9})?)?"
    r"(?P<noon>(?P<gap> ?)[AaPp][Mm])?"
)
_ZONE = r"(?: (?P<zone>GMT|UTC|[+-][0-9]{4}))?"

_ISO = re.compile(
    r"(?P<y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"
    r"(?:(?P<join>[T ])[0-9]{2}:[0-9]{2}(?P<second>:[0-9]{2}(?P<fraction>[.,][0-9]{1,9})?)?"
    r"(?P<zone> ?(?:Z|[+-][0-9]{2}(?:(?P<colon>:?)[0-9]{2})?))?|(?P<zoned>Z|[+-][0-9]{2}:[0-9]{2}))?",
    re.IGNORECASE,
)
_NUMERIC = re.compile(rf"(?P<a>[0-9]{{1,2}})(?P<sep>[/.-])(?P<b>[0-9]{{1,2}})(?P=sep)(?P<y>[0-9]{{4}})(?:{_CLOCK})?")
_NAMED = re.compile(
    rf"{_WEEKDAY}?(?P<d>[0-9]{{1,2}})(?P<sep>[ -]){_MONTH}(?P=sep)(?P<y>[0-9]{{4}})(?:{_CLOCK}{_ZONE})?", re.IGNORECASE
)
_AMERICAN = re.compile(rf"{_WEEKDAY}?{_MONTH} (?P<d>[0-9]{{1,2}}), (?P<y>[0-9]{{4}})(?:{_CLOCK}{_ZONE})?", re.IGNORECASE)
_CTIME = re.compile(rf"{_WEEKDAY}{_MONTH} (?P<d>[0-9]{{1,2}}){_CLOCK}{_ZONE} (?P<y>[0-9]{{4}})", re.IGNORECASE)
_SLASHED = re.compile(r"(?P<y>[0-9]{4})/(?P<m>[0-9]{2})/(?P<d>[0-9]{2})")
_COMPACT = re.compile(r"(?P<y>(?:19|20)[0-9]{2})(?P<m>[0-9]{2})(?P<d>[0-9]{2})")
_ODATA = re.compile(r"/Date\((?P<ms>-?[0-9]{1,15})(?:[+-][0-9]{4})?\)/")

_ISO_PATTERNS = {
    (None, False, None, None): "yyyy-MM-dd",
    (" ", True, None, None): "yyyy-MM-dd HH:mm:ss",
    ("T", True, None, None): "yyyy-MM-dd'T'HH:mm:ss",
    ("T", True, None, ":"): "yyyy-MM-dd'T'HH:mm:ssXXX",
    ("T", True, 3, ":"): "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    ("T", True, 3, ""): "yyyy-MM-dd'T'HH:mm:ss.SSSxx",
}
"""(what joins day and time, seconds, digits of the fraction, zone) → Spark pattern, for texts that are all alike."""


@dataclass(frozen=True)
class _Look:
    """One text date. `pattern` holds `{first}` and `{second}` where day and month are numbers in unknown order."""

    pattern: str
    day: date | None = None
    """The day it shows (of an instant with zone: in UTC), if the order is known."""
    year: int = 0
    first: int = 0
    second: int = 0
    padded: bool = True
    """Whether day and month (or day) have two digits each."""
    hour_padded: bool = True
    timed: bool = False


@dataclass(frozen=True)
class Reading:
    """How texts are read: `share` of them by `pattern` (a Spark pattern, ISO or ODATA). `timed`: they tell the time of day."""

    pattern: str
    share: float
    timed: bool
    ambiguous: bool = False
    """Both orders of day and month read all of them; the pattern has the order of the separator's usual country."""


def reading(values: Sequence[str], tolerance: float = 1.0) -> Reading | None:
    """How at least `tolerance` of the texts are read as dates; None if there is no such way, or no text."""
    if not values:
        return None
    total = len(values)
    spare = total - tolerance * total
    counts: Counter[_Look] = Counter()
    for value, count in Counter(values).items():
        look = _look(value)
        if look is not None:
            counts[look] += count
        elif (spare := spare - count) < 0:
            return None
    looks = list(counts.items())
    families = Counter[str]()
    for look, count in looks:
        families[_family(look)] += count
    family, seen = families.most_common(1)[0]
    if seen < tolerance * total:
        return None
    mine = [(look, count) for look, count in looks if _family(look) == family]
    timed = any(look.timed for look, _ in mine)
    if family == ISO:
        patterns = {look.pattern for look, _ in mine}
        read = sum(count for look, count in mine if look.day)
        pattern = patterns.pop() if len(patterns) == 1 else ISO
        return Reading(pattern, read / total, timed) if read >= tolerance * total else None
    pattern = _unpadded(family, mine)
    if "{first}" not in pattern:
        written = "MMMM" in pattern
        read = sum(count for look, count in mine if look.day and (_is_may(look) or ("MMMM" in look.pattern) == written))
        return Reading(pattern, read / total, timed) if read >= tolerance * total else None
    fits = {first: sum(count for look, count in mine if _day(look, first)) for first in ("d", "M")}
    first = max(_usual(pattern), key=lambda order: fits[order])
    if fits[first] < tolerance * total:
        return None
    return Reading(_ordered(pattern, first), fits[first] / total, timed, fits["d"] == fits["M"])


def as_date(text: object, pattern: str | None) -> date | None:
    """The day that a text shows if it is read by `pattern`; None if it shows none."""
    look = _look(text) if isinstance(text, str) and pattern else None
    if look is None or pattern is None:
        return None
    return look.day or _day(look, day_first(pattern) or "M")


def day_first(pattern: str | None) -> str | None:
    """`d` or `M`, whichever comes first of the numbers in a pattern whose order could be another one; else None."""
    found = re.match(r"(d|M)\1?[/.-](?!\1)(?:d|M){1,2}[/.-]yyyy", pattern or "")
    return found[1] if found else None


def turned(pattern: str) -> str:
    """The pattern with day and month in the other order."""
    return re.sub(r"^([dM]{1,2})([/.-])([dM]{1,2})", r"\3\2\1", pattern)


def unit_of(values: Sequence[float]) -> tuple[str | None] | None:
    """(date format,) of numbers that may all be moments since 1970, in years from 1973 to 2128; None if they are not."""
    low, high = min(values), max(values)
    for unit, count in PER_SECOND.items():
        if EPOCH_MS[0] * count <= low * 1000 and high * 1000 <= EPOCH_MS[1] * count:
            return (unit,)
    return None


def utc_day(number: object, unit: str | None = None) -> date | None:
    """The UTC day of a number since 1970; None if it is none."""
    plain = isinstance(number, int | float) and not isinstance(number, bool)
    if not plain or unit not in PER_SECOND or unit_of([number]) != (unit,):  # type: ignore[list-item]
        return None
    return datetime.fromtimestamp(number / PER_SECOND[unit], UTC).date()  # type: ignore[operator]


def _look(text: str) -> _Look | None:
    if not 8 <= len(text) <= 48:
        return None
    if found := _ISO.fullmatch(text):
        return _iso(text, found)
    if found := _NUMERIC.fullmatch(text):
        a, b = found["a"], found["b"]
        pattern = f"{{first}}{found['sep']}{{second}}{found['sep']}yyyy{_clock(found)}"
        return _Look(
            pattern, None, int(found["y"]), int(a), int(b), len(a) == len(b) == 2, _hour_padded(found), bool(found["join"])
        )
    for form, pattern in ((_NAMED, "{weekday}{d}{sep}{month}{sep}yyyy"), (_AMERICAN, "{weekday}{month} {d}, yyyy")):
        if found := form.fullmatch(text):
            return _named(found, pattern)
    if found := _CTIME.fullmatch(text):
        return _named(found, "{weekday}{month} {d}", year_last=True)
    if found := _SLASHED.fullmatch(text):
        return _Look("yyyy/MM/dd", _real(found["y"], found["m"], found["d"]))
    if found := _COMPACT.fullmatch(text):
        return _Look("yyyyMMdd", _real(found["y"], found["m"], found["d"]))
    if found := _ODATA.fullmatch(text):
        return _Look(ODATA, utc_day(int(found["ms"])), timed=True)
    return None


def _iso(text: str, found: re.Match[str]) -> _Look:
    zone = None if not found["zone"] else ":" if found["zone"].upper() == "Z" else (found["colon"] or "")
    if found["zone"] and (found["zone"][0] == " " or len(found["zone"]) == 3 or (zone == "" and found["zone"].upper() == "Z")):
        zone = "other"
    digits = len(found["fraction"]) - 1 if found["fraction"] else None
    if found["fraction"] and found["fraction"][0] == ",":
        digits = -1
    join = found["join"] and ("T" if found["join"] == "T" else " " if found["join"] == " " else "t")
    known = ISO if found["zoned"] else _ISO_PATTERNS.get((join, bool(found["second"]), digits, zone), ISO)
    day = _real(found["y"], found["m"], found["d"])
    if day and found["join"]:
        try:
            moment = datetime.fromisoformat(re.sub(r"[.,][0-9]+", "", text.upper()).replace(" +", "+").replace(" -", "-"))
        except ValueError:
            return _Look(known, None, timed=True)
        day = (moment.astimezone(UTC) if moment.tzinfo and day.year < 9999 and day.year > 1 else moment).date()
    return _Look(known, day, timed=bool(found["join"]))


def _named(found: re.Match[str], pattern: str, year_last: bool = False) -> _Look | None:
    month = _MONTHS.get(found["month"][:3].lower())
    day = _real(found["y"], str(month), found["d"])
    written = "MMM" if len(found["month"]) == 3 else "MMMM"
    weekday = f"EEE{found['comma']} " if found["weekday"] else ""
    separator = found.groupdict().get("sep") or ""
    text = pattern.replace("{weekday}", weekday).replace("{month}", written).replace("{d}", "d").replace("{sep}", separator)
    zone = found["zone"] if found["join"] else None
    text += _clock(found) + (" z" if zone and zone.isalpha() else " xx" if zone else "") + (" yyyy" if year_last else "")
    return _Look(text, day, hour_padded=_hour_padded(found), timed=bool(found["join"]))


def _clock(found: re.Match[str]) -> str:
    if not found["join"]:
        return ""
    join = "'T'" if found["join"] == "T" else found["join"]
    digits = len(found["fraction"]) - 1 if found["fraction"] else 0
    seconds = ":ss" if found["second"] else ""
    noon = f"{found['gap']}a" if found["noon"] else ""
    return f"{join}{'hh' if noon else 'HH'}:mm{seconds}{'.' + 'S' * digits if digits else ''}{noon}"


def _hour_padded(found: re.Match[str]) -> bool:
    return not found["join"] or len(found["hour"]) == 2


def _family(look: _Look) -> str:
    """What texts must share to be read by one pattern."""
    if look.pattern == ISO or look.pattern in _ISO_PATTERNS.values():
        return ISO
    return look.pattern.replace("MMMM", "MMM")


def _unpadded(family: str, looks: Sequence[tuple[_Look, int]]) -> str:
    """One pattern for all texts of a family: single letters where one of them has a single digit."""
    if "MMM" in family and all("MMMM" in look.pattern or _is_may(look) for look, _ in looks):
        family = family.replace("MMM", "MMMM") if any("MMMM" in look.pattern for look, _ in looks) else family
    if not all(look.padded for look, _ in looks):
        family = family.replace("{first}", "{first}1").replace("{second}", "{second}1")
    if not all(look.hour_padded for look, _ in looks):
        family = family.replace("HH", "H").replace("hh", "h")
    return family


def _is_may(look: _Look) -> bool:
    return look.day is not None and look.day.month == 5


def _ordered(pattern: str, first: str) -> str:
    second = "M" if first == "d" else "d"
    for name, letter in (("{first}", first), ("{second}", second)):
        pattern = pattern.replace(f"{name}1", letter).replace(name, 2 * letter)
    return pattern


def _usual(pattern: str) -> tuple[str, str]:
    """The orders, the more usual one first: 03/25/2025, but 25.03.2025 and 25-03-2025."""
    return ("M", "d") if "{first}/" in pattern or "{first}1/" in pattern else ("d", "M")


def _day(look: _Look, first: str) -> date | None:
    if not look.year:
        return None
    day, month = (look.first, look.second) if first == "d" else (look.second, look.first)
    return _real(str(look.year), str(month), str(day))


def _real(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
