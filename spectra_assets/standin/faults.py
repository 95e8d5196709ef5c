"""Faults that can be switched on, written `name` or `name:argument`, for example `rate-limit:20/40`.

Each fault shows one way real servers go wrong. Which rows a row fault hits depends on the row's id alone (every tenth),
so a record is hit alike in a list, in a page and asked for by itself, and again on the next day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from spectra_assets.errors import RequestError, one_of

ENTITIES = (
    "project", "release", "cycle", "cyclePhase", "testcasetree", "testcase", "teststep", "requirementtree",
    "requirement", "user", "execution",
)  # fmt: skip
"""Entities that row and field faults can name."""

FOREIGN_KEYS = {
    "release": "projectId",
    "cycle": "releaseId",
    "cyclePhase": "tcrCatalogTreeId",
    "testcasetree": "releaseId",
    "testcase": "tcrCatalogTreeId",
    "requirementtree": "projectId",
    "requirement": "projectId",
    "execution": "tcrTreeTestcase.id",
}
"""The foreign key that `orphan:ENTITY` points nowhere."""


@dataclass(frozen=True)
class Fault:
    """One fault as read from its text. Unused parts keep their defaults."""

    name: str
    text: str
    number: float = 0.0
    """Milliseconds, seconds, requests per second, every how many requests, or MB, as the form says."""
    burst: float = 0.0
    entity: str = ""
    field: tuple[str, ...] = ()
    """Keys from the record's root to the field."""
    value: str = ""
    """New name, path part or status."""


@dataclass(frozen=True)
class _Form:
    argument: str
    read: Callable[[str, str, str], Fault]
    about: str


def _none(name: str, text: str, argument: str) -> Fault:
    if argument:
        raise ValueError("takes no argument")
    return Fault(name, text)


def _number(name: str, text: str, argument: str) -> Fault:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", argument):
        raise ValueError("needs a number")
    return Fault(name, text, number=float(argument))


def _count(name: str, text: str, argument: str) -> Fault:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", argument):
        raise ValueError("needs a whole number from 1")
    return Fault(name, text, number=float(argument))


def _rate(name: str, text: str, argument: str) -> Fault:
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(?:/([1-9][0-9]{0,6}))?", argument)
    if not match or float(match[1]) <= 0:
        raise ValueError("needs requests per second, or per second/burst")
    rate = float(match[1])
    return Fault(name, text, number=rate, burst=float(match[2] or max(rate, 1.0)))


def _part(name: str, text: str, argument: str) -> Fault:
    if not argument:
        raise ValueError("needs a part of a path")
    return Fault(name, text, value=argument)


def _part_or_none(name: str, text: str, argument: str) -> Fault:
    return Fault(name, text, value=argument)


def _value(name: str, text: str, argument: str) -> Fault:
    if not argument:
        raise ValueError("needs a value")
    return Fault(name, text, value=argument)


def _entity(name: str, text: str, argument: str) -> Fault:
    return Fault(name, text, entity=_known(argument, ENTITIES))


def _linked(name: str, text: str, argument: str) -> Fault:
    return Fault(name, text, entity=_known(argument, FOREIGN_KEYS))


def _sized(name: str, text: str, argument: str) -> Fault:
    entity, _, size = argument.partition(":")
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", size):
        raise ValueError("needs an entity and a size in MB, for example execution:5")
    return Fault(name, text, entity=_known(entity, ENTITIES), number=float(size))


def _field(name: str, text: str, argument: str) -> Fault:
    entity, dot, path = argument.partition(".")
    if not dot or not all(path.split(".")):
        raise ValueError("needs an entity and a field, for example cycle.build or execution.tcrTreeTestcase.revision")
    return Fault(name, text, entity=_known(entity, ENTITIES), field=tuple(path.split(".")))


