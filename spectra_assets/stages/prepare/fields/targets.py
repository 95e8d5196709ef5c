"""What fields may refer to: every set of ids that Prepare saw, and what fields that hold them may be called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.covenant.paths import split_path
from spectra_assets.names import singular, words
from spectra_assets.stages.prepare.fields.idnames import ID_WORDS, PERSONS
from spectra_assets.stages.prepare.fields.keys import Keys
from spectra_assets.stages.prepare.fields.personal import tells_persons

NUMBER = re.compile(r"-?[0-9]{1,18}")
TELLING = frozenset(
    ("name", "title", "label", "code", "slug", "key", "login", "username", "email", "symbol", "number", "identifier")
)
"""What stands beside an id by which it can be seen whose it is."""

_NUMBERS = frozenset(("no", "nr", "num", "type", "status", "date", "time", "name", "value", "position", "index", "line"))
"""What many fields are called that are a key, or a part of one."""


@dataclass(frozen=True)
class Target:
    """Ids of one entity at one path. `whole`: all that there are; `main`: of its primary key."""

    entity: str
    path: str
    values: frozenset[str]
    whole: bool
    main: bool
    names: frozenset[str]
    """What fields that hold them may be called, in lower case and singular."""
    key: str = ""
    """What the key is called: `isbn`, `policynumber`; with its entity in front if many are called so: `permitnumber`."""
    people: bool = False
    """Whether the records are persons, whatever the entity is called: by what they or the name of their key tell."""

    @cached_property
    def numbers(self) -> list[int]:
        """The ids that are numbers."""
        return [int(value) for value in self.values if NUMBER.fullmatch(value)]


def targets(canon: Mapping[str, CanonEntity], keys: Mapping[str, Keys]) -> list[Target]:
    """Every set of ids that fields may hold: primary keys, other keys, keys of nested records that make a table."""
    found = []
    for name, entity in canon.items():
        known = keys.get(name)
        if known is None or not entity.fields:
            continue
        nested = {field.raw: field.group for field in entity.fields if field.key and field.group != name}
        for path, values in known.values.items():
            main = path == entity.primary_key
            if (main and entity.fetch.key_scope == "parent") or not values or ("[]" in path and path not in nested):
                continue
            own = {name, split_path(path)[-2].removesuffix("[]"), nested[path]} if path in nested else {name}
            called = frozenset(singular("".join(words(each)).lower()) for each in own)
            if path in nested:
                called -= {singular(name.lower())}
            found.append(
                Target(
                    name,
                    path,
                    frozenset(map(str, values)),
                    known.whole,
                    main,
                    called,
                    _own_name(name, path),
                    main and (tells_persons(entity) or _of_persons(path)),
                )
            )
    return found


def _of_persons(path: str) -> bool:
    """Whether a key is called after persons, whatever the list is called: the `Employee_ID` of workers."""
    said = [word.lower() for word in words(split_path(path)[-1])]
    return len(said) > 1 and said[-1] in ID_WORDS and singular(said[-2]) in PERSONS


def _own_name(entity: str, path: str) -> str:
    """What a key is called in lower case; with its entity's name in front if many are called so."""
    said = [word.lower() for word in words(split_path(path)[-1])]
    if "[]" in path or not said or set(said) <= ID_WORDS:
        return ""
    own = bool(set(said) - TELLING - _NUMBERS - ID_WORDS)
    return "".join(said if own else [singular("".join(words(entity)).lower()), *said])
