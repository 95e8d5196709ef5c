"""JSON paths below a record, as canon and covenant write them: `id`, `testcase.name`, `cyclePhases[].id`, `tags[]`.

Dots separate keys; a dot or backslash that belongs to a key has a backslash before it, and so have brackets that end one. A key
that ends with `[]` holds an array, and what follows it is found in each of its elements; a path that ends there is the element
itself. `links[rel=next].href`, where an answer tells its next page, is in the one element whose `rel` is `next`. Fields whose
path starts with `@` are not in the record (PARENT, TREE_PARENT, INDEX, HASH): a key that does has a
backslash before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from spectra_assets.errors import ConfigurationError

PARENT = "@parent"
"""What the request for the record named of its parent, all of it; each of several values is `@parent[0]`, `@parent[1]`, …"""

PARENTS = f"{PARENT}[]"
"""What the requests named of all parents that list the record, where several have the same one: one row per pair."""

TREE_PARENT = "@treeParent"
"""Id of the record that a record was nested in."""

INDEX = "@index"
"""A child's place in its array, from 0."""

HASH = "@hash"
"""What tells records apart that no field does: the hash of the whole record."""

ITSELF = "$"
"""Location of the one record that an answer is; `$.data` if it is the object at `data` in it, `$.data[]` if it is the only entry
of the array there, `$[]` of an answer that is an array."""

_ASKED = re.compile(rf"{PARENT}(?:\[(\d+)\])?")

ARRAY = "[]"
_BRACKETS = "\\[\\]"
EMPTY = "\\0"
"""How a path writes the empty key where nothing else would show it."""

_PART = re.compile(r"(?:[^.\\]|\\.)+|(?<=\.)(?=\.|$)|^(?=\.)", re.DOTALL)
_CHOSEN = re.compile(r"(.+)\[(\w+)=([\w-]+)\]")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def split_path(path: str) -> list[str]:
    """The keys of `path`, unescaped, arrays with their `[]`; of the empty path none."""
    return list(_parts(path))


@lru_cache(maxsize=10_000)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(_key(part) for part in _PART.findall(path))


def one_record(location: str | None) -> bool:
    """Whether what is at a location (covenant Fetch.records) is one record, and no list."""
    return location in (ITSELF, f"{ITSELF}{ARRAY}") or (location or "").startswith(f"{ITSELF}.")


def only_entry(location: str) -> bool:
    """Whether the one record there is the only entry of an array."""
    return split_path(location)[-1].endswith(ARRAY)


def way_to(location: str) -> list[str]:
    """The keys that lead to the one record of an answer, or to the array that it is in; none if that is the answer itself."""
    return [key.removesuffix(ARRAY) for key in split_path(location)[1:]]


class _Literal(str):
    """A key whose own name ends with `[]`; it holds no array."""

    __slots__ = ()

    def endswith(self, *_: object) -> bool:
        return False

    def removesuffix(self, _: str) -> str:
        return self


def _key(part: str) -> str:
    if part == EMPTY:
        return ""
    key = _ESCAPED.sub(r"\1", part)
    return _Literal(key) if part.endswith(_BRACKETS) else key


def escaped(key: str) -> str:
    """A key as a path writes it: dots, an `@` at the start and brackets at the end get a backslash; the empty one is EMPTY."""
    if not key:
        return EMPTY
    key = str(key)
    text = key.replace("\\", "\\\\").replace(".", "\\.")
    text = text.removesuffix(ARRAY) + _BRACKETS if key.endswith(ARRAY) else text
    return f"\\{text}" if key.startswith("@") else text


class Choice(NamedTuple):
    """One element of an array: the first object in it whose `field` has the `value`."""

    array: str
    field: str
    value: str

    def of(self, entries: Any) -> dict[str, Any] | None:
        """The element among the entries of the array; None if there is none, or they are no array."""
        for each in entries if isinstance(entries, list) else ():
            if isinstance(each, dict) and each.get(self.field) == self.value:
                return each
        return None


def chosen(key: str) -> Choice | None:
    """What a key chooses that names one element of an array, `links[rel=next]`; None for any other."""
    found = _CHOSEN.fullmatch(key)
    return Choice(*found.groups()) if found else None


def join_path(keys: list[str]) -> str:
    """The inverse of `split_path`."""
    if keys == [""]:
        return EMPTY
    return ".".join(_joined(key) for key in keys)


def _joined(key: str) -> str:
    if isinstance(key, _Literal):
        return escaped(str(key))
    return key.replace("\\", "\\\\").replace(".", "\\.")


def asked_place(path: str) -> int | None:
    """Which value of what a record was asked for with a path means: -1 for all of it; None for PARENTS or a path into the record.

    Raises ConfigurationError for another path that begins with `@parent`.
    """
    if not path.startswith(PARENT) or path == PARENTS:
        return None
    found = _ASKED.fullmatch(path)
    if found is None:
        raise ConfigurationError(f"{path!r} names no value of a parent: valid are @parent and @parent[0], @parent[1], …")
    return -1 if found[1] is None else int(found[1])


def asked_path(place: int, composite: bool) -> str:
    """The path that `asked_place` reads: of the value at this place where there are several, else of the one there is."""
    return f"{PARENT}[{place}]" if composite else PARENT


def is_array(key: str) -> bool:
    """Whether a key of `split_path` holds an array."""
    return key.endswith(ARRAY)


_LINKS = frozenset(("_links", "links", "@links", "__links"))
_OF_A_LINK = frozenset(("href", "rel", "method", "templated"))


def navigates(paths: Sequence[str]) -> bool:
    """Whether fields only hold links that lead through the API (`_links.self.href`), and nothing of the record."""
    keys = [[key.removesuffix(ARRAY) for key in split_path(path)] for path in paths]
    return bool(keys) and all(
        each[0] in _LINKS and len(each) > 1 and (each[0] != "links" or each[-1] in _OF_A_LINK) for each in keys if each
    )
