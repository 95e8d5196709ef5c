"""Stages, asset keys, table locations and the names people see: made here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from anyascii import anyascii

from spectra_assets.errors import ConfigurationError, one_of


class Stage(StrEnum):
    """The seven stages, in the order data flows through them."""

    SOURCE = "source"
    PREPARE = "prepare"
    EXTRACT = "extract"
    CLEAN = "clean"
    TRANSFORM = "transform"
    REFINE = "refine"
    ANALYSE = "analyse"


LOG = "log"
"""Schema of the tables a pipeline keeps about itself: runs, requests, manifest."""

QUARANTINE = "quarantine"
"""Schema of the rows that broke a row rule."""

SCHEMAS = (*(stage.value for stage in Stage), LOG, QUARANTINE)

_SOURCE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,119}")
_LONGEST = 100
_OWN = re.compile(r"[_@$#]+(id|key|name)")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def check_source(name: str) -> str:
    """Return `name` if it may name a source (it becomes a folder, an asset key and a file name).

    Raises ConfigurationError otherwise.
    """
    if not _SOURCE.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is not a valid source name: use 1 to 40 lower-case letters, digits and underscores, "
            "starting with a letter, for example sales_crm"
        )
    return name


@dataclass(frozen=True, order=True)
class TableRef:
    """One table of a pipeline, written `stage.table`, for example `clean.cyclePhase`."""

    schema: str
    table: str

    @classmethod
    def parse(cls, text: str) -> TableRef:
        """Read `stage.table`. Raises ConfigurationError naming the valid schemas."""
        schema, dot, table = text.partition(".")
        if not dot or schema not in SCHEMAS or not _TABLE.fullmatch(table):
            raise ConfigurationError(
                f"{text!r} is not a table name: write <schema>.<table> with a schema of {one_of(SCHEMAS)} and a table "
                "of letters, digits and underscores, for example clean.cycle"
            )
        return cls(schema, table)

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"

    @property
    def location(self) -> str:
        """Path below the lakehouse, Fabric's own layout."""
        return f"Tables/{self.schema}/{self.table}"

    def asset_path(self, source: str) -> list[str]:
        """Key of the Dagster asset: `[source, stage, table]`."""
        return [source, self.schema, self.table]


def lakehouse_name(source: str) -> str:
    """Folder (and Fabric item) of a source's lakehouse."""
    return f"{check_source(source)}.Lakehouse"


def vocabulary(text: str) -> frozenset[str]:
    """The words of a text, separated by spaces or lines."""
    return frozenset(text.split())


def words(text: str) -> list[str]:
    """The words of an identifier in any casing and script, in letters of ASCII; characters that are no letters or digits only
    separate."""
    return _WORD.findall(text if text.isascii() else anyascii(text))


def camel(text: str) -> str:
    """camelCase of any identifier. An identifier with nothing usable becomes `field`; a leading digit gets `n`."""
    if re.fullmatch(r"[a-z][A-Za-z0-9]*", text):
        return text
    parts = words(text)
    if not parts:
        return "field"
    name = parts[0].lower() + "".join(part[0].upper() + part[1:].lower() for part in parts[1:])
    return f"n{name}" if name[0].isdigit() else name


def pascal(text: str) -> str:
    """PascalCase of any identifier."""
    name = camel(text)
    return name[0].upper() + name[1:]


def singular(word: str) -> str:
    """The singular of an English plural identifier, by the regular endings."""
    for ending, replacement in (("ies", "y"), ("tuses", "tus"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh")):
        if word.endswith(ending) and len(word) > len(ending):
            return word[: -len(ending)] + replacement
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2:
        return word[:-1]
    return word


def plural(word: str) -> str:
    """The regular English plural of an identifier. `singular` does not always lead back: of `buses` it makes `buse`."""
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    if word.endswith(("s", "x", "ch", "sh")):
        return word + "es"
    return word + "s"


def target_field(entity: str, path: Iterable[str]) -> str:
    """Column name of the field at `path` (keys from the record's root) of `entity`.

    `id`, `key` and `name` of a record take the record's name in front; of a nested record they take the field's,
    where `name` is the field itself; every other nested property follows its field.
    """
    *parents, leaf = path
    if not parents:
        own = _OWN.fullmatch(leaf)
        leaf = own[1] if own else leaf
        return f"{camel(entity)}{pascal(leaf)}" if leaf in ("id", "key", "name") else camel(leaf)[:_LONGEST]
    prefix = camel(parents[0]) + "".join(pascal(part) for part in parents[1:])
    return (prefix if leaf == "name" else prefix + pascal(leaf))[:_LONGEST]


def child_entity(entity: str, field: str, scalar: bool) -> str:
    """Name of the child table for the nested array `field` of `entity`; `scalar` arrays drop a trailing Id."""
    name = singular(camel(field))
    if scalar and name.endswith("Id") and name != "Id":
        name = name[:-2]
    return name if name.lower().startswith(entity.lower()) and name.lower() != entity.lower() else entity + pascal(name)


def without_collisions(wanted: Iterable[str]) -> list[str]:
    """The names in order, a repeated one (whatever its case: Delta ignores case) with a numeric suffix: a, a2, a3."""
    taken: set[str] = set()
    names = []
    for name in wanted:
        candidate, number = name, 1
        while candidate.lower() in taken:
            number += 1
            candidate = f"{name}{number}"
        taken.add(candidate.lower())
        names.append(candidate)
    return names
