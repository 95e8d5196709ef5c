"""Which field tells an entity's records apart: its name proposes, its values decide, over all records or those of one parent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from spectra_assets.covenant.paths import HASH, escaped, split_path
from spectra_assets.intelligence.nouns import NO_ID
from spectra_assets.names import singular, words
from spectra_assets.stages.asking.answers import values_at
from spectra_assets.stages.asking.locations import Record
from spectra_assets.stages.values.shapes import digest

KEY_WORDS = (
    "id", "uuid", "guid", "key", "code", "slug", "number", "no", "num", "nr", "nummer", "numero", "codigo", "ref", "identifier",
    "iid", "gid", "uid", "pk", "oid", "login", "username", "handle", "symbol", "sku", "bic", "isin", "imo", "iata", "icao",
    "gtin", "serial", "imei", "mmsi", "plate", "matricule", "kennung", "kennzeichen", "name", "email", "path", "url", "href",
)  # fmt: skip
"""Words that fields which name a record are called by, likeliest first."""

OF_ALL = frozenset(("sysid", "systemid", "objectid", "recordid", "globalid", "internalid"))
"""What a system calls the id that it gives each record, of whatever kind: others refer to that one."""

_IDS = frozenset(("id", "uuid", "guid", "gid", "uid", "pk", "oid", "iid", "identifier", "mapkey")) | OF_ALL
_CODES = frozenset(
    ("key", "code", "slug", "number", "no", "num", "nr", "nummer", "numero", "codigo", "ref", "symbol", "handle", "login",
     "username", "sha", "isbn", "ean", "iban", "vin", "fingerprint", "bic", "isin", "imo", "iata", "icao", "gtin",
     "serial", "serialnumber", "imei", "mmsi", "plate", "matricule", "kennung", "kennzeichen")
)  # fmt: skip
COUNTERS = frozenset(("number", "no", "num", "line", "index", "position", "seq", "sequence", "rank", "iid"))
_NAMES = frozenset(("name", "fullname", "email", "path", "sku", "title"))
_ADDRESSES = frozenset(("url", "href", "self", "uri", "link", "resourceuri"))
"""Fields that hold the address of the record itself, be it in `_links.self.href`: what names it where it has no id."""
_WRAPPERS = frozenset(("data", "attributes", "properties", "resource", "fields", "meta", "metadata", "sys", "item", "node"))
"""Records that only wrap what belongs to the record around."""

_GLUED = re.compile(r"([a-z]{3,}?)(id|uuid|guid|nr|nummer|number|code|key)")

_LONGEST = 200
"""Characters of a key's value."""

_DEPTH = 3
_BEST = (0, -1, 0, "")

_TOLERATED = 0.1
"""Share of records of an `id` which may repeat another's: bad rows of a good key. Only from `_ENOUGH` records on."""

_ENOUGH = 10
_COUNTED = 3
"""Parents with several records that must show a field to count these."""

_UNLIKE = 0.2
"""Share of the records that several parents list which must be another one under each, so that each is a row of its parent: of
equal ones some may have changed while they were read."""

_BY_CHANCE = 8
"""Records from which a field named like an id of something else may be believed to be unique."""


@dataclass(frozen=True)
class Key:
    """The primary key found. `scope`: unique among all records, or only among those of one parent."""

    path: str
    scope: Literal["entity", "parent"] = "entity"
    evidence: str = ""


