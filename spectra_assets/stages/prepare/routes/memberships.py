"""Lists below a parent whose records come by another route: what they still tell is which of them belong to which parent.

`/lists/{id}/profiles` beside `/profiles`, `/orders/{id}/customer` beside `/customers`: where no field of the records tells that,
nor one of the parent's own, the pairs are an entity of their own, of whose records only the key is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spectra_assets.covenant.access import ParentKey
from spectra_assets.covenant.following import unused
from spectra_assets.covenant.paths import HASH, escaped
from spectra_assets.names import camel, pascal, singular
from spectra_assets.stages.asking.answers import Record, key_alone, values_at
from spectra_assets.stages.prepare.routes.known import Known
from spectra_assets.stages.prepare.routes.routes import Trial

_MOSTLY = 0.8
"""Share of the records' ids that must stand in the parent's record, so that it tells them itself; the same share of them must be
ids that the other route gives, so that they are these records."""

_LONGEST = 80


@dataclass(frozen=True)
class Membership:
    """Which records of `entity` belong to which of a parent's: told by the lists that `trial` tried, in `requests` of them."""

    name: str
    entity: str
    trial: Trial
    requests: int

    @property
    def link(self) -> ParentKey:
        """Whose records the lists lie below."""
        link = self.trial.candidate.link
        assert link is not None  # noqa: S101  (such have a parent)
        return link

    @property
    def told(self) -> str:
        """What it tells, for people."""
        return f"which {self.entity} belongs to which {self.link.entity}"

    def read(self, key: str) -> Trial:
        """The trial as one of an entity of its own, whose records hold nothing but the key at this path."""
        rows = {parent: [key_alone(row, key) for row in rows] for parent, rows in self.trial.rows.items()}
        evidence = f"{self.told}: no field tells it; {self.requests} requests predicted; {self.trial.evidence}"
        candidate = replace(self.trial.candidate, entity=self.name)
        return replace(self.trial, candidate=candidate, rows=rows, predicted=self.requests, evidence=evidence)


def memberships(
    trials: Mapping[str, Sequence[Trial]], known: Mapping[str, Known], requests: Callable[[Trial], int]
) -> list[Membership]:
    """The relations that only a route tells which was not chosen; of two routes of one relation the cheaper one."""
    names = set(known)
    found = [
        Membership("", entity, trial, requests(trial))
        for entity, tried in trials.items()
        if entity in known
        for trial in tried
        if _relates(entity, trial, known)
    ]
    kept: list[Membership] = []
    for one in sorted(found, key=lambda each: (each.requests, each.trial.candidate.path)):
        if not any(_same(one, other) for other in kept):
            name = _name(one, names)
            names.add(name)
            kept.append(replace(one, name=name))
    return kept


def _relates(entity: str, trial: Trial, known: Mapping[str, Known]) -> bool:
    """Whether a proven route below another entity tells what no field does."""
    mine, link = known[entity], trial.candidate.link
    if trial is mine.trial or not trial.viable or trial.candidate.guess or link is None or link.composite:
        return False
    if link.location != "path" or link.path.startswith("@") or "[]" in link.path or link.entity == entity:
        return False
    parent = known.get(link.entity)
    if parent is None or not parent.trial.viable or trial.inclusion_field or mine.fetch.recursive:
        return False
    above = [each for each, of in ((link.entity, mine), (entity, parent)) if of.fetch.parent and each in of.fetch.parent.entities]
    return not above and _of_these(trial, mine) and not _told_above(trial, mine.key.path)


def _of_these(trial: Trial, mine: Known) -> bool:
    """Whether the records are the entity's, which have a key of their own."""
    path = mine.key.path
    if mine.key.scope != "entity" or path == HASH or "[]" in path:
        return False
    ids = [str(next(values_at(row, path), "")) for row in trial.all_rows]
    known = {str(value) for row in mine.records for value in values_at(row, path)}
    there = sum(each in known for each in ids) if mine.whole else len(ids)
    return bool(ids) and all(ids) and there >= _MOSTLY * len(ids)


def _told_above(trial: Trial, key: str) -> bool:
    """Whether one field of the parents' own records holds the ids of what their lists give, or addresses that end with them."""
    hits: dict[str, int] = {}
    total = 0
    for parent, rows in trial.with_rows.items():
        ids = {str(value) for row in rows for value in values_at(row, key)}
        total += len(ids)
        held: dict[str, set[str]] = {}
        for path, value in _scalars(trial.holders.get(parent, {})):
            held.setdefault(path, set()).update((value, value.rstrip("/").rpartition("/")[2]))
        for path, values in held.items():
            hits[path] = hits.get(path, 0) + len(ids & values)
    return total > 0 and max(hits.values(), default=0) >= _MOSTLY * total


def _scalars(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, text) of every plain value of a record, in arrays and nested records too."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _scalars(below, f"{path}.{escaped(name)}")
    elif isinstance(value, list):
        for below in value:
            yield from _scalars(below, f"{path}[]")
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield path, str(value)


def _same(one: Membership, other: Membership) -> bool:
    """Whether two routes tell one relation: the same lists below the same parents, or the lists of the one turned round."""
    if (one.entity, one.link.entity) == (other.entity, other.link.entity):
        common = one.trial.with_rows.keys() & other.trial.with_rows.keys()
        mine, theirs = ({name: _marks(each.trial.rows[name]) for name in common} for each in (one, other))
        return bool(common) and mine == theirs
    return (one.entity, one.link.entity) == (other.link.entity, other.entity)


def _marks(rows: Sequence[Record]) -> set[str]:
    return {repr(sorted(row.items(), key=str)) for row in rows}


def _name(one: Membership, taken: set[str]) -> str:
    """`orderProduct`; by what the path calls it (`userStarred`) where that is not what the records are."""
    fixed = [part for part in one.trial.candidate.path.split("/") if part and "{" not in part]
    said = singular(camel(fixed[-1])) if fixed else ""
    last = one.entity if not said or said.lower() == one.entity.lower() else said
    return unused([f"{one.link.entity}{pascal(last)}"[:_LONGEST]], taken)
