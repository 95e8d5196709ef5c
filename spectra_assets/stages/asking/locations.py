"""Where the records are in decoded answers, decided by evidence from one answer or, better, from several of one endpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from spectra_assets.client.pair import opened
from spectra_assets.client.totals import page_of
from spectra_assets.covenant.paths import ITSELF, join_path, one_record, only_entry, split_path, way_to
from spectra_assets.names import vocabulary

Record = dict[str, Any]

LINES = "@lines"
"""Location of records that come as one JSON text per line; such an answer is decoded as the list of its lines."""

MAP = "{}"
"""Ends the location of a map whose values are the records."""

MAP_KEY = "_mapKey"
"""Field of a map's record that holds its key."""

_DEPTH = 6
_BREADTH = 300
"""Levels, and keys of one object, that are looked through."""

_LONGEST = 40
"""Characters of a name that may still be one of an envelope's."""

_LOOKED_AT = 50
"""Entries of a list that are looked at."""


_GENERIC = vocabulary(
    """
    data items results result records rows value values entries list content contents objects hits features documents docs
    edges nodes resources resource elements collection payload response body page embedded searchresults members entity
    entities output dataset array set reply
    """
)
"""Names that say no more than: here is what was asked for."""

_BESIDE = vocabulary(
    """
    errors error warnings messages message links link included includes facets aggregations aggs columns fields schema
    filters filter sort sorts orderby breadcrumbs expand expands tags debug info notices notifications suggestions actions
    permissions related relationships headers queries query params parameters diagnostics lookups legend
    """
)
"""Names of lists that stand beside the records."""

_AROUND = re.compile(
    r"""(total|count|size|length|num|number|page|pages|per|perpage|limit|offset|skip|skipped|take|start|startat|startindex|max|maxresults
    |next|prev|previous|first|last|current|self|cursor|cursors|token|continuation|more|hasmore|hasnext|islast|isfirst|truncated|istruncated
    |incomplete|has|paging|pagination|pager|pageinfo|meta|metadata|status|success|ok|code|message|msg|error|errors|warnings|took|timedout
    |kind|etag|context|type|object|url|href|links|link|request|requestid|requests|id|version|apiversion|api|time|timestamp|elapsed|duration
    |generated|generatedat|copyright|license|attribution|jsonapi|query|queries|filter|filters|sort|order|embedded|included|shards
    |scroll|score|maxscore|found|matches|matched|results|resultsize|expand|partial|empty|pageable|facets|aggregations|crs|bbox|language|locale
    |batch|cache|server|date|now|ts|responseheader|header|nexttoken|at|of|in|ms|body|response|data|found|hits|complete|done|rate|remaining|title|name
    |description|disclaimer|generator|source|uri|top|index|result|items|rows|returned|unfiltered|filtered|all|records|elements|entries)+""",
    re.VERBOSE,
)
"""Names of what stands around a list: counts, pages, links, how the request went. (Words run together.)"""

_OWN_NAMES = frozenset(("name", "title", "description", "date", "source", "version", "type", "kind", "object", "language", "url"))
"""Around a list, and in records as well: they do not tell an envelope from a record."""

_PAGE_WORDS = re.compile(
    r"(total|count|numfound|numbermatched|numberreturned|cursor|continuation|nextpage|nexttoken|hasmore|hasnext|islast|perpage|pagesize|maxresults|startat|"
    r"offset|limit|pagination|paging|pageinfo|previous|prev$|^next|^page|skip|context|deltalink|recordsfiltered|istruncated)"
)
"""Names that only a list of pages has around it."""

_GOES_ON = re.compile(r"next|prev|page|offset|cursor|skip|limit|token|continuation|more$|startat")
"""Names of how a list goes on, beside those of how long it is."""

_NEIGHBOURS = vocabulary(
    "next previous prev nextpage nextpagetoken nextcursor nextlink nexturl previouspage paging pagination pageinfo"
)
"""What only pages of a list have."""

_ASKS = vocabulary("search list find query browse all lookup")
"""Last words of a path that say how records are asked for, not what they are."""

_NUMBERED = "as long as the numbers of a page beside it say"

