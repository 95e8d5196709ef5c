"""Routes to an entity's records, and what data proves about them: whether a parameter counts, and which route gives more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from spectra_assets.covenant.paths import split_path
from spectra_assets.stages.answers import Record, values_at
from spectra_assets.stages.probing import Id
from spectra_assets.stages.sampling import Listing
from spectra_assets.stages.shapes import escaped

Verdict = Literal["proven", "complete", "partial", "ignored", "empty", "error", "contradicted", "notTried"]

VIABLE: frozenset[Verdict] = frozenset(("proven", "complete"))
"""Verdicts of routes that Extract may follow."""

_OWN_KEY = "id"

NAMES_PARENT = 0.8
"""Share of rows that must name the parent asked for; the others are bad rows of a good route."""


@dataclass(frozen=True)
class Candidate:
    """One way to list an entity: a path, and a parameter filled with the ids of a parent. `guess`: nothing documents it."""

    entity: str
    path: str
    parameter: str | None = None
    location: Literal["path", "query"] | None = None
    parent: tuple[str, str] | None = None
    guess: bool = False


@dataclass
class Trial:
    """What trying a candidate showed. Rows are flattened where the entity is a tree."""

    candidate: Candidate
    verdict: Verdict = "notTried"
    evidence: str = ""
    tried: dict[str, Listing] = field(default_factory=dict)
    """Id of the parent (empty without a parent) → its rows."""
    rows: dict[str, list[Record]] = field(default_factory=dict)
    overlap: float | None = None
    inclusion_field: str | None = None
    inclusion: float | None = None
    predicted: int | None = None
    every_parent: bool = False
    """Whether all ids that there are were tried."""
    known_parents: frozenset[str] | None = None
    """All ids that there are, if they are known."""

    @property
    def viable(self) -> bool:
        return self.verdict in VIABLE

    @property
    def all_rows(self) -> list[Record]:
        """The rows of all parents, different ones once."""
        return list({digest(row): row for rows in self.rows.values() for row in rows}.values())

    @property
    def with_rows(self) -> dict[str, list[Record]]:
        """Parents that have rows."""
        return {parent: rows for parent, rows in self.rows.items() if rows}

    @property
    def failures(self) -> list[str]:
        """What went wrong, each cause once, the most frequent first."""
        return [
            cause for cause, _ in Counter(listing.failure for listing in self.tried.values() if listing.failure).most_common()
        ]


def judge(trial: Trial, nonsense: Sequence[Record] | None) -> None:
    """Decide on a candidate with a parent from the rows of the parents tried.

    `nonsense` are the rows that an id which is none gave, none if it was refused; None if it was not asked.
    """
    with_rows, parameter = trial.with_rows, trial.candidate.parameter
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
    trial.inclusion_field, trial.inclusion = inclusion(with_rows, str(parameter))
    other = None if trial.inclusion_field else _contradiction(with_rows, trial.candidate)
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
        told.append(f"{trial.inclusion_field} names the parent in {trial.inclusion:.0%} of the rows")
    return "; ".join(told) + _because(trial.failures)


def _because(failures: Sequence[str]) -> str:
    return f"; failures: {' | '.join(failures[:3])}" if failures else ""


def inclusion(rows: Mapping[str, Sequence[Record]], parameter: str) -> tuple[str | None, float | None]:
    """The field whose values equal the id of the parent asked for, and in which share of the rows; None if there is none.

    With rows of several parents the field must fit more than one of them. The record's own id is no reference: small
    numbers meet by chance.
    """
    total = sum(map(len, rows.values()))
    hits: Counter[str] = Counter()
    parents: dict[str, set[str]] = {}
    for parent, records in rows.items():
        for record in records:
            for path in {path for path, value in leaves(record) if str(value) == parent and path != _OWN_KEY}:
                hits[path] += 1
                parents.setdefault(path, set()).add(parent)
    wanted = min(2, len(rows))
    fits = [path for path, count in hits.items() if count / total >= NAMES_PARENT and len(parents[path]) >= wanted]
    best = max(
        fits, key=lambda path: (hits[path], "[]" not in path, _leaf(path) == parameter.lower(), -len(path), path), default=None
    )
    return (best, round(hits[best] / total, 4)) if best else (None, None)


def _contradiction(rows: Mapping[str, Sequence[Record]], candidate: Candidate) -> str:
    """Whether the rows name another parent than the one asked for in the field that should name it."""
    names = {str(candidate.parameter).lower(), f"{candidate.parent[0]}id".lower() if candidate.parent else ""}
    wrong: Counter[str] = Counter()
    total = sum(map(len, rows.values()))
    for parent, records in rows.items():
        for record in records:
            wrong.update(
                {path for path, value in leaves(record) if _leaf(path) in names and str(value) != parent and "[]" not in path}
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


def missing(trial: Trial, other: Trial, key: str, nested: Mapping[str, set[str]]) -> int | None:
    """Rows that `other` showed and `trial` can't reach, as far as the rows seen tell; None if they tell nothing.

    `nested`: parent of `trial` → parents of `other` which lie in it, as far as that is known.
    """
    held = {identity(row, key) for row in trial.all_rows}
    whole = all(listing.whole for listing in trial.tried.values())
    if trial.candidate.parent is None or (trial.every_parent and whole):
        return sum(identity(row, key) not in held for row in other.all_rows) if whole else None
    if trial.inclusion_field:
        return sum(identity(row, key) not in held and _unreachable(trial, row) for row in other.all_rows)
    lost, compared = 0, False
    for parent, inner in nested.items():
        if parent not in trial.rows or not trial.tried[parent].whole:
            continue
        mine = {identity(row, key) for row in trial.rows[parent]}
        for child in inner & set(other.rows):
            compared = compared or bool(other.rows[child])
            lost += sum(identity(row, key) not in mine for row in other.rows[child])
    return lost if compared else None


def _unreachable(trial: Trial, row: Record) -> bool:
    """Whether the parent that this row names is none, or was asked for and did not give it."""
    named = [str(value) for value in values_at(row, trial.inclusion_field or "")]
    if not named:
        return True
    if any(parent in trial.tried for parent in named):
        return all(trial.tried[parent].whole for parent in named if parent in trial.tried)
    return trial.known_parents is not None and not trial.known_parents & set(named)


def primary_key(records: Sequence[Record]) -> str:
    """The plain top-level field that is there in all records, and different in all different ones: `id` before others."""
    different = list({digest(record): record for record in records}.values())
    fits = []
    for name in different[0] if different else ():
        values = [record.get(name) for record in different]
        plain = all(isinstance(value, str | int) and not isinstance(value, bool) and value != "" for value in values)
        if plain and len(set(map(str, values))) == len(values):
            fits.append(name)
    ranked = sorted(fits, key=lambda name: (name != "id", not name.lower().endswith(("id", "key")), len(name)))
    return escaped(ranked[0]) if ranked else "id"


def identity(row: Record, key: str) -> str:
    """What tells this row from others: its key, else its whole content."""
    value = next(values_at(row, key), None)
    return digest(row) if value is None else str(value)


def digest(record: Record) -> str:
    """Hash of a record, the same whatever the order of its keys."""
    return blake2b(msgspec.json.encode(record, order="deterministic"), digest_size=12).hexdigest()


def best(trials: Iterable[Trial], key: str, nested: Callable[[Trial, Trial], Mapping[str, set[str]]]) -> tuple[Trial | None, str]:
    """The route to follow, and why: of those that miss no row another one shows, the one with the fewest requests.

    A route that could be compared with none of the others comes after those that could.
    """
    viable = [trial for trial in trials if trial.viable]
    if not viable:
        return None, "no route is proven"
    lost: dict[int, tuple[int, bool]] = {}
    for trial in viable:
        told = [missing(trial, other, key, nested(trial, other)) for other in viable if other is not trial]
        known = [count for count in told if count is not None]
        lost[id(trial)] = (max(known, default=0), bool(told) and not known)
    least = min(lost.values())
    whole = [trial for trial in viable if lost[id(trial)] == least]
    chosen = min(whole, key=lambda trial: trial.predicted if trial.predicted is not None else 10**9)
    for trial in viable:
        if lost[id(trial)][0] > least[0]:
            trial.evidence += f"; misses {lost[id(trial)][0]} rows that another route shows"
        elif lost[id(trial)][1] and trial is not chosen:
            trial.evidence += "; could not be compared with the other routes"
    why = f"misses {least[0]} rows of others; " if least[0] else ""
    return chosen, f"{why}{chosen.predicted} requests predicted, the fewest of {len(whole)} routes with as many rows"


def as_ids(ids: Iterable[Id]) -> frozenset[str]:
    return frozenset(map(str, ids))


def _leaf(path: str) -> str:
    parts = split_path(path)
    return parts[-1].removesuffix("[]").lower() if parts else ""
