"""Words that became others, and words that stand for no value: a person may have them read as what they stand for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spectra_assets.covenant.amounts import NUMBERS
from spectra_assets.covenant.canon import CanonField
from spectra_assets.covenant.model import Column, DataType, PiiLevel, Table
from spectra_assets.gates.altered import words_of
from spectra_assets.learning.facts import MOST_RECORDS, Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.registry import CLEAN, carried, remedies_for, rule, scope
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.extract.drift import plain_text
from spectra_assets.stages.values.dates import EPOCH_MS

_OFTEN = 0.02
"""Share of the records from which on a text is the one that the gate saw so often."""

_TEXTS = 20
"""Different texts that one rule has read as none at most: more of them are no slips."""

_LONGEST = 40
"""Characters of a text that a rule carries."""

_UNITS = (1, 10**3, 10**6, 10**9)
"""Parts of a second that epoch numbers count."""


@remedies_for(Cause.CHANGED_WORDS)
def former_words(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """Each new word is read as the one that stood there before, as the records that are there both times show by their keys. What
    names a record is no word: it goes with that record's key."""
    table, column = _of(gap, facts)
    if table is None or column is None or column.references is not None or column.name in table.primary_key:
        return
    path, stood = column.source[0], _stood(table, column, facts)
    came = {key: now for record in _records(table, facts) if (key := _key(table, record)) and (now := _text(record, path))}
    read = words_of([(stood[key], now) for key, now in came.items() if key in stood])
    if read and carried(path, *read, *read.values()):
        told = ", ".join(f"{new} stands for {old}" for new, old in list(read.items())[:6])
        why = f"in {len(came.keys() & stood.keys())} records that were there before, by their keys, {told}"
        needs = f"{why}. Yes reads them so from now on, and nothing changes for who reads {gap.full_table}"
        yield rule(RemedyKind.READ_AS, CLEAN, "read_as", scope(gap, facts, path), {"values": read}, why, needs)


@remedies_for(Cause.PLACEHOLDER)
def stands_for_none(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """The value is read as none."""
    table, column = _of(gap, facts)
    seen = next((fact.seen for fact in gap.evidence if fact.seen), None)
    if table is None or column is None or seen is None:
        return
    path = column.source[0]
    records = _records(table, facts)
    means = Counter(text for record in records if (text := _text(record, path)) and _means(text, seen, column))
    # 1970 is a year of birth, too
    written = {text: count for text, count in means.items() if count > _OFTEN * len(records)}
    if written and carried(path, *written):
        counted = sum(written.values())
        why = f"{counted} records have {', '.join(list(written)[:3])} at {path}, which stands for no value"
        needs = f"{why}: it would be counted, summed and averaged as one. Yes reads it as none from now on"
        values = {"values": dict.fromkeys(sorted(written)[:20])}
        yield rule(RemedyKind.READ_AS, CLEAN, "read_as", scope(gap, facts, path), values, why, needs)


def few_as_none(gap: Gap, facts: Facts, known: CanonField, cells: Sequence[Any], total: int) -> Iterator[Remedy]:
    """Of `total` cells these few are none of what the column is: a person may have them read as none. Not where a value is
    required, and never of what may tell who somebody is."""
    told = Counter(plain_text(cell) for cell in cells)
    texts = [text for text in told if text]
    found = facts.column(known.raw, gap.full_table)
    if found is None or found[0].pii != PiiLevel.NONE or known.required or known.key or not 0 < len(texts) <= _TEXTS:
        return
    if max(map(len, texts)) > _LONGEST or not carried(known.raw, *texts):
        return
    shown = ", ".join(f"{text!r} ({told[text]})" for text in sorted(texts, key=lambda text: -told[text])[:5])
    why = f"{len(cells)} of {total} cells of {known.raw} are no {known.type}: {shown}{', …' if len(texts) > 5 else ''}"
    needs = (
        f"{why}. Mended at the source, they come by themselves. Yes reads them as none from now on, and their rows are in "
        f"{found[1].table} with all others"
    )
    values = {"values": dict.fromkeys(sorted(texts))}
    yield rule(RemedyKind.READ_AS, CLEAN, "read_as", scope(gap, facts, known.raw), values, why, needs)


def _of(gap: Gap, facts: Facts) -> tuple[Table | None, Column | None]:
    """The gap's table and column, if the column has a place in records."""
    table = facts.table(gap.full_table)
    column = table.columns.get(gap.subject) if table is not None else None
    plain = column is not None and column.source and not column.source[0].startswith("@")
    return (table, column) if plain else (None, None)


def _records(table: Table, facts: Facts) -> list[Record]:
    return facts.fetched(table.entity or "") or facts.published(table.entity or "")


def _stood(table: Table, column: Column, facts: Facts) -> Mapping[tuple[str, ...], Any]:
    """Key → what the published table has in the column."""
    names = [*table.primary_key, column.name]
    found: dict[tuple[str, ...], Any] = {}
    for batch in facts.lakehouse.batches(table.ref, names):
        rows = zip(*(batch.column(place).to_pylist() for place in range(len(names))), strict=True)
        found |= {tuple(map(str, key)): str(value) for *key, value in rows if value is not None}
        if len(found) >= MOST_RECORDS:
            break
    return found


def _key(table: Table, record: Record) -> tuple[str, ...]:
    """The record's key as texts; () if it is not in the record."""
    parts = [_text(record, table.columns[name].source[0]) for name in table.primary_key]
    return tuple(part for part in parts if part) if all(parts) else ()


def _text(record: Record, path: str) -> str | None:
    """The value at a path as the text that Clean reads; None without one."""
    value = next(values_at(record, path), None)
    if isinstance(value, dict | list) or value is None:
        return None
    return str(value).strip().lower() if isinstance(value, bool) else str(value).strip() or None


def _means(text: str, seen: str, column: Column) -> bool:
    """Whether a text is the value that the gate saw."""
    if column.type == DataType.TEXT:
        return text == seen
    try:
        number = float(text)
    except ValueError:
        return column.type not in NUMBERS and re.search(rf"\b{re.escape(seen[:4])}\b", text) is not None
    if column.type in NUMBERS:
        return number == float(seen)
    return not any(EPOCH_MS[0] <= number * 1000 / unit <= EPOCH_MS[1] for unit in _UNITS)