_STANDARDS = (({"resourceType": "Bundle"}, "entry"), ({"type": "FeatureCollection"}, "features"))
"""What envelopes of published standards (FHIR, GeoJSON) say of themselves, and where their records are."""

_DOCUMENT = vocabulary("links link meta metadata jsonapi included errors warnings messages context debug")
"""Names of objects and lists that stand around one record."""

_OWN_ID = ("id", "_id", "uuid", "guid", "key", "uid", "sku", "slug")
_IDENTITY = re.compile(r"[_@]?(id|uuid|guid|key|uid|gid|pk|sys_id|slug|sku|code)|.*[a-z0-9](Id|ID|Uuid|Guid)|\w+_(id|uuid|key)")
_ID_LIKE = re.compile(r"\d+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{9,}|[0-9a-fA-F]{12,}|(?=.*\d)[\w.:@+-]{2,}|[^@\s]+@[^@\s]+", re.ASCII)


@dataclass(frozen=True)
class Location:
    """Where the records are, as covenant Fetch.records says; None if there are none. `confidence` is from 0 to 1."""

    path: str | None
    evidence: str
    confidence: float


@dataclass
class _Place:
    """A list or map that may hold the records: what it held in each answer, and what stands around it."""

    keys: tuple[str, ...]
    mapped: bool
    holds: list[list[Any]] = field(default_factory=list)
    score: float = 0.0
    reasons: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return join_path(list(self.keys)) + (MAP if self.mapped else "")

    @property
    def rows(self) -> int:
        return sum(map(len, self.holds))

    def add(self, score: float, reason: str) -> None:
        self.score += score
        self.reasons.append(reason)


def location_of(values: Sequence[Any], noun: str = "", size: int | None = None) -> Location:
    """Where the records are in the decoded answers of one endpoint: several pages, or the answers for several parents.

    `noun` is what the endpoint's path calls its records, `size` the rows asked for. Several answers tell more than one: the
    records change from page to page, what stands beside them stays.
    """
    values = [opened(value) for value in values]
    if values and all(isinstance(value, list) for value in values):
        return _of_lists(values)
    answers = [value for value in values if isinstance(value, dict) and value]
    if not answers:
        return Location(None, "no answer holds anything", 0.5)
    standard = next((path for sign, path in _STANDARDS if all(sign.items() <= answer.items() for answer in answers)), None)
    if standard is not None:
        return Location(standard, "an envelope that a standard describes", 1.0)
    places = _places(answers)
    for place in places:
        _weigh(place, answers, _plain(noun), size)
    ranked = sorted(places, key=lambda place: (-place.score, len(place.keys), place.path))
    for place in ranked:
        why, sure = _enveloped(place, ranked, answers)
        if why:
            return Location(place.path, "; ".join([why, *place.reasons])[:300], sure)
    way = _wrapped(answers, _plain(noun))
    if way:
        return Location(f"{ITSELF}.{join_path(way)}", "one object in an envelope", 0.8)
    return Location(ITSELF, _single(answers), 0.9 if not places or _own_id(answers, 0) else 0.6)


def holds_nothing(value: Any) -> bool:
    """Whether an answer is an envelope around no record: `{"data": null}`."""
    if not isinstance(value, dict):
        return False
    if any(sign.items() <= value.items() and path not in value for sign, path in _STANDARDS):
        return True
    held = [key for key, below in value.items() if below is None and _plain(key) in _GENERIC]
    return bool(held) and all(key in held or _stands_around(_plain(key)) for key in value)


def is_page(value: Any) -> bool:
    """Whether an answer is beyond doubt a page of a list, whatever is said of it: it says which one is next or before."""
    if not isinstance(value, dict) or one_record(location_of([value]).path):
        return False
    return any(_plain(key) in _NEIGHBOURS or _tells_pages(below) for key, below in value.items())


