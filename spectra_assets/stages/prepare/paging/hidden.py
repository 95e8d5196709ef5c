"""Rows that a list keeps back unless it is asked for them (archived, deleted, closed), and the parameter that brings them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from spectra_assets.client.pager import first
from spectra_assets.covenant.access import NoPaging, Paging
from spectra_assets.covenant.paths import escaped, join_path, split_path
from spectra_assets.intelligence.model import Endpoint, Parameter
from spectra_assets.names import words
from spectra_assets.stages.asking.answers import Sight, values_at
from spectra_assets.stages.asking.locations import Record, identity_of
from spectra_assets.stages.asking.sampling import Asked, Explorer
from spectra_assets.stages.prepare.paging.limits import Finding

_STATES = frozenset(
    ("archived", "deleted", "removed", "trashed", "trash", "hidden", "inactive", "disabled", "closed", "resolved", "completed",
     "done", "cancelled", "canceled", "expired", "draft", "drafts", "unpublished", "private", "retired", "obsolete", "locked",
     "suspended", "ended", "past")
)  # fmt: skip
"""What records are that lists often keep back."""

_OPPOSITES = frozenset(("active", "enabled", "published", "visible", "open"))
_KINDS = frozenset(("status", "state", "states", "statuses", "visibility", "scope", "lifecycle"))
_WHEN = frozenset(("at", "on", "date", "time"))
_EVERY = ("all", "any")
_EVERYTHING = re.compile(r"all|any|\*|both|everything|all[_-]\w+", re.IGNORECASE)
_WITH = frozenset(("include", "includes", "with", "show", "including", "return"))
_MOST, _MOST_VALUES = 6, 4
_FEW = 6
"""States fewer than these, none of which is an ended one, may be those that are shown only."""

_OTHER = {
    "open": "closed", "opened": "closed", "active": "inactive", "enabled": "disabled", "published": "draft",
    "visible": "hidden", "public": "private",
}  # fmt: skip
"""State that is usually shown → one that often is not."""

_STRANGE = re.compile(
    r"unknown|unexpected|unrecogni[sz]ed|unsupported|not (?:allowed|permitted|supported)|additional", re.IGNORECASE
)
"""What a server says of a parameter that it does not have."""

_FEWEST = 2
"""Rows that suffice where all are in the state that is usually shown."""

_ENOUGH = 5
"""Rows that must all be in one state before another one is asked for although nothing describes the parameter."""


@dataclass(frozen=True)
class Trial:
    """One parameter with one value. `widens`: it is asked for all there is, not for some other part of it."""

    name: str
    value: str
    widens: bool
    why: str
    path: str = ""
    """The field of the records whose value it is about."""


@dataclass(frozen=True)
class Count:
    """Rows of a list as far as its first page tells, whether that is the `whole` of it, and what identifies its rows."""

    rows: int
    whole: bool
    marks: frozenset[str]


def hidden(
    explorer: Explorer, asked: Asked, paging: Paging, endpoint: Endpoint, guess: bool, shown: Sequence[Trial] | None = None
) -> tuple[list[Finding], Trial | None]:
    """Finding `requiredQuery` if a parameter gives more than the list does without it, those of the list among them; and what
    gave it.

    Finding `hiddenRows` if it gives others in their place, which no single list then holds. `guess`: of a list without any
    parameter that is described, usual ones are tried too. `shown`: what other lists of the API were shown to take is tried
    instead, however short this one is.
    """
    described = list(_described(endpoint)) if shown is None else []
    if explorer.wire.spent or not (described or (guess and not endpoint.parameters)):
        return [], None
    plain = explorer.page(asked, first(paging))[0]
    if plain.category != "readable":
        return [], None
    base = count(plain, paging)
    found: list[Finding] = []
    refused = 0
    taken = ""
    guessed = _guessed(plain.records) if shown is None else [each for each in shown if _values(plain, each.path)]
    for trial in (described or guessed)[:_MOST]:
        if explorer.wire.spent or trial.name in dict(asked.filled) or trial.name in dict(asked.query) or refused > 2:
            continue
        sight = explorer.page(replace(asked, query=(*asked.query, (trial.name, trial.value))), first(paging))[0]
        if sight.category != "readable":
            refused += not endpoint.parameters
            if sight.category == "needsParameters" and not _STRANGE.search(sight.reason):
                taken = taken or _filters(trial, f"is refused ({sight.reason[:120]})")
            continue
        told = count(sight, paging)
        what = f"{trial.name}={trial.value} ({trial.why}) gives {told.rows} rows, without it {base.rows} come"
        shared = bool(base.marks & told.marks) or (trial.widens and not (base.whole and told.whole))
        further = trial.widens and not told.whole and bool(_values(plain, trial.path) < _values(sight, trial.path))
        if (told.rows > base.rows and (shared or not base.marks)) or further:
            what += f", with other values of {trial.path}" if further else ""
            return [Finding("requiredQuery", json.dumps({trial.name: trial.value}), what, 0.9)], trial
        if not told.rows and base.rows:
            taken = taken or _filters(trial, "gives no rows")
        if told.rows and told.marks and not told.marks & base.marks and base.whole and not trial.widens:
            found.append(Finding("hiddenRows", f"{trial.name}={trial.value}", f"{what}, and none of them is among these", 0.8))
    if taken and not found and shown is None and not _minds_any(explorer, asked, paging):
        name = next(trial.name for trial in guessed if trial.name in _KINDS)
        found.append(Finding("hiddenRows", f"{name}=…", f"{taken}: others may be kept back. {NAME_IT}", 0.5))
    return found[:1], None


NAME_IT = "Name the list with what it is to give by --list, for example /path?state=OPEN&state=MERGED"


def _filters(trial: Trial, what: str) -> str:
    """How a list shows that a parameter says in which state its records are; empty if the parameter is not about that."""
    return f"{trial.why}, and {trial.name}={trial.value} {what}" if trial.path and trial.name in _KINDS else ""


def _minds_any(explorer: Explorer, asked: Asked, paging: Paging) -> bool:
    """Whether a parameter that no list has changes the answer as well."""
    if explorer.wire.spent:
        return True
    sight = explorer.page(replace(asked, query=(*asked.query, ("nosuchparameter", "all"))), first(paging))[0]
    return sight.category != "readable" or not sight.rows


def _values(sight: Sight, path: str) -> set[str]:
    """The values of a field in the records of one page."""
    return {str(value).lower() for record in sight.records for value in values_at(record, path)} if path else set()


def count(sight: Sight, paging: Paging) -> Count:
    """What one page tells of how many rows its list has."""
    size = getattr(paging, "size", None)
    whole = isinstance(paging, NoPaging) or (size is not None and sight.rows < size)
    total = sight.declared_total
    key = next((name for record in sight.records if (name := identity_of(record))), "")
    marks = frozenset(str(record[key]) for record in sight.records if key in record)
    return Count(max(sight.rows, total or 0), whole or total == sight.rows, marks)


def _described(endpoint: Endpoint) -> Iterator[Trial]:
    """What the description tells of, in its order."""
    known = {each.name: each for each in endpoint.parameters if each.location == "query"}
    for name in endpoint.query:
        yield from _told(known.get(name, Parameter(name=name)))


def _told(parameter: Parameter) -> Iterator[Trial]:
    name, values = parameter.name, parameter.values
    said = {word.lower() for word in words(name)}
    switch = parameter.type == "boolean" or {value.lower() for value in values} == {"true", "false"}
    every = next((value for value in values if _EVERYTHING.fullmatch(value)), None)
    if every is not None and said & (_KINDS | _STATES | _OPPOSITES | _WITH | {"filter"}):
        yield Trial(name, every, True, "described as one of its values")
    elif parameter.type == "array" and values and said & (_KINDS | _STATES):
        yield Trial(name, ",".join(values), True, "all values that are described")
    elif values and not switch and said & _KINDS:
        for value in values[:_MOST_VALUES]:
            if value != parameter.default:
                yield Trial(name, value, False, "described as one of its values")
    elif not values and (usual := parameter.default or parameter.omitted) and parameter.type == "text" and said & _KINDS:
        yield from (Trial(name, value, True, f"by default it is {usual[:80]}") for value in _EVERY)
    elif (switch or parameter.type == "unknown") and said & _STATES and not said & {"before", "after", "at", "since", "by", "on"}:
        yield Trial(name, "true", bool(said & (_WITH | {"all"})), "its name tells of rows that may be kept back")
    elif switch and said & _OPPOSITES:
        yield Trial(name, "false", False, "its name tells of rows that may be kept back")


def _guessed(records: Sequence[Record]) -> list[Trial]:
    """Of a list that nothing describes: usual spellings, where every record is in a state that is usually shown."""
    if len(records) < _FEWEST:
        return []
    found: list[Trial] = []
    for path in dict.fromkeys(path for record in records[:_ENOUGH] for path in _switches(record)):
        held = {str(value).lower() for record in records for value in values_at(record, path)}
        held = held or {"none" for record in records[:1] if path in map(escaped, record)}
        if not 0 < len(held) < _FEW:
            continue
        why = f"{path} is {' or '.join(sorted(held))} in all {len(records)} records"
        loud = all(str(value).isupper() for record in records for value in values_at(record, path))
        usual = _usual(path, held, len(records), loud)
        found += [Trial(parameter, value, widens, why, path) for parameter, value, widens in usual]
    return sorted(found, key=lambda trial: trial.name not in _KINDS)  # the likeliest first


def _switches(record: Record) -> Iterator[str]:
    """Paths of what may tell a record's state: its own fields, and those of a state that is a record of its own."""
    for key, value in record.items():
        if not isinstance(value, dict | list):
            yield join_path([key])
        elif isinstance(value, dict) and key.lower() in _KINDS:
            yield from (join_path([key, inner]) for inner, below in value.items() if isinstance(below, bool))


