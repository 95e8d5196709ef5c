"""What would change between two covenants, in words, whether it breaks those who read the tables, and who must agree to it.

This is the one place where that is said: what a run takes over from the data (`stages/adoption.py`), what a lesson may bring
(`learning/proof.py`) and what `covenant diff` calls breaking all follow it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from typing import Any

from pydantic import computed_field

from spectra_assets.covenant.access import Fetch, Model
from spectra_assets.covenant.build import Build, Derivation, Dimension, Extraction, Refinement
from spectra_assets.covenant.files import plain
from spectra_assets.covenant.model import Column, Covenant, DataType, PiiLevel, Table
from spectra_assets.covenant.paths import ARRAY, split_path
from spectra_assets.names import singular, words

_WIDER = {(DataType.INT64, DataType.FLOAT64), (DataType.INT64, DataType.DECIMAL), (DataType.DATE, DataType.TIMESTAMP)}
_ALIKE = {(DataType.JSON, DataType.TEXT), (DataType.DECIMAL, DataType.FLOAT64), (DataType.FLOAT64, DataType.DECIMAL)}
"""Types that are read by the same expressions. A document in place of a text is not: `= 'Fragile'` finds nothing any more."""


class Consent(StrEnum):
    """Who must agree to a change, by what those lose who read the table."""

    NOBODY = "nobody"
    """They lose nothing: the data alone may bring it."""
    PROOF = "proof"
    """It breaks a promise that only samples had made (never empty, which key, what one row is), and all that they read stays: a
    rule brings it, a person's or a lesson's that was proven."""
    PERSON = "person"
    """What they read goes, means something else, or can't be read as before: a person's rule or word brings it."""


class Change(Model):
    """One difference. `consent`: who must agree to it."""

    table: str
    text: str
    consent: Consent = Consent.NOBODY

    @computed_field  # type: ignore[prop-decorator]
    @property
    def breaking(self) -> bool:
        """Whether something which reads the table may fail or change its meaning: it never comes by the data alone."""
        return self.consent != Consent.NOBODY


def diff(old: Covenant, new: Covenant) -> list[Change]:
    """All differences from `old` to `new`, breaking ones first."""
    changes = [*_server(old, new), *_tables(old, new)]
    return sorted(changes, key=lambda change: (not change.breaking, change.table, change.text))


_NAMED = 6
"""Of more tables that one is made from, the others are only counted: the pipeline's own are made from all there are."""


class Group(Model):
    """Changes that several tables share, or that one table has together."""

    about: str
    texts: tuple[str, ...]
    breaking: bool

    @property
    def text(self) -> str:
        return "; ".join(self.texts)


def grouped(changes: Sequence[Change], most: int = 6) -> list[Group]:
    """The changes for people: those of one table together, tables with the same changes together, breaking ones first.

    Of many tables, and of many changes of one, the first `most` are named, and how many more there are.
    """
    texts: dict[tuple[str, bool], list[str]] = {}
    for change in changes:
        texts.setdefault((change.table, change.breaking), []).append(change.text)
    tables: dict[tuple[bool, tuple[str, ...]], list[str]] = {}
    for (table, breaking), told in texts.items():
        tables.setdefault((breaking, tuple(told)), []).append(table)
    return [
        Group(about=_some(sorted(names), most), texts=_first(told, most), breaking=breaking)
        for (breaking, told), names in tables.items()
    ]