def _renamed(name: str, text: str, argument: str) -> Fault:
    old, equals, new = argument.partition("=")
    if not equals or not new:
        raise ValueError("needs an entity, a field and its new name, for example cycle.build=buildNumber")
    fault = _field(name, text, old)
    return Fault(name, text, entity=fault.entity, field=fault.field, value=new)


def _known(entity: str, valid: Iterable[str]) -> str:
    if entity not in valid:
        raise ValueError(f"needs an entity: {one_of(valid)}")
    return entity


_FORMS = {
    "latency": _Form("MS", _number, "every answer waits"),
    "rate-limit": _Form("PER_SECOND[/BURST]", _rate, "429 with Retry-After: 1 above it"),
    "error-500": _Form("EVERY_NTH", _count, "every nth request answers 500"),
    "down": _Form("", _none, "closes every connection without an answer"),
    "cut": _Form("EVERY_NTH", _count, "closes the connection in the middle of every nth body"),
    "truncate": _Form("EVERY_NTH", _count, "every nth answer is complete HTTP with half of its JSON"),
    "slow-body": _Form("SECONDS", _number, "bodies trickle for this long"),
    "html": _Form("", _none, "API paths answer the login page with 200"),
    "not-json": _Form("", _none, "answers are text that is no JSON, with 200"),
    "forbid": _Form("PATH_PART", _part, "403 for paths that contain it"),
    "gone": _Form("PATH_PART", _part, "410 for paths that contain it"),
    "break": _Form("PATH_PART", _part, "500 for paths that contain it"),
    "expire-after": _Form("N", _count, "the token is refused after N requests"),
    "ignore-offset": _Form("[PATH_PART]", _part_or_none, "every page is page one"),
    "lose-rows": _Form("ENTITY", _entity, "pages overlap: the middle row of a list never comes, its neighbour twice"),
    "duplicate-ids": _Form("ENTITY", _entity, "one row in ten comes twice"),
    "empty": _Form("ENTITY", _entity, "no rows at all, and no lists of their ids"),
    "text-ids": _Form("ENTITY", _entity, "ids are texts"),
    "null-ids": _Form("ENTITY", _entity, "one id in ten is null"),
    "orphan": _Form("ENTITY", _linked, "one foreign key in ten points nowhere"),
    "big-record": _Form("ENTITY:MB", _sized, "one record holds a text of this size"),
    "rename-field": _Form("ENTITY.OLD=NEW", _renamed, "a field has another name"),
    "add-field": _Form("ENTITY.NAME", _field, "a new field"),
    "drop-field": _Form("ENTITY.NAME", _field, "a field is missing"),
    "retype-field": _Form("ENTITY.NAME", _field, "a field has another type: a scalar becomes a record, others a text"),
    "retype-some": _Form("ENTITY.NAME", _field, "as retype-field, in one row of ten"),
    "bad-date": _Form("ENTITY.FIELD", _field, "one date in ten can't be read"),
    "new-status": _Form("VALUE", _value, "one execution in ten has a status nobody configured"),
}  # fmt: skip


def fault_forms() -> list[str]:
    """How each valid fault is written, with what it does, for help texts: `cut:EVERY_NTH  closes …`."""
    return [f"{_written(name)}  {form.about}" for name, form in _FORMS.items()]


def _written(name: str) -> str:
    argument = _FORMS[name].argument
    if argument.startswith("["):
        return f"{name}[:{argument[1:]}"
    return f"{name}:{argument}" if argument else name


def parse_fault(text: str) -> Fault:
    """Read one fault. Raises RequestError which names the valid faults, or what this fault's argument must be."""
    name, _, argument = text.strip().partition(":")
    form = _FORMS.get(name)
    if form is None:
        raise RequestError(f"--fault {text!r} is not a fault; valid are {one_of(map(_written, _FORMS))}")
    try:
        return form.read(name, text.strip(), argument)
    except ValueError as error:
        raise RequestError(f"--fault {text!r}: {name} {error}; it is written {_written(name)}") from None
