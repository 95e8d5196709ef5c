"""What the fields of records name lists of: by their names (`authorId`, `commentCount`), or by ids that they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from spectra_assets.discovery.names import vocabulary
from spectra_assets.discovery.route import plain_values
from spectra_assets.stages.asking.answers import Record
from spectra_assets.stages.asking.ids import is_id

_REFERENCE = re.compile(r"(.+?)(?:_id|Id|ID|_ids|Ids|_key|Key)")
_CODE = re.compile(r"(.{2,}?)_?(?:[cC]ode|(?<=_)no|No|[nN]umber|(?<=_)ref|Ref|[uU]uid|UUID|[sS]lug)")
_COUNT = re.compile(r"(?:num_|numberOf|number_of_)(.+)|(.+?)(?:s?_?[cC]ount|s?_total|sTotal)")
_KEYS = ("id", "code", "key", "uuid", "slug")

_OPAQUE = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"  # UUID
    r"|(?=[^\d]*\d)(?=\d*[a-f])[0-9a-f]{24}"  # MongoDB's ObjectId
    r"|[0-7](?=[A-Z]*\d)[0-9A-HJKMNP-TV-Z]{25}"  # ULID
    r"|[a-z]{2,12}_(?=[A-Za-z]*\d)[0-9A-Za-z]{8,}",  # a prefix that tells the kind, as `cus_9s6XKzkNRiz8i3`
    re.ASCII,
)
"""Ids that are nothing else: a field that holds them holds references, whatever it is called."""

_DEPTH = 4
_ENTRIES = 3


def named_by(records: Sequence[Record]) -> dict[str, str]:
    """JSON path → what it names records of: `author` of `authorId`, `author.id` and `authorCode`; `launch` of `launches`, an
    array of ids that are nothing else. Paths of what lies in arrays have their names alone (`cores.core`)."""
    found: dict[str, str] = {}
    for path in dict.fromkeys(path for record in records for path in (*plain_values(record), *_lists_of_ids(record))):
        *around, leaf = path.split(".")
        found[path] = named(leaf, around)
    held: dict[str, list[str]] = {}
    for record in records:
        for path, value in _texts(record, ""):
            held.setdefault(path, []).append(value)
    for path, values in held.items():
        leaf = path.rpartition(".")[2]
        if not found.get(path) and leaf.lower().strip("_") not in _KEYS and all(map(_OPAQUE.fullmatch, values)):
            found[path] = leaf
    return {path: stem for path, stem in found.items() if stem}


def named(leaf: str, around: Sequence[str] = ()) -> str:
    """What the name of a field, in objects of these names, says that it names a record of; empty if nothing."""
    stem = reference(leaf)
    if stem:
        return stem
    if around and leaf in _KEYS:
        return around[-1]
    match = _CODE.fullmatch(leaf)
    return match[1] if match and match[1].lower().strip("_") not in vocabulary().fields else ""


def reference(name: str) -> str:
    """`author` of `authorId`, `author_id`, `authorIds`, `authorKey`; empty for any other name."""
    match = _REFERENCE.fullmatch(name)
    return match[1] if match else ""


def counted_by(records: Iterable[Record]) -> dict[str, str]:
    """Field of the records themselves → what it counts: `comment` of `commentCount`."""
    fields = dict.fromkeys(path for record in records for path in (*plain_values(record, 1), *_lists_of_ids(record)))
    matches = ((path, _COUNT.fullmatch(path)) for path in fields)
    return {path: match[1] or match[2] for path, match in matches if match}


def _lists_of_ids(record: Record) -> Iterator[str]:
    """Keys of arrays of plain values: `speakerIds` names speakers as `speakerId` does."""
    for key, value in record.items():
        if isinstance(value, list) and value and all(is_id(each) for each in value):
            yield key


def _texts(value: object, path: str, depth: int = _DEPTH) -> Iterator[tuple[str, str]]:
    """(path, text) of all that is text inside of a record, of arrays the first entries."""
    if isinstance(value, str) and value:
        yield path, value
    elif isinstance(value, list) and depth:
        for entry in value[:_ENTRIES]:
            yield from _texts(entry, path, depth - 1)
    elif isinstance(value, dict) and depth:
        for key, below in value.items():
            yield from _texts(below, f"{path}.{key}" if path else key, depth - 1)