def _usual(path: str, held: set[str], rows: int, loud: bool) -> Sequence[tuple[str, str, bool]]:
    """(parameter, value, whether it asks for all there is) by which APIs usually give the records of another state.
    `loud`: values are written in capitals."""
    *around, key = split_path(path)
    said = {word.lower() for word in words(key)} - {"is"}
    bare = key.removeprefix("is_").removeprefix("is")
    name = bare[:1].lower() + bare[1:]
    usual: list[tuple[str, str, bool]] = []
    if said and said <= _KINDS and len(held) == 1 and held <= _OTHER.keys():
        every = ("ALL", *_EVERY) if loud else _EVERY
        other = _OTHER[next(iter(held))]
        return [*((key, value, True) for value in every[:2]), (key, other.upper() if loud else other, False)]
    if rows < _ENOUGH:
        return []
    if said and said <= _STATES and held <= {"false", "0", "none"}:
        usual = [(f"include_{name}", "true", True), (name, "all", True), (name, "true", False)]
    elif said & _STATES and said <= _STATES | _WHEN and held == {"none"}:  # none is closed: no `closed_at` has a value
        state = next(iter(said & _STATES))
        return [("status", "any", True), ("status", "all", True), ("state", "all", True), (f"include_{state}", "true", True)]
    elif said and said <= _OPPOSITES and held <= {"true", "1"}:
        usual = [("include_inactive", "true", True), (name, "all", True), (name, "false", False)]
    elif said and said <= _KINDS and rows >= 2 * _ENOUGH and not held & (_STATES if len(held) > 1 else frozenset()):
        return [(key, value, True) for value in _EVERY]
    if usual and around:  # the state of which this is one property
        return [(f"{around[-1]}_id", "*", True), (around[-1], "all", True), *usual]
    return usual