def find_key(
    entity: str,
    lists: Mapping[str, Sequence[Record]],
    below: bool,
    hint: str | None = None,
    reference: str | None = None,
    apart: bool = False,
) -> Key:
    """The key of records that were listed by parent (`below`), or in one list; `hint` is what the description names.

    Better names come first; among them a field that is unique among all records comes before one that is only within each
    list. `reference` is the field that names the parent. If none will do, it is the hash of the record. `apart`: what comes alike
    under several parents is a record of each (the same branch of two repositories, the settings of two users): nothing else
    would tell whose it is.
    """
    different = {parent: _different(rows) for parent, rows in lists.items() if rows}
    every = _different([row for rows in different.values() for row in rows])
    if not every:
        return Key(hint or "id", evidence="there is no record to show it")
    if below and len(different) > 1 and all(len(rows) == 1 for rows in different.values()):
        reference = None  # one record for each parent: what names the parent names the record as well
    apart = apart and below
    alike = apart and sum(map(len, different.values())) > len(every)
    everywhere = _everywhere(every)
    ranks = {path: _BEST if path == hint else rank(path, entity) for path in everywhere if path != reference}
    ranked = sorted((place, path) for path, place in ranks.items() if place is not None)
    for tier in (0, 1, 2):
        ordinal = _ordinal(different, everywhere) if tier == 1 and below else None
        if ordinal is not None:  # before what may be the id of something else
            return Key(ordinal, "parent", f"{ordinal} counts the records below each of {len(different)} parents")
        mine = [path for place, path in ranked if place[0] == tier]
        counters = {path for path in mine if below and path != hint and _counts(different, path)}
        whole = next((path for path in mine if path not in counters and _unique([every], path, tier)), None)
        if whole is not None and (alike or (apart and tier == 2)):
            return Key(whole, "parent", f"{whole} is different in the records of each of {len(different)} parents")
        unlike = _unlike(different, whole) if whole is not None and below else None
        if unlike is not None:
            return Key(str(whole), "parent", f"{whole} {unlike}: what they say is of the parent too")
        if whole is not None:
            return Key(whole, "entity", f"{whole} is different in {len(every)} records")
        inner = next((path for path in mine if below and _unique(list(different.values()), path, tier)), None)
        if inner is not None and (inner in counters or len(different) > 1):
            return Key(inner, "parent", f"the same {inner} names different records under different parents")
    scope: Literal["entity", "parent"] = "parent" if apart else "entity"
    return Key(HASH, scope, f"no field tells {len(every)} records apart: the hash of the whole record does")


def rank(path: str, entity: str) -> tuple[int, int, int, str] | None:
    """How much a field's name promises a key, the least the most; None if nothing.

    The first number is 0 for an id or code of its own, 1 for what may be another's, 2 for a name.
    """
    parts = split_path(path)
    own = _without_entity(_unglued([word.lower() for word in words(parts[-1])]), entity)
    joined = "".join(own)
    if len(parts) == 1 and joined == entity.lower():  # the `country` of a country
        return (0, 3, 0, path)
    place = KEY_WORDS.index(own[-1]) if own and own[-1] in KEY_WORDS else len(KEY_WORDS)
    if joined in _ADDRESSES and all(part.lower().lstrip("_") in ("links", "self", "meta") for part in parts[:-1]):
        return (1, -1, len(parts), path)
    around = [part.lower() for part in parts[:-1]]
    depth = len(around)
    if any(part not in _WRAPPERS and singular(part) != entity.lower() for part in around):
        return (1, depth, place, path) if joined in _IDS and depth == 1 else None
    if joined in _IDS:
        return (0, 0 if joined == "id" else 1, depth, path)
    if joined in _CODES or joined in COUNTERS:
        return (0, 2, place, path)
    if not depth and joined == "".join(words(entity)).lower():
        return (0, 3, place, path)
    if not depth and _initials(joined, entity.lower()):
        return (1, depth, 0, path)
    if joined in _NAMES:
        return (2, place, depth, path)
    if own and own[-1] in _IDS | _CODES | {"sku"}:
        return (1, depth, place, path)
    return None


def _initials(name: str, entity: str) -> bool:
    """Whether a name is `id` behind letters that stand for the entity: the `bsid` of a buildset, the `nid` of a node."""
    if name in NO_ID or not name.endswith("id") or not 3 <= len(name) <= 5 or not entity.startswith(name[0]):
        return False
    letters = iter(entity)
    return all(letter in letters for letter in name[:-2])


