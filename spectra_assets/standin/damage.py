"""Carries out the faults that change rows and fields, on records that are about to be answered.

Records are copied before they are changed: the data behind them stays true.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from spectra_assets.standin.faults import FOREIGN_KEYS, Fault

Record = dict[str, Any]

NESTED = {
    "cycle": ("cyclePhases", "cyclePhase"),
    "testcasetree": ("categories", "testcasetree"),
    "requirementtree": ("categories", "requirementtree"),
    "teststeps": ("steps", "teststep"),
}
"""Entity (or the envelope `teststeps`) to the array in its records which holds rows of an entity again."""

REFERRING = {"requirement": ("testcase", (("testcase", "requirementIds"), ("testcase", "requirementIdsNew")))}
"""Entity to the one whose records list its ids, and where: where the first has no rows, these lists are empty too."""

_SHARED_SPACE = ("testcase", "testcasetree")
_NOWHERE = 987_654_321
_BIG_TEXT_FIELD = {
    "cycle": ("environment",),
    "cyclePhase": ("name",),
    "testcase": ("testcase", "description"),
    "teststep": ("data",),
    "requirement": ("details",),
    "user": ("fullName",),
    "execution": ("comment",),
}
"""Where `big-record` puts its text; elsewhere into `description`."""

_RECORD_FAULTS = frozenset(
    (
        "text-ids",
        "null-ids",
        "orphan",
        "big-record",
        "rename-field",
        "add-field",
        "drop-field",
        "retype-field",
        "retype-some",
        "bad-date",
        "new-status",
    )
)
_ROW_FAULTS = frozenset(("lose-rows", "duplicate-ids", "empty"))


class Damage:
    """The row and field faults of one set of faults."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._records = [fault for fault in faults if fault.name in _RECORD_FAULTS]
        self._rows = [fault for fault in faults if fault.name in _ROW_FAULTS]
        empty = {fault.entity for fault in self._rows if fault.name == "empty"}
        self._unlisted = [REFERRING[entity] for entity in sorted(empty & REFERRING.keys())]
        named = {fault.entity or "execution" for fault in (*self._records, *self._rows)}
        named |= {holder for holder, _ in self._unlisted}
        self._touched = named | {outer for outer, (_, inner) in NESTED.items() if inner in named}

    def order(self, entity: str, count: int) -> tuple[int, Callable[[int], int]]:
        """(number of rows shown, position shown → true position) for a list of `count` rows of `entity`."""
        shown = count
        steps: list[Callable[[int], int]] = []
        for fault in self._rows:
            if fault.entity != entity:
                continue
            if fault.name == "empty":
                return 0, _same
            if fault.name == "duplicate-ids":
                shown += (shown + 9) // 10
                steps.append(_once_more)
            elif shown > 2:
                steps.append(_shifted(shown // 2))
        if not steps:
            return count, _same
        return shown, _chained(steps[::-1])

    def record(self, entity: str, record: Record) -> Record:
        """`record` of `entity`, and the rows nested in it, with the faults that hit them."""
        if entity not in self._touched:
            return record
        number = ordinal(entity, record)
        if entity in NESTED:
            array, inner = NESTED[entity]
            record = {**record, array: self.rows(inner, record[array])}
        for path in (path for holder, paths in self._unlisted if holder == entity for path in paths):
            record = _edited(record, path, lambda inside, key: inside | {key: []})
        for fault in self._records:
            if (fault.entity or "execution") == entity:
                record = _damaged(fault, entity, record, number)
        return record

    def rows(self, entity: str, records: Sequence[Record]) -> list[Record]:
        """A whole list of records with the faults that hit the list and its records."""
        if entity not in self._touched:
            return list(records)
        shown, place = self.order(entity, len(records))
        return [self.record(entity, records[place(number)]) for number in range(shown)]


def ordinal(entity: str, record: Record) -> int:
    """Running number of a record of its entity: from its id alone, so that a fault hits it wherever it is shown."""
    number: int = record["id"]
    return number // 8 if entity in _SHARED_SPACE else number


def _biggest(entity: str, number: int) -> bool:
    """The record number 3; of steps, which some testcases lack, the third of each of the first five testcases."""
    return number % 10 == 3 and number < 50 if entity == "teststep" else number == 3


def _some(number: int) -> bool:
    return number % 10 == 3


def _damaged(fault: Fault, entity: str, record: Record, number: int) -> Record:
    """`record` with one field fault, if it hits the record."""
    match fault.name:
        case "rename-field":
            return _edited(record, fault.field, lambda holder, key: _rename(holder, key, fault.value))
        case "add-field":
            return _edited(record, fault.field, lambda holder, key: holder | {key: f"added {number}"}, create=True)
        case "drop-field":
            return _edited(record, fault.field, lambda holder, key: {k: v for k, v in holder.items() if k != key})
        case "retype-field":
            return _edited(record, fault.field, _retype)
        case "text-ids":
            return record | {"id": str(record["id"])}
        case "big-record":
            path = _BIG_TEXT_FIELD.get(entity, ("description",))
            big = "x" * round(fault.number * 1_000_000)
            return (
                _edited(record, path, lambda holder, key: holder | {key: big}, create=True)
                if _biggest(entity, number)
                else record
            )
    return _sometimes_damaged(fault, entity, record) if _some(number) else record


def _sometimes_damaged(fault: Fault, entity: str, record: Record) -> Record:
    match fault.name:
        case "null-ids":
            return record | {"id": None}
        case "orphan":
            path = tuple(FOREIGN_KEYS[entity].split("."))
            return _edited(record, path, lambda holder, key: holder | {key: _NOWHERE})
        case "retype-some":
            return _edited(record, fault.field, _retype)
        case "bad-date":
            return _edited(record, fault.field, lambda holder, key: holder | {key: "31/31/2025 soon"})
        case "new-status":
            result = (
                {"lastTestResult": record["lastTestResult"] | {"executionStatus": fault.value}}
                if "lastTestResult" in record
                else {}
            )
            return record | {"status": fault.value} | result
    return record


def _edited(record: Record, path: Sequence[str], edit: Callable[[Record, str], Record], create: bool = False) -> Record:
    """A copy of `record` with `edit` done to what holds the last key; untouched where the path is absent."""
    key, *rest = path
    if rest:
        holder = record.get(key)
        return record | {key: _edited(holder, rest, edit, create)} if isinstance(holder, dict) else record
    return edit(record, key) if create or key in record else record


def _rename(holder: Record, key: str, new: str) -> Record:
    return {new if name == key else name: value for name, value in holder.items()}


def _retype(holder: Record, key: str) -> Record:
    value = holder[key]
    return holder | {key: str(value) if isinstance(value, dict | list) else {"value": value}}


def _same(number: int) -> int:
    return number


def _once_more(number: int) -> int:
    """Of each block of ten, the first row comes twice."""
    return number // 11 * 10 + max(number % 11 - 1, 0)


def _shifted(lost: int) -> Callable[[int], int]:
    return lambda number: number - 1 if number == lost else number


def _chained(steps: Sequence[Callable[[int], int]]) -> Callable[[int], int]:
    def place(number: int) -> int:
        for step in steps:
            number = step(number)
        return number

    return place
