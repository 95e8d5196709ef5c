"""What the rows of several parents prove about a route: whether its parameter counts, and which field names the parent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spectra_assets.covenant.paths import escaped, split_path
from spectra_assets.names import words
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.prepare.routes.identity import KEY_WORDS, plain_paths, rank
from spectra_assets.stages.prepare.routes.routes import Trial
from spectra_assets.stages.values.shapes import digest

NAMES_PARENT = 0.8
"""Share of rows that must name the parent asked for; the others are bad rows of a good route."""

_OWN_KEY = "id"


def judge(trial: Trial, nonsense: Sequence[Record] | None) -> None:
    """Decide on a candidate with a parent from the rows of the parents tried.

    `nonsense` are the rows that an id which is none gave, none if it was refused; None if it was not asked.
    """
    with_rows, parameter = trial.with_rows, ", ".join(trial.candidate.parameters)
    if not with_rows:
        answered = any(not listing.failure for listing in trial.tried.values())
        trial.verdict = "empty" if answered else "error"
        trial.evidence = f"{len(trial.tried)} parents asked, none had rows" + _because(trial.failures)
        return
    sets = {parent: {digest(row) for row in rows} for parent, rows in with_rows.items()}
    seen = Counter(mark for marks in sets.values() for mark in marks)
    trial.overlap = round(sum(count > 1 for count in seen.values()) / len(seen), 4)
    alike = len(sets) > 1 and len({frozenset(marks) for marks in sets.values()}) == 1
    nowhere = {digest(row) for row in nonsense or ()}
    if nowhere and any(marks == nowhere for marks in sets.values()):
        trial.verdict = "ignored"
        trial.evidence = f"an id that is none gave the same {len(nowhere)} rows: {parameter} is ignored"
        return
    if alike and nonsense is None:
        trial.verdict = "ignored"
        trial.evidence = f"{len(sets)} different parents gave the same {len(seen)} rows: {parameter} is ignored"
        return
    _find_inclusion(trial)
    other = None if trial.inclusion_field else _contradiction(trial)
    if other:
        trial.verdict, trial.evidence = "contradicted", other
        return
    trial.verdict = "proven"
    trial.evidence = _proof(trial, len(seen), nonsense)


def _proof(trial: Trial, rows: int, nonsense: Sequence[Record] | None) -> str:
    told = [f"{len(trial.with_rows)} of {len(trial.tried)} parents had rows, {rows} different ones"]
    if len(trial.with_rows) > 1:
        told.append(f"shared between parents {trial.overlap:.0%}")
    if nonsense is not None:
        told.append(f"an id that is none gave {len(nonsense)} rows")
    if trial.inclusion_field:
        by = f" by its {trial.referenced}" if trial.referenced not in (None, *trial.candidate.sources) else ""
        told.append(f"{trial.inclusion_field} names the parent{by} in {trial.inclusion:.0%} of the rows")
    return "; ".join(told) + _because(trial.failures)


def _because(failures: Sequence[str]) -> str:
    return f"; failures: {' | '.join(failures[:3])}" if failures else ""


def _find_inclusion(trial: Trial) -> None:
    """The field of the rows that names the parent: by a value it was asked with, else by another that its record is known by."""
    rows, candidate = trial.with_rows, trial.candidate
    ways = [(path, _asked_with(trial, place)) for place, path in enumerate(candidate.sources)]
    if not candidate.composite:
        ways += list(_known_by(trial))
    for path, values in ways:
        if len(set(values.values())) < len(rows) and not candidate.composite:
            continue
        found, share = inclusion(rows, candidate.parameters[0], values)
        if found:
            trial.name_by(found, share, path)
            return


def _asked_with(trial: Trial, place: int) -> dict[str, str]:
    """Parent → one of the values it was asked with."""
    found = {}
    for parent in trial.with_rows:
        value = trial.values.get(parent, parent)
        found[parent] = str(value[place]) if isinstance(value, tuple) else str(value)
    return found


def _known_by(trial: Trial) -> Iterator[tuple[str, dict[str, str]]]:
    """(path, parent → value) of the other fields that name a parent's record."""
    entity = trial.candidate.parent[0] if trial.candidate.parent else ""
    held = {parent: trial.holders[parent] for parent in trial.with_rows if parent in trial.holders}
    if len(held) < len(trial.with_rows):
        return
    for path in sorted({path for record in held.values() for path in plain_paths(record)}):
        own = rank(path, entity)
        values = {parent: next(values_at(record, path), None) for parent, record in held.items()}
        if path not in trial.candidate.sources and own is not None and own[0] != 1 and None not in values.values():
            yield path, {parent: str(value) for parent, value in values.items()}


def inclusion(
    rows: Mapping[str, Sequence[Record]], parameter: str, values: Mapping[str, str] | None = None
) -> tuple[str | None, float | None]:
    """The field whose values equal the value of the parent asked for, and in which share of the rows; None if there is none.

    `values` are parent → value, by default the parent's name itself. With rows of several parents the field must fit more
    than one value. The record's own id is no reference: small numbers meet by chance.
    """
    total = sum(map(len, rows.values()))
    hits: Counter[str] = Counter()
    named: dict[str, set[str]] = {}
    wants = {parent: values[parent] if values else parent for parent in rows}
    for parent, records in rows.items():
        wanted = wants[parent]
        for record in records:
            for path in {path for path, value in leaves(record) if str(value) == wanted and path != _OWN_KEY}:
                hits[path] += 1
                named.setdefault(path, set()).add(wanted)
    least = min(2, len(set(wants.values())))
    fits = [path for path, count in hits.items() if count / total >= NAMES_PARENT and len(named[path]) >= least]
    best = max(
        fits, key=lambda path: (hits[path], "[]" not in path, _leaf(path) == _plain(parameter), -len(path), path), default=None
    )
    return (best, round(hits[best] / total, 4)) if best else (None, None)


def _contradiction(trial: Trial) -> str:
    """Whether the rows name another parent than the one asked for in the field that should name it."""
    rows, candidate = trial.with_rows, trial.candidate
    entity = candidate.parent[0] if candidate.parent else ""
    names = {_plain(name) for name in candidate.parameters if _plain(name) not in KEY_WORDS} | {_plain(f"{entity}id")}
    ways = [path for path, _ in _known_by(trial)]
    wrong: Counter[str] = Counter()
    total = sum(map(len, rows.values()))
    for parent, records in rows.items():
        value = trial.values.get(parent, parent)
        right = set(map(str, value if isinstance(value, tuple) else (value,)))
        right |= {str(held) for path in ways for held in values_at(trial.holders.get(parent, {}), path)}
        for record in records:
            wrong.update(
                {path for path, value in leaves(record) if _leaf(path) in names and str(value) not in right and "[]" not in path}
            )
    path, count = next(iter(wrong.most_common(1)), ("", 0))
    if count / total <= 1 - NAMES_PARENT:
        return ""
    return f"{count} of {total} rows name another parent in {path} than the one asked for"


def leaves(record: Record, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(JSON path, value) of every plain value that could be an id, in records and in arrays of plain values."""
    for key, value in record.items():
        path = prefix + escaped(key)
        if isinstance(value, dict):
            yield from leaves(value, f"{path}.")
        elif isinstance(value, list):
            yield from ((f"{path}[]", each) for each in value if isinstance(each, str | int))
        elif isinstance(value, str | int) and not isinstance(value, bool):
            yield path, value


def _plain(name: str) -> str:
    return "".join(words(name)).lower()


def _leaf(path: str) -> str:
    parts = split_path(path)
    return _plain(parts[-1]) if parts else ""
