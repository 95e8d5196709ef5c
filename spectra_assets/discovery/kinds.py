"""Which endpoints list the same kind of record: told by the records, not by names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from spectra_assets.covenant.paths import split_path
from spectra_assets.discovery.route import GENERIC, Route, entity_name, likely_key, plain_values, qualified, shape
from spectra_assets.discovery.scout import segments
from spectra_assets.names import without_collisions
from spectra_assets.stages.asking.addresses import ANY, form_of
from spectra_assets.stages.asking.answers import Record

_ALIKE = 0.6
"""Share of all keys that two lists of one kind have in common; of all values that one record has on both."""

_VERY_ALIKE = 0.8
_LOOKED_AT = 200
OWN_ADDRESS = ("url", "self", "href", "uri", "@id")
"""Fields with the address of the record itself."""

_WAYS_ON = frozenset(("links", "link", "next", "prev", "previous", "self", "first", "last", "etag", "context", "meta", "jsonapi"))
"""What single records have beside their own fields, in lower case and letters alone: no data."""


@dataclass
class Kind:
    """One kind of record and the endpoints that list it, best first."""

    routes: list[Route]
    hint: str | None = None
    """Name by the description."""
    name: str = ""
    notes: list[str] = field(default_factory=list)


def kinds_of(
    routes: Sequence[Route],
    hints: Mapping[str, str],
    fallback: str = "record",
    given: Mapping[str, str] = MappingProxyType({}),
) -> list[Kind]:
    """Group the endpoints that give records. `hints`: path → name that the description gives to its records; `given`: that a
    person gave.

    What the records show is stronger than a hint: one name with different records is two kinds, and the same records under
    two names are one. Sets the kind of an endpoint that gives one record of a list to `detail`.
    """
    _mark_details(routes)
    lists = sorted(
        (route for route in routes if route.kind in ("list", "object")),
        key=lambda route: (len(route.fills), len(route.parameters), route.kind == "object"),
    )
    found: list[Kind] = []
    for route in lists:
        if route.detail_of:
            found.append(Kind([route]))
            continue
        home = next((kind for kind in found if any(_same(route, other) is True for other in kind.routes)), None)
        if home is None:
            home = next((kind for kind in found if _may_join(route, kind, hints)), None)
        if home is None:
            found.append(Kind([route]))
            continue
        home.routes.append(route)
    _name(found, hints, fallback, given)
    return found


def _may_join(route: Route, kind: Kind, hints: Mapping[str, str]) -> bool:
    """Whether nothing speaks against it, and the description, or for an empty list the name, speaks for it."""
    if any(_same(route, other) is False for other in kind.routes):
        return False
    hinted = hints.get(route.path)
    if hinted is not None:
        return any(hints.get(other.path) == hinted for other in kind.routes)
    return not route.records and any(entity_name(route.path) == entity_name(other.path) for other in kind.routes)


def _same(one: Route, other: Route) -> bool | None:
    """Whether two endpoints give one kind of record; None if their records do not tell."""
    mine, theirs = one.records[:_LOOKED_AT], other.records[:_LOOKED_AT]
    if "?" in one.path or "?" in other.path:  # a person named two resources of one path
        return False
    if not mine or not theirs:
        return None
    if (one.kind == "object") != (other.kind == "object") and not one.fills and not other.fills:
        return False
    alike = _keys_in_common(mine, theirs)
    if alike < _ALIKE or _wraps_another(mine, theirs) or _wraps_another(theirs, mine):
        return False
    key = key_of(mine)
    if key is None or key != key_of(theirs):
        return None if alike >= _VERY_ALIKE else False
    left, right = _by_key(mine, key), _by_key(theirs, key)
    shared = left.keys() & right.keys()
    if shared:
        return _values_in_common([(left[name], right[name]) for name in sorted(shared)], key) >= _ALIKE
    # nobody listed here is listed there: of a list that was seen whole, it is another kind
    whole = [route for route in (one, other) if not route.fills and not _goes_on(route)]
    if whole:
        return False
    if alike >= _VERY_ALIKE and _lives_in(one, other):
        return True
    if one.fills and other.fills and [fill.of for fill in one.fills] != [fill.of for fill in other.fills]:
        return False
    return None if alike >= _VERY_ALIKE else False


def _wraps_another(mine: Sequence[Record], theirs: Sequence[Record]) -> bool:
    """Whether each record only puts objects side by side, one of which none of the others has: `{"subscription": {…},
    "customer": {…}}` is a subscription with its customer, `{"customer": {…}}` a customer."""
    held = [{name for name, value in record.items() if isinstance(value, dict)} for record in mine]
    if any(len(names) < len(record) for names, record in zip(held, mine, strict=True)):
        return False
    return bool(set[str].intersection(*held) - {name for record in theirs for name in record})


def _lives_in(one: Route, other: Route) -> bool:
    """Whether the records of two lists all tell an address of their own, and it lies in one of the two: what `/issues/7/comments`
    gives as `/comments/9` is in `/comments`."""
    records = [*one.records[:_LOOKED_AT], *other.records[:_LOOKED_AT]]
    for name in OWN_ADDRESS:
        found = [value for record in records if isinstance(value := record.get(name), str)]
        form = form_of(found) if len(found) == len(records) == len({*found}) else ()
        if not form or form[-1] != ANY:
            continue
        for route in (one, other):
            place = segments(shape(route.path))
            tail = form[1:-1][-len(place) :] if place else ()
            if len(tail) == len(place) > 0 and all(wanted in ("{}", part) for part, wanted in zip(tail, place, strict=True)):
                return True
    return False


def key_of(records: Sequence[Record]) -> str | None:
    """The field that most likely names the records: each has one, and no two the same."""
    rows = [plain_values(record, 2) for record in records]
    common = [path for path in (rows[0] if rows else {}) if all(path in row for row in rows)]
    unique = [path for path in common if len({row[path] for row in rows}) == len(rows)]
    named = [path for path in unique if likely_key(path)[0] < 13]
    return min(named or unique, key=lambda path: (likely_key(path), path), default=None)


def _mark_details(routes: Iterable[Route]) -> None:
    """One record of a list is no kind of its own: `/users/7` below `/users`, and `/me`, which is among the users."""
    lists = [route for route in routes if route.kind == "list"]
    known = {shape(route.path): route for route in lists}
    for route in routes:
        if route.kind != "object":
            continue
        places = (*_above(shape(route.path)), *([shape(route.one_of)] if route.one_of else []))
        above = next((known[place] for place in places if place in known), None)
        if above is not None and _lies_in_one_of(route, above):
            route.kind, route.reason = "detail", f"one record of GET {above.path}, which holds it whole"
            continue
        if above is not None and (not above.records or _gives_one_of(route, above)):
            more = tells_more(route.records, above.records)
            if more and route.fills:
                route.detail_of = above.path
                route.why = f"one record of GET {above.path}, with what the list leaves out: {', '.join(more)}"
                continue
            route.kind, route.reason = "detail", f"one record of GET {above.path}"
            continue
        keyed = [(other, key) for other in lists if (key := key_of(other.records))]
        shares = [_named_by_owner(route, other, key, known) if route.fills else 0.0 for other, key in keyed]
        if any(shares):
            nearest = keyed[shares.index(max(shares))][0]
            why = f"one record of GET {nearest.path}, which the records of GET {route.fills[-1].of} name"
            route.kind, route.reason = "detail", why
            continue
        for other, key in keyed:
            if not route.fills and _keys_in_common(route.records, other.records) >= _ALIKE:
                ids = _by_key(other.records, key)
                if all(plain_values(record, 2).get(key) in ids for record in route.records):
                    route.kind, route.reason = "detail", f"one record of GET {other.path}"
                    break


def _lies_in_one_of(route: Route, above: Route) -> bool:
    """Whether the records of the list hold such an object whole in a field, as the entries of a bundle their resource."""
    listed = above.records[:_LOOKED_AT]
    fields = {key for record in listed for key, value in record.items() if isinstance(value, dict)}
    held = ([record[key] for record in listed if isinstance(record.get(key), dict)] for key in sorted(fields))
    return bool(route.records) and any(_keys_in_common(route.records, inner) >= _VERY_ALIKE for inner in held)


def _above(place: str) -> tuple[str, ...]:
    """Where the list is whose record this place gives: `/users` of `/users/{}`, `/users.json` of `/users/{}.json`, or of
    `/users/{}` where the ending is part of what names the record."""
    if place.endswith("/{}.json"):
        return (place.removesuffix("/{}.json") + ".json",)
    return (place.removesuffix("/{}"), place.removesuffix("/{}") + ".json") if place.endswith("/{}") else ()


def _named_by_owner(route: Route, other: Route, key: str, lists: Mapping[str, Route]) -> float:
    """How alike an object is to the records of another list, 0 to 1, if its id stands in the record that it hangs on:
    `/posts/7/author`; 0 if it is none of them."""
    listed = {name for record in other.records for name in record}
    inside = {path for record in other.records for path in plain_values(record, 2)}
    owner = lists.get(shape(route.fills[-1].of))
    if owner is None or not listed:
        return 0.0
    for example, look in zip(route.examples, route.looks, strict=False):
        one = _inside(look.sight.value, listed) if isinstance(look.sight.value, dict) else {}
        asked = unquote(example[-1]) if example else ""
        name = plain_values(one, 2).get(key)
        paths = plain_values(one, 2).keys()
        if name is None or len(paths & inside) < _ALIKE * len(paths | inside):
            continue
        rows = (plain_values(record, 5) for record in owner.records)
        if any(asked in row.values() and name in row.values() for row in rows):
            return len(paths & inside) / len(paths | inside)
        return 0.0
    return 0.0


NOTHING: tuple[Any, ...] = (None, "", [], {})
"""What a field holds that says nothing."""


def tells_more(one: Sequence[Record], listed: Sequence[Record]) -> list[str]:
    """The fields by which single records tell so much more than those of their list that they are worth a request each.

    They are if a list of further records is among them, or if the list shows less than half of the fields. What the list has
    empty in all its records is not shown there.
    """
    known = {key for record in listed for key, value in record.items() if value not in NOTHING}
    if not known or not one:
        return []
    told = [_inside(record, known) for record in one]
    fresh = dict.fromkeys(
        key
        for record in told
        for key, value in record.items()
        if key not in known and _letters(key) not in _WAYS_ON and value not in NOTHING
    )
    nested = any(_holds_records(record[key]) for record in told for key in fresh if key in record)
    shown = {key for record in told for key in record} & known
    return list(fresh)[:8] if nested or len(fresh) > max(len(shown), 1) else []


def _letters(key: str) -> str:
    return re.sub(r"[^a-z]", "", str(key).lower())


def _inside(record: Record, known: set[str]) -> Record:
    """The record, or the object in it that is one of the list (`{"data": {…}}`, `{"order": {…}}`)."""
    shared = record.keys() & known
    if len(shared) >= _ALIKE * len(known) or any(not isinstance(record[key], dict | list) for key in shared):
        return record
    inner = [below for below in record.values() if isinstance(below, dict)]
    return max(inner, key=lambda below: len(below.keys() & known), default=record) if inner else record


def _holds_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _gives_one_of(route: Route, above: Route) -> bool:
    """Whether an object has fields of the records of a list, or an object in it (`{"data": {…}}`) most of them."""
    if _keys_in_common(route.records, above.records) > 0:
        return True
    listed = {key for record in above.records for key in record}
    inner = [below for record in route.records for below in record.values() if isinstance(below, dict)]
    return any(len(listed & below.keys()) >= _ALIKE * len(listed) for below in inner)


def _hint(kind: Kind, hints: Mapping[str, str]) -> str | None:
    """The name that the description gives to most of its endpoints; of equal ones that of the path all of them begin with."""
    told = Counter(hints[route.path] for route in kind.routes if route.path in hints)
    if not told:
        return None
    most = [name for name, count in told.items() if count == max(told.values())]
    first = {segments(route.path)[0] for route in kind.routes if segments(route.path)}
    shared = entity_name(f"/{first.pop()}", "") if len(first) == 1 else ""
    return next((name for name in most if name.lower() == shared.lower()), most[0])


def _name(kinds: Sequence[Kind], hints: Mapping[str, str], fallback: str, given: Mapping[str, str]) -> None:
    """A name for each: by the description if it has one for it alone, else by the path, told apart by what it hangs on."""
    for kind in kinds:
        kind.hint = _hint(kind, hints)
    for kind in kinds:
        rivals = [other for other in kinds if other.hint == kind.hint]
        first = max(rivals, key=lambda other: sum(hints.get(route.path) == kind.hint for route in other.routes))
        kind.name = kind.hint if kind.hint and first is kind else _called(_telling(kind.routes), fallback)
    listed = {route.path: kind.name for kind in kinds for route in kind.routes}
    for kind in kinds:
        if kind.routes[0].detail_of in listed:
            kind.name = f"{listed[kind.routes[0].detail_of]}Detail"
        kind.name = next((given[route.path] for route in kind.routes if route.path in given), kind.name)
    names = [kind.name.lower() for kind in kinds]
    for kind in kinds:
        if names.count(kind.name.lower()) > 1:
            wanted = kind.name if kind.routes[0].path in given else qualified(_telling(kind.routes).path, fallback)
            kind.notes.append(f"{kind.name!r} names several kinds of records")
            kind.name = wanted
    for kind, name in zip(kinds, without_collisions(kind.name for kind in kinds), strict=True):
        kind.name = name


def _called(route: Route, fallback: str) -> str:
    """The name by the path; of `/search`, which says nothing of what it lists, by the name that its records have there."""
    keys = split_path(route.location or "")
    telling = keys[-1] if keys and segments(route.path) and all(part.lower() in GENERIC for part in segments(route.path)) else ""
    if not re.fullmatch(r"[A-Za-z]\w{1,60}", telling) or telling.lower() in GENERIC:
        return entity_name(route.path, fallback)
    return entity_name(f"/{telling}", fallback)


def _telling(routes: Sequence[Route]) -> Route:
    """The route whose path tells what the records are: `/repositories/{workspace}`, not `/repositories/acme` of one."""
    return next((one for one in routes if not any(_is_one_of(one.path, other.path) for other in routes)), routes[0])


def _is_one_of(path: str, template: str) -> bool:
    """Whether a path is a template with some of its parameters filled."""
    parts, wanted = segments(path), segments(template)
    pairs = list(zip(parts, wanted, strict=True)) if len(parts) == len(wanted) else []
    return path != template and bool(pairs) and all(part == like or ("{" in like and "{" not in part) for part, like in pairs)


def _keys_in_common(mine: Sequence[Record], theirs: Sequence[Record]) -> float:
    left = {key for record in mine for key in record}
    right = {key for record in theirs for key in record}
    return len(left & right) / len(left | right) if left | right else 0.0


def _by_key(records: Iterable[Record], key: str) -> dict[str, Record]:
    return {value: record for record in records if (value := plain_values(record, 2).get(key)) is not None}


def _values_in_common(pairs: Sequence[tuple[Record, Record]], key: str) -> float:
    """Share of the plain fields that both have which hold the same; the key itself left out."""
    alike: list[bool] = []
    for left, right in pairs:
        both: list[tuple[Any, Any]] = [(left[name], right[name]) for name in left.keys() & right.keys() if name != key]
        alike += [a == b for a, b in both if not isinstance(a, dict | list)]
    return sum(alike) / len(alike) if alike else 1.0


def _goes_on(route: Route) -> bool:
    """Whether the list has, or may have, more than was seen of it."""
    look = next((look for look in route.looks if look.records), None)
    if look is None:
        return False
    total = look.sight.declared_total
    return bool(look.next) or look.query != () or (total is not None and total > look.sight.rows) or look.sight.rows % 5 == 0