def records_at(value: Any, location: str) -> list[Record] | None:
    """The records at a location of a decoded answer; None if it has no such place.

    Those of a map have their key in front, and what is no object becomes `{"value": …}`, as in an extraction.
    """
    if one_record(location):
        one = _below(value, way_to(location))
        if only_entry(location):
            one = one[0] if isinstance(one, list) and len(one) == 1 else None
        return [one] if isinstance(one, dict) and one else None
    if location in ("", LINES):
        return _objects(value) if isinstance(value, list) else None
    mapped = location.endswith(MAP)
    below = _below(value, split_path(location.removesuffix(MAP)))
    if not mapped:
        return _objects(below) if isinstance(below, list) else None
    if not isinstance(below, dict):
        return None
    return [{MAP_KEY: key, **each} for key, each in zip(below, _objects(below.values()), strict=True)]


def _objects(entries: Iterable[Any]) -> list[Record]:
    return [entry if isinstance(entry, dict) else {"value": entry} for entry in entries]


def _of_lists(values: Sequence[list[Any]]) -> Location:
    entries = [entry for value in values for entry in value]
    if all(isinstance(entry, dict) for entry in entries):
        return Location("", f"{len(values)} answers are arrays of records", 1.0 if entries else 0.7)
    if all(not isinstance(entry, dict | list) for entry in entries):
        return Location("", f"{len(values)} answers are arrays of plain values", 0.8)
    return Location(None, "the answer is an array of lists, or of records and other things", 0.9)


def _places(answers: Sequence[Record]) -> list[_Place]:
    found: dict[tuple[tuple[str, ...], bool], _Place] = {}
    for answer in answers:
        for keys, below in _lists(answer, ()):
            mapped = isinstance(below, dict)
            entries = list(below.values()) if mapped else below
            kinds = {_kind(entry) for entry in entries[:_LOOKED_AT]}
            if len(kinds) < 2 and list not in kinds:
                found.setdefault((keys, mapped), _Place(keys, mapped)).holds.append(entries)
    return list(found.values())


def _kind(entry: Any) -> type:
    return dict if isinstance(entry, dict) else list if isinstance(entry, list) else str