def plain_paths(record: Record, prefix: str = "", depth: int = _DEPTH) -> Iterator[str]:
    """Paths of the plain values of a record, and of those nested in it, which are short enough to name something."""
    for name, value in record.items():
        path = prefix + escaped(name)
        if isinstance(value, dict) and depth > 1:
            yield from plain_paths(value, f"{path}.", depth - 1)
        elif _may_name(value):
            yield path


def _different(records: Sequence[Record]) -> list[Record]:
    return list({digest(record): record for record in records}.values())


def _everywhere(records: Sequence[Record]) -> list[str]:
    """Paths of plain values which all records have, or nearly all of many."""
    seen = Counter(path for record in records for path in plain_paths(record))
    least = len(records) * (1 - _TOLERATED) if len(records) >= _ENOUGH else len(records)
    return [path for path, count in seen.items() if count >= least]


def _unglued(said: Sequence[str]) -> list[str]:
    """The words of a name, the last of them apart from an ending that names something: `orderid`, `kundennr`."""
    found = _GLUED.fullmatch(said[-1]) if said else None
    return [*said[:-1], *found.groups()] if found else list(said)


def _without_entity(said: Sequence[str], entity: str) -> list[str]:
    """The words of a field's name after those of the entity: `order_number` of an order is its number."""
    name = [word.lower() for word in words(entity)]
    for length in range(1, len(said)):
        if "".join(said[:length]) in ("".join(name), *name[-1:]):
            return list(said[length:])
    return list(said)


def _may_name(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= _LONGEST and "\n" not in value
    return isinstance(value, int) and not isinstance(value, bool)


def _unique(lists: Sequence[Sequence[Record]], path: str, tier: int) -> bool:
    """Whether the values differ in each of the lists; of an `id` in many records nearly all, for some rows are bad."""
    total = sum(map(len, lists))
    if tier == 1 and total < _BY_CHANCE:
        return False
    single = sum(len({str(value) for record in records for value in values_at(record, path)}) for records in lists)
    return single == total or (tier == 0 and total >= _ENOUGH and single >= (1 - _TOLERATED) * total)


def _unlike(lists: Mapping[str, Sequence[Record]], path: str) -> str | None:
    """How many records that several parents list under one key differ from one parent to another, in words: an app's users with
    the role that each has there. None where they are equal but for some."""
    held: dict[str, dict[str, set[str]]] = {}
    for parent, records in lists.items():
        for record in records:
            for value in values_at(record, path):
                held.setdefault(str(value), {}).setdefault(parent, set()).add(digest(record))
    shared = [list(by.values()) for by in held.values() if len(by) > 1 and all(len(each) == 1 for each in by.values())]
    differ = sum(len(set().union(*each)) > 1 for each in shared)
    return f"names other records under other parents in {differ} of {len(shared)}" if differ > _UNLIKE * len(shared) else None


def _ordinal(lists: Mapping[str, Sequence[Record]], paths: Sequence[str]) -> str | None:
    """The one of these fields that goes 1, 2, 3 below each parent; None if there is none, or too few show it."""
    if sum(len(records) > 1 for records in lists.values()) < _COUNTED:
        return None
    for path in paths:
        numbers = [sorted(str(value) for record in rows for value in values_at(record, path)) for rows in lists.values()]
        if any(all(held == sorted(map(str, range(one, one + len(held)))) for held in numbers) for one in (0, 1)):
            return path
    return None


def _counts(lists: Mapping[str, Sequence[Record]], path: str) -> bool:
    """Whether a field that is called like a counter goes 1, 2, 3 below the only parent that has rows."""
    leaf = "".join(word.lower() for word in words(split_path(path)[-1]))
    if len(lists) != 1 or leaf not in COUNTERS:
        return False
    values = [value for records in lists.values() for record in records for value in values_at(record, path)]
    numbers = sorted(value for value in values if isinstance(value, int))
    return (
        len(numbers) == len(values)
        and numbers[:1] in ([0], [1])
        and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    )