def _some(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _first(texts: tuple[str, ...], most: int) -> tuple[str, ...]:
    return texts if len(texts) <= most else (*texts[:most], f"and {len(texts) - most} more changes")


def _server(old: Covenant, new: Covenant) -> Iterator[Change]:
    if old.pipeline.title != new.pipeline.title:
        text = f"the title changes from {_short(old.pipeline.title)} to {_short(new.pipeline.title)}"
        yield Change(table="pipeline", text=text)
    yield from _withheld(old, new)
    before, after = (each.pipeline.server.model_copy(update={"withheld": []}) for each in (old, new))
    if before != after:
        yield from _plain_changes("pipeline.server", plain(before), plain(after))
    if old.pipeline.owner != new.pipeline.owner:
        yield Change(
            table="pipeline",
            text=f"the owner changes from {old.pipeline.owner} to {new.pipeline.owner}",
        )


def _withheld(old: Covenant, new: Covenant) -> Iterator[Change]:
    """What is kept out of the lake: as a rule says it."""
    was, now = ({each.field: each.how for each in covenant.pipeline.server.withheld} for covenant in (old, new))
    for name in dict.fromkeys((*was, *now)):
        if was.get(name) == now.get(name):
            continue
        how = "a hash of it is kept" if now.get(name) == "hash" else "nothing of it is kept"
        text = f"{name} is withheld from the lake: {how}" if name in now else f"{name} is no longer withheld from the lake"
        yield Change(table="pipeline", text=text)


def _tables(old: Covenant, new: Covenant) -> Iterator[Change]:
    before, after = {t.table: t for t in old.tables()}, {t.table: t for t in new.tables()}
    for name in before.keys() - after.keys():
        text = "the table is no longer made (`solution-engine retire` archives it)"
        yield Change(table=name, text=text, consent=Consent.PERSON)
    for name in after.keys() - before.keys():
        yield Change(table=name, text="the table is new")
    for name, table in after.items():
        if name in before and before[name] != table:
            yield from _table(before[name], table)
            if isinstance(table.build, Refinement) and before[name].build != table.build:
                yield from _refined(before[name], table, _read_otherwise(new, table.entity))


def _read_otherwise(covenant: Covenant, entity: str | None) -> set[str]:
    """The texts of an entity's records in whose place its tables hold others, or none."""
    columns = (column for table in covenant.tables() if table.entity == entity for column in table.schema_)
    return {text for column in columns for text in column.read_as}


def _table(old: Table, new: Table) -> Iterator[Change]:
    name = new.table
    yield from _columns(name, old.columns, new.columns)
    if old.primary_key != new.primary_key:
        text = f"the primary key changes from {_list(old.primary_key)} to {_list(new.primary_key)}"
        yield Change(table=name, text=text, consent=Consent.PROOF)
    if old.grain != new.grain:
        yield Change(
            table=name,
            text=f"one row is now: {new.grain or 'not said'} (was: {old.grain or 'not said'})",
            consent=Consent.PROOF,
        )
    for lost in [step for step in old.steps if step not in new.steps]:
        yield Change(table=name, text=f"the step {lost} is no longer done")
    for added in [step for step in new.steps if step not in old.steps]:
        yield Change(table=name, text=f"the step {added} is done as well")
    yield from _gates(old, new)
    for word, names in (("no longer", set(old.inputs) - set(new.inputs)), ("now also", set(new.inputs) - set(old.inputs))):
        if names:
            yield Change(table=name, text=f"it is {word} made from {_some(sorted(names), _NAMED)}")
    if isinstance(old.build, Dimension) and isinstance(new.build, Dimension) and _key(old.build) != _key(new.build):
        text = f"its members are told apart by {_list(_key(new.build))} (was: {_list(_key(old.build))}): new surrogate keys"
        yield Change(table=name, text=text, consent=Consent.PERSON)
    elif isinstance(old.build, Extraction) and isinstance(new.build, Extraction):
        yield from _fetch(name, old.build.fetch, new.build.fetch)
    elif old.build != new.build and not isinstance(new.build, Refinement):
        yield from _made_otherwise(name, plain(old.build), plain(new.build))
    if old.description != new.description:
        yield Change(table=name, text=f"it is described anew: {_short(new.description)}")


_FOUND_BY = ("dimension", "column", "key", "also", "via")
"""What says of a foreign key which member a row finds by it: where that changes, rows get other members under the same name."""


def _made_otherwise(name: str, old: Any, new: Any) -> Iterator[Change]:
    """How the rows are made; the foreign keys are compared by their names."""
    before, after = ({each["name"]: each for each in made.pop("references", ())} for made in (old, new))
    yield from _plain_changes(name, old, new)
    for key in dict.fromkeys((*before, *after)):
        was, now = before.get(key), after.get(key)
        moved = was is not None and now is not None and any(was.get(part) != now.get(part) for part in _FOUND_BY)
        for change in _plain_changes(name, was, now, f"references.{key}") if was != now else ():
            yield change.model_copy(update={"consent": Consent.PERSON if moved else Consent.NOBODY})


def _refined(old: Table, new: Table, read_otherwise: Collection[str]) -> Iterator[Change]:
    """How the columns with business meaning are made that were there before: one that says something else of a row breaks. One
    does not whose lists of words only gain some, or lose those that no row has, as they are `read_otherwise`."""
    before, after = (_rules(table.build) for table in (old, new))
    for column in [column for column in after if column in before and before[column] != after[column]]:
        was, now = before[column], after[column]
        consent = Consent.NOBODY if _says_as_much(was, now, read_otherwise) else Consent.PERSON
        for change in _plain_changes(new.table, was, now, f"rules.{column}"):
            yield change.model_copy(update={"consent": consent})


def _rules(build: Build) -> dict[str, dict[str, Any]]:
    """Column → the rule that makes it, and no other one."""
    found: dict[str, dict[str, Any]] = {}
    for rule in build.rules if isinstance(build, Refinement) else ():
        if isinstance(rule, Derivation):
            found[rule.column] = plain(rule)
        else:
            found |= {name: {**plain(rule), "columns": {name: expression}} for name, expression in rule.columns.items()}
    return found


_WORDS = re.compile(r"\bIN \(('[^'\\]*'(?:, '[^'\\]*')*)\)", re.IGNORECASE)
_WORD = re.compile(r"'([^']*)'")
"""A list of texts that decides a case, and each of them."""


def _says_as_much(was: dict[str, Any], now: dict[str, Any], read_otherwise: Collection[str]) -> bool:
    """Whether a column says of every row what it said, or says it of more rows."""
    expressions = [rule.get("expression", "") for rule in (was, now)]
    same = [
        {**rule, "rule": "", "expression": _WORDS.sub("", expression)}
        for rule, expression in zip((was, now), expressions, strict=True)
    ]
    before, after = ([{*_WORD.findall(found[1])} for found in _WORDS.finditer(each)] for each in expressions)
    return same[0] == same[1] and all(few - {*read_otherwise} <= more for few, more in zip(before, after, strict=True))


def _fetch(name: str, old: Fetch, new: Fetch) -> Iterator[Change]:
    """How the rows are asked for; what may give fewer of them than before breaks. A proof reads them, and counts; a total that is
    no longer believed is nothing to count by, so that only a person gives it up."""
    if old.paging.kind != "none" and new.paging.kind == "none":
        text = (
            f"its list is read as one answer (was: page by page, by {old.paging.kind}): rows after the first page would be lost"
        )
        yield Change(table=name, text=text, consent=Consent.PROOF)
    for lost in [key for key in old.query if key not in new.query and new.path == old.path and new.paging == old.paging]:
        text = f"its list is asked for without {lost}={_short(old.query[lost])}: rows that this brings would be lost"
        yield Change(table=name, text=text, consent=Consent.PROOF)
    if _doubted(old, new):
        text = "the number of rows that the API declares is no longer believed: rows that it withholds would not be missed"
        yield Change(table=name, text=text, consent=Consent.PERSON)
        new = new.model_copy(update={"totals": old.totals})
    yield from _plain_changes(name, {"fetch": plain(old)}, {"fetch": plain(new)})


def _doubted(old: Fetch, new: Fetch) -> bool:
    return (old.totals, new.totals) == ("credible", "notCredible")


def no_longer_believed(old: Covenant, new: Covenant) -> set[str]:
    """The entities whose declared number of rows `old` believes and `new` does not."""
    before = old.fetches()
    return {entity for entity, fetch in new.fetches().items() if entity in before and _doubted(before[entity], fetch)}


_PERSONAL = tuple(PiiLevel)
"""The more personal the later: a mark is only taken away by a person, as a smaller sample may not show it."""


def _key(build: Dimension) -> list[str]:
    return build.composed_of or [build.natural_key]


def _columns(name: str, old: dict[str, Column], new: dict[str, Column]) -> Iterator[Change]:
    for column in old.keys() - new.keys():
        yield Change(table=name, text=f"the column {column} is no longer there", consent=Consent.PERSON)
    for column in new.keys() - old.keys():
        yield Change(table=name, text=f"the column {column} ({new[column].type}) is new")
    for column in [column for column in new if column in old]:
        was, now = old[column], new[column]
        if was.type != now.type:
            consent = consent_to_type(was.type, now.type)
            wider = " (wider)" if consent == Consent.NOBODY else ""
            text = f"the column {column} changes its type from {was.type} to {now.type}{wider}"
            yield Change(table=name, text=text, consent=consent)
        if was.required and not now.required:
            yield Change(table=name, text=f"the column {column} may now be empty", consent=Consent.PROOF)
        if now.required and not was.required:
            yield Change(table=name, text=f"the column {column} is now always filled")
        if was.pii != now.pii:
            less = _PERSONAL.index(now.pii) < _PERSONAL.index(was.pii)
            text = f"the column {column} is now personal: {now.pii} (was {was.pii})"
            yield Change(table=name, text=text, consent=Consent.PERSON if less else Consent.NOBODY)
        if was.source != now.source:
            text = f"the column {column} now comes from {_list(now.source)} (was {_list(was.source)})"
            yield Change(table=name, text=text, consent=Consent.PERSON if _is_another(was, now) else Consent.NOBODY)
        if was.description != now.description:
            yield Change(table=name, text=f"the column {column} is described anew: {_short(now.description)}")
        if was.references != now.references:
            text = f"the column {column} now names {now.references or 'nothing'} (was {was.references or 'nothing'})"
            yield Change(table=name, text=text)
        if was.read_as != now.read_as:
            text = f"the column {column} now reads {_texts(now)} (was {_texts(was)})"
            yield Change(table=name, text=text)
        if was.date_format != now.date_format:
            text = f"the column {column} is now read as {_form(now)} (was {_form(was)})"
            yield Change(table=name, text=text)


def _is_another(was: Column, now: Column) -> bool:
    """Whether a column holds another field: none that it held, and none that is called so by itself. (Its name was free: it is
    that of one of several that read alike.)"""
    kept = not was.source or not now.source or {*was.source} & {*now.source}
    return not kept and not any(_is_called(raw, now.name.lower()) for raw in now.source)


def _is_called(raw: str, name: str) -> bool:
    """Whether the field at a path has this name without anybody's help, that of the record around it before it or not."""
    parts = [part.removesuffix(ARRAY) for part in split_path(raw)]
    whole, leaf = ("".join(words(" ".join(each))).lower() for each in (parts, parts[-1:]))
    return raw.startswith("@") or whole.endswith(name) or (leaf != "" and name.endswith((leaf, singular(leaf))))


def consent_to_type(was: DataType, now: DataType) -> Consent:
    """Who must agree to a column's other type."""
    if was == now or (was, now) in _WIDER:
        return Consent.NOBODY
    return Consent.PROOF if (was, now) in _ALIKE else Consent.PERSON


def _gates(old: Table, new: Table) -> Iterator[Change]:
    before, after = {g.name: g.severity for g in old.gates}, {g.name: g.severity for g in new.gates}
    for gate in before.keys() - after.keys():
        yield Change(table=new.table, text=f"the gate {gate} is no longer demanded", consent=Consent.PERSON)
    for gate in after.keys() - before.keys():
        yield Change(table=new.table, text=f"the gate {gate} is demanded as well")
    for gate in [gate for gate in after if gate in before and before[gate] != after[gate]]:
        text = f"the gate {gate} is now {after[gate]} (was {before[gate]})"
        yield Change(table=new.table, text=text, consent=Consent.PERSON if after[gate] == "WARN" else Consent.NOBODY)


def _plain_changes(table: str, old: Any, new: Any, path: str = "") -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                yield from _plain_changes(table, old.get(key), new.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (was, now) in enumerate(zip(old, new, strict=True)):
            if was != now:
                yield from _plain_changes(table, was, now, f"{path}[{index}]")
    else:
        was, now = _told_apart(old, new)
        yield Change(table=table, text=f"{path or 'it'} changes from {was} to {now}")


_KINDS = {str: "the text", bool: "the truth value", int: "the whole number", float: "the number"}
_SHOWN = 120


def _told_apart(old: Any, new: Any) -> tuple[str, str]:
    """Both values as they are shown, so that one sees how they differ: in their kind, or far behind in a long text."""
    was, now = _short(old), _short(new)
    if was != now:
        return was, now
    if type(old) is not type(new):
        return f"{_KINDS.get(type(old), 'the value')} {was}", f"{_KINDS.get(type(new), 'the value')} {now}"
    first, second = str(old), str(new)
    start = max(0, next((n for n, pair in enumerate(zip(first, second, strict=False)) if len(set(pair)) > 1), _SHOWN) - 20)
    return _short(f"…{first[start:]}"), _short(f"…{second[start:]}")


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "…"


def _form(column: Column) -> str:
    """How values of a column are written; without a format of its own, as its type is written in JSON."""
    return (column.date_format or f"plain {column.type}").replace(" | ", " or ")


def _texts(column: Column) -> str:
    """Which texts are read as others."""
    told = [f"{_short(text)} as {_short(other)}" for text, other in column.read_as.items()]
    return _list(told[:6]) + (f" and {len(told) - 6} more" if len(told) > 6 else "") if told else "every text as it comes"


def _list(values: list[str]) -> str:
    return ", ".join(values) or "nothing"