def _lists(value: Record, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Arrays below an object, and maps of records, outermost first; what is inside of them is not looked at."""
    if _is_map(value, keys):
        yield keys, value
        return
    for key, below in list(value.items())[:_BREADTH]:
        if isinstance(below, list):
            yield (*keys, key), below
    for key, below in list(value.items())[:_BREADTH]:
        if isinstance(below, dict) and len(keys) < _DEPTH and _plain(key) not in ("links", "included"):
            yield from _lists(below, (*keys, key))


def _is_map(value: Record, keys: tuple[str, ...]) -> bool:
    """Whether the values of an object are records of one kind, and its keys are ids rather than names of fields."""
    entries = list(value.items())[:_LOOKED_AT]
    if not entries or not all(isinstance(each, dict) and each for _, each in entries):
        return False
    names = [name for name, _ in entries]
    if keys and _plain(keys[-1]) in _BESIDE:
        return False
    kinds = [set(each) for _, each in entries]
    common, union = set.intersection(*kinds), set.union(*kinds)
    links = bool(common & {"href", "url"}) and common <= {"href", "url", "method", "templated", "rel", "title"}
    alike = len(common) >= max(1, 0.5 * len(union)) and not links
    named = sum(_names_itself(name, each) for name, each in entries) >= 0.8 * len(entries)
    like_ids = sum(bool(_ID_LIKE.fullmatch(name)) for name in names) >= 0.8 * len(names)
    if named or like_ids:
        return alike or len(entries) == 1
    own = any(_plain(name) in _GENERIC | _BESIDE or _stands_around(_plain(name)) for name in names)
    return alike and len(entries) > 2 and len(common) > 1 and not own


def _names_itself(name: str, record: Record) -> bool:
    return any(isinstance(each, str | int) and not isinstance(each, bool) and str(each) == name for each in record.values())


def _weigh(place: _Place, answers: Sequence[Record], noun: str, size: int | None) -> None:
    name = _plain(place.keys[-1]) if place.keys else ""
    entries = [entry for held in place.holds for entry in held[:_LOOKED_AT]]
    place.score -= 0.5 * len(place.keys)
    if noun and any(_same_noun(_plain(key), noun) for key in place.keys):
        place.add(3, "named like the path")
    elif name in _GENERIC or (len(place.keys) > 1 and _plain(place.keys[-2]) == "embedded"):
        place.add(2, "named as lists of records are")
    if any(_plain(key) in _BESIDE for key in place.keys):
        place.add(-4, "named as what stands beside records")
    if entries and sum(bool(identity_of(entry)) for entry in entries) >= 0.9 * len(entries):
        place.add(3, "its entries have ids")
    around = [(_below(answer, place.keys[:-1]), _below(answer, place.keys)) for answer in answers if place.keys]
    if any(isinstance(held, list) and page_of(level, len(held)) is not None for level, held in around):
        place.add(4, _NUMBERED)
    if entries and not isinstance(entries[0], dict):
        place.add(-1, "its entries are plain values")
    if place.mapped:
        place.add(2, "a map whose values are alike")
    if entries:
        place.score += min(1.0, sum(len(entry) for entry in entries if isinstance(entry, dict)) / len(entries) / 20)
        place.score += min(1.0, place.rows / 100)
    else:
        place.score -= 1
    if size is not None and len(answers) > 1 and place.holds and all(len(held) == size for held in place.holds[:-1]):
        place.add(3, f"as long as the {size} rows asked for")
    if len(answers) > 1 and place.rows:
        texts = {msgspec.json.encode(held, order="sorted") for held in place.holds}
        if len(texts) > 1:
            place.add(4, f"changes over {len(answers)} answers")
        elif len({msgspec.json.encode(answer, order="sorted") for answer in answers}) > 1:
            place.add(-5, "stays the same while the answer changes")


def _enveloped(place: _Place, ranked: Sequence[_Place], answers: Sequence[Record]) -> tuple[str, float]:
    """Why the answer is an envelope around `place` rather than a record that has a list, and how sure that is; else empty."""
    strange: set[str] = set()
    paged = False
    for depth, step in enumerate(place.keys):
        above = [below for answer in answers if isinstance(below := _below(answer, place.keys[:depth]), dict)]
        if _own_id(above, depth):
            return "", 0.0
        names = {_plain(key) for level in above for key in level if key != step}
        of_pages = {_plain(key) for level in above for key, below in level.items() if key != step and _tells_pages(below)}
        paged = paged or bool(of_pages) or any(_PAGE_WORDS.search(name) for name in names)
        names -= of_pages
        lists = {_plain(other.keys[depth]) for other in ranked if other.keys[:depth] == place.keys[:depth] != other.keys}
        strange |= {name for name in names - lists if not _stands_around(name) or (not depth and name in _OWN_NAMES)}
    if not place.rows and "named as what stands beside records" in place.reasons and "named like the path" not in place.reasons:
        return "", 0.0
    changing = any(reason.startswith("changes over") for reason in place.reasons)
    if _NUMBERED in place.reasons and place is ranked[0]:
        return f"a page of {place.rows} rows by the numbers around it", 0.9
    named = any(reason.startswith("named") and "beside" not in reason for reason in place.reasons) and place.score > 0
    strange -= _OWN_NAMES | _BESIDE if named else set()
    if "its entries are plain values" in place.reasons and not (named and (paged or not strange)):
        return "", 0.0
    if place.mapped and (not place.keys or named or not strange):
        return f"a map of {place.rows} records", 0.9 if len(answers) > 1 or place.rows > 2 else 0.7
    if changing and (paged or named or not strange) and place is ranked[0]:
        return f"{place.rows} rows in {len(answers)} answers, a list which changes", 1.0
    if named and (paged or not strange):
        return f"a list of {place.rows} rows", 0.9 if place.rows else 0.7
    if paged and not strange and place is ranked[0]:
        return f"a list of {place.rows} rows with counts or links of pages around", 0.8
    if not strange and place is ranked[0] and place.score >= 1 + max((other.score for other in ranked[1:]), default=-9):
        return f"the likeliest list, of {place.rows} rows", 0.6
    if not strange and not any(other.rows for other in ranked if other is not place):
        return f"the only list, of {place.rows} rows", 0.7
    if len(place.keys) == 1 and len(ranked) == 1 and _only_plain_around(answers, place.keys[0]):
        own = {_plain(key) for answer in answers for key in answer} & {"name", "title", "login", "email", "username"}
        return ("", 0.0) if own else (f"the only list, of {place.rows} rows, beside plain values", 0.6)
    return "", 0.0


def _tells_pages(value: Any) -> bool:
    """Whether an object, however it is named, says nothing but how a list goes on: `{"count": 826, "pages": 42, "next": "…"}`."""
    names = [_plain(key) for key in value] if isinstance(value, dict) else []
    several = len(names) > 1 and any(map(_GOES_ON.search, names))
    return bool(names) and all(map(_stands_around, names)) and (several or names[0] in _NEIGHBOURS)


@lru_cache(4096)
def _stands_around(name: str) -> bool:
    return len(name) <= _LONGEST and _AROUND.fullmatch(name) is not None


def _only_plain_around(answers: Sequence[Record], key: str) -> bool:
    return all(not isinstance(below, dict | list) for answer in answers for name, below in answer.items() if name != key)


def _own_id(levels: Sequence[Mapping[str, Any]], depth: int) -> bool:
    """Whether the objects have an id of their own, so that they are records; one that stays while pages change is none."""
    for name in _OWN_ID if not depth else _OWN_ID[:3]:
        held = {str(level[name]) for level in levels if isinstance(level.get(name), str | int) and level[name] != ""}
        if held and (len(levels) == 1 or len(held) > 1):
            return True
    return False


def _wrapped(answers: Sequence[Record], noun: str) -> list[str]:
    """The keys that lead to the one record of each answer where all that stands around it is an envelope; none if nothing does.

    An envelope holds one object, named as the path or as no record is, or alone there with an id of its own.
    """
    levels, keys = list(answers), list[str]()
    while len(keys) < _DEPTH and not _own_id(levels, 0):
        held = [key for key in levels[0] if all(isinstance(level.get(key), dict) and level[key] for level in levels)]
        key = next((key for key in held if all(_surround(level, key) for level in levels)), None)
        if key is None:
            break
        below = [level[key] for level in levels]
        alone = all(len(level) == 1 for level in levels) and _own_id(below, 0)
        if not alone and _plain(key) not in _GENERIC and not _same_noun(_plain(key), noun):
            break
        levels, keys = below, [*keys, key]
    return keys


def _surround(level: Record, key: str) -> bool:
    """Whether an object says nothing of a record but in the field `key`."""
    beside = [(_plain(name), below) for name, below in level.items() if name != key]
    return all(
        name in _DOCUMENT if isinstance(below, dict | list) and below else _stands_around(name) and name not in _OWN_NAMES
        for name, below in beside
    )


def _single(answers: Sequence[Record]) -> str:
    return "an object with an id of its own" if _own_id(answers, 0) else "an object without a list of records"


def identity_of(record: Any) -> str:
    """Name of the field that looks like the record's id; empty if none does."""
    if not isinstance(record, dict):
        return ""
    plain = [key for key, below in record.items() if isinstance(below, str | int) and not isinstance(below, bool) and below != ""]
    exact = [name for name in ("id", "_id", "uuid", "guid", "key", "uid", MAP_KEY, "@id") if name in plain]
    return exact[0] if exact else next((key for key in plain if _IDENTITY.fullmatch(key)), "")


def noun_of(path: str) -> str:
    """What a path calls its records: its last segment that is neither a parameter nor an id, nor how they are asked for."""
    segments = [segment for segment in path.partition("?")[0].split("/") if segment and "{" not in segment]
    words = [segment for segment in segments if re.search(r"[A-Za-z]{2}", segment) and not re.search(r"\d{2}", segment)]
    nouns = [noun for noun in (word.partition(".")[0] for word in words) if _plain(noun) not in _ASKS]
    return nouns[-1] if nouns else ""


def _same_noun(name: str, noun: str) -> bool:
    return bool(name) and (_singular(name) == _singular(noun))


def _singular(word: str) -> str:
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + instead
    return word


def _plain(name: str) -> str:
    """A name in lower case, letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _below(value: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
