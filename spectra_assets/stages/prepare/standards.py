"""Learned standards beside the samples of one source: what held for others is a guess, and gives way to what the records show.

A standard that a person wrote is policy and stays; one that lessons were raised to names its lesson.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from spectra_assets.covenant.model import DataType
from spectra_assets.playbook.model import Playbooks
from spectra_assets.playbook.rules import BaseRule, DateFormatRule, DeduplicateRule, PrimaryKeyRule, RequiredRule, TypeRule
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.prepare.fields.inference import typed
from spectra_assets.stages.values.dates import as_date
from spectra_assets.stages.values.shapes import shape_at

_DATED = (DataType.DATE, DataType.TIMESTAMP)
_HELD: Mapping[DataType, tuple[DataType, ...]] = {
    DataType.INT64: (DataType.INT64,),
    DataType.FLOAT64: (DataType.INT64, DataType.FLOAT64, DataType.DECIMAL),
    DataType.DECIMAL: (DataType.INT64, DataType.FLOAT64, DataType.DECIMAL),
    DataType.BOOL: (DataType.BOOL,),
    DataType.DATE: _DATED,
    DataType.TIMESTAMP: _DATED,
}
"""Type that a rule says → types of samples which it holds whole; text holds every value, JSON everything."""


def fitting(
    playbooks: Playbooks, source: str, entities: Collection[str], sample: Callable[[str], Sequence[Record]]
) -> tuple[Playbooks, list[str]]:
    """The playbooks without the learned standards that the entities' samples speak against, and which these are, and why."""
    misfits: dict[str, str] = {}
    for rule in playbooks.standards.rules:
        for entity in entities if rule.lesson is not None else ():
            records = sample(entity) if rule.applies(source, entity) else ()
            why = _against(rule, records) if records else None
            if why is not None:
                misfits[rule.id] = f"the standard {rule.id} is not followed: of {entity} {why}"
    if not misfits:
        return playbooks, []
    rules = tuple(rule for rule in playbooks.standards.rules if rule.id not in misfits)
    return replace(playbooks, standards=replace(playbooks.standards, rules=rules)), list(misfits.values())


def _against(rule: BaseRule, records: Sequence[Record]) -> str | None:
    """What the records say against the rule; None if they could be under it."""
    if isinstance(rule, PrimaryKeyRule):
        return _no_key(rule.path, records)
    if isinstance(rule, DeduplicateRule):
        return next((told for path in (rule.by, rule.key) if path and (told := _missing(path, records))), None)
    if isinstance(rule, RequiredRule):
        return _missing(rule.scope.field, records) if rule.required else None
    if isinstance(rule, DateFormatRule):
        return next((told for path in (rule.scope.field, *rule.also) if (told := _undated(path, rule.formats, records))), None)
    values = _values(rule.scope.field, records)
    if values and isinstance(rule, TypeRule):
        found, said = _type_of(rule.scope.field, values), DataType(rule.data_type)
        holds = found in _HELD.get(said, ()) or said == DataType.JSON or (said == DataType.TEXT and found != DataType.JSON)
        return None if holds else f"the {len(values)} values of {rule.scope.field} are {found}, not {said}"
    return None


def _undated(path: str, formats: Sequence[str], records: Sequence[Record]) -> str | None:
    values = _values(path, records)
    unread = [value for value in values if not any(as_date(value, each) for each in formats)]
    read_otherwise = not unread or _type_of(path, unread) in _DATED
    return None if read_otherwise else f"{len(unread)} of {len(values)} values of {path} are no dates"


def _values(path: str, records: Sequence[Record]) -> list[Any]:
    return [value for record in records for value in values_at(record, path) if value not in (None, "")]


def _no_key(path: str, records: Sequence[Record]) -> str | None:
    values = [tuple(values_at(record, path)) for record in records]
    if (told := _missing(path, records)) is not None:
        return told
    return None if len(set(map(repr, values))) == len(values) else f"several records share one {path}"


def _missing(path: str, records: Sequence[Record]) -> str | None:
    lacking = sum(all(value is None for value in values_at(record, path)) for record in records)
    return f"{lacking} of {len(records)} records have no {path}" if lacking else None


def _type_of(path: str, values: Sequence[Any]) -> DataType:
    return typed(*shape_at(path, values), None).type
