"""Routes to an entity's records, what trying them showed, and which one misses nothing that another gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from spectra_assets.client.target import ParentValue
from spectra_assets.covenant.access import Across, Fill, ParentKey
from spectra_assets.covenant.paths import escaped
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.asking.ids import Id
from spectra_assets.stages.asking.parents import parent_paths
from spectra_assets.stages.asking.sampling import Listing
from spectra_assets.stages.asking.wire import SPENT
from spectra_assets.stages.values.shapes import digest

Verdict = Literal["proven", "complete", "partial", "ignored", "empty", "error", "contradicted", "notTried"]

VIABLE: frozenset[Verdict] = frozenset(("proven", "complete"))
"""Verdicts of routes that Extract may follow."""

_JUDGED = 10
"""Rows of another route that must lie where a list was read already, before they say anything of it."""

_SAME_KIND = 0.5
"""Share of their usual fields that two routes' records must have in common to be of one kind."""


@dataclass(frozen=True)
class Candidate:
    """One way to list an entity: a path, and its parameters filled with values of one parent's record.

    `parent` is (entity, JSON path of what fills `parameter`), `also` fills further parameters from the same record. `guess`:
    nothing documents it.
    """

    entity: str
    path: str
    parameter: str | None = None
    location: Literal["path", "query"] | None = None
    parent: tuple[str, str] | None = None
    guess: bool = False
    also: tuple[Fill, ...] = ()
    across: Across | None = None

    @property
    def link(self) -> ParentKey | None:
        """The parent as a fetch plan has it."""
        if self.parent is None or self.parameter is None:
            return None
        entity, path = self.parent
        where = self.location or "path"
        return ParentKey(
            entity=entity, path=path, parameter=self.parameter, location=where, also=list(self.also), across=self.across
        )

    @property
    def parameters(self) -> list[str]:
        """Names of what is filled, in the order of a composite value."""
        if self.parameter is None:
            return []
        across = [self.across.parameter] if self.across else []
        return [self.parameter, *(fill.parameter for fill in self.also), *across]

    @property
    def sources(self) -> list[str]:
        """Where in the parent's records the values are, in the same order."""
        return parent_paths(self.link) if self.link else []

    @property
    def composite(self) -> bool:
        """Whether it takes several values."""
        return bool(self.also) or self.across is not None

    @property
    def told(self) -> str:
        """`repo.name, owner.login`: what it is asked with, for people."""
        if self.parent is None:
            return "nothing"
        if self.across is not None:
            return f"{self.parent[0]}.{', '.join(self.sources[:-1])} × {self.across.entity}.{self.across.path}"
        return f"{self.parent[0]}.{', '.join(self.sources)}"

    def filled(self, value: ParentValue) -> tuple[tuple[str, Id], ...]:
        """(parameter, value) of each."""
        values = value if isinstance(value, tuple) else (value,)
        return tuple(zip(self.parameters, values, strict=True))


@dataclass
class Trial:
    """What trying a candidate showed. Rows are flattened where the entity is a tree.

    Parents are named by the text of their value (see client/target.py).
    """

    candidate: Candidate
    verdict: Verdict = "notTried"
    evidence: str = ""
    tried: dict[str, Listing] = field(default_factory=dict)
    """Parent (empty without one) → its rows."""
    rows: dict[str, list[Record]] = field(default_factory=dict)
    values: dict[str, ParentValue] = field(default_factory=dict)
    """Parent → the value it was asked with."""
    holders: dict[str, Record] = field(default_factory=dict)
    """Parent → its own record."""
    overlap: float | None = None
    inclusion_field: str | None = None
    inclusion: float | None = None
    referenced: str | None = None
    """JSON path in the parent's records whose values `inclusion_field` holds."""
    predicted: int | None = None
    every_parent: bool = False
    """Whether all parents that there are were tried."""
    known_parents: frozenset[str] | None = None
    """All parents that there are, if they are known."""
    _aliases: dict[str, str] | None = None
    """Value at `referenced` → parent, of all holders."""
    _different: tuple[tuple[list[Record], ...], tuple[Record, ...]] = field(default=((), ()), repr=False, compare=False)
    """The lists of `rows` of which the different rows are known, and these."""

    @property
    def viable(self) -> bool:
        return self.verdict in VIABLE

    @property
    def outage(self) -> str:
        """The first server error (5xx) that this met, as the answer says; empty if there was none."""
        told = [each.failure for each in self.tried.values() if each.category == "broken"]
        return next((failure for failure in told if failure.startswith("5")), "")

    @property
    def cut(self) -> bool:
        """Whether the budget of requests ended before it was tried, or while it was."""
        return self.evidence == SPENT or any(each.failure == SPENT for each in self.tried.values())

    @property
    def all_rows(self) -> tuple[Record, ...]:
        """The rows of all parents, different ones once."""
        lists = tuple(self.rows.values())
        seen, different = self._different
        if len(seen) != len(lists) or any(one is not other for one, other in zip(seen, lists, strict=True)):
            different = tuple({digest(row): row for rows in lists for row in rows}.values())
            self._different = lists, different
        return different

    @property
    def with_rows(self) -> dict[str, list[Record]]:
        """Parents that have rows."""
        return {parent: rows for parent, rows in self.rows.items() if rows}

    def name_by(self, field: str, share: float | None, referenced: str) -> None:
        """Keep which field of the rows names the parent, and which of the parent's values it holds."""
        self.inclusion_field, self.inclusion, self.referenced, self._aliases = field, share, referenced, None

    def names(self, row: Record) -> list[str]:
        """The parents that a row names by its inclusion field."""
        named = [str(value) for value in values_at(row, self.inclusion_field or "")]
        if self.referenced in (None, *self.candidate.sources):
            return named
        if self._aliases is None:
            held = ((parent, value) for parent, row in self.holders.items() for value in values_at(row, self.referenced or ""))
            self._aliases = {str(value): parent for parent, value in held}
        return [self._aliases.get(value, f"{self.referenced} {value}") for value in named]

    @property
    def whole(self) -> bool:
        """Whether all rows of each parent tried are here."""
        return all(listing.whole for listing in self.tried.values())

    @property
    def failures(self) -> list[str]:
        """What went wrong, each cause once, the most frequent first."""
        return [
            cause for cause, _ in Counter(listing.failure for listing in self.tried.values() if listing.failure).most_common()
        ]


def missing(trial: Trial, other: Trial, key: str | None, nested: Mapping[str, set[str]]) -> int | None:
    """Rows that `other` showed and `trial` can't reach, as far as the rows seen tell; None if they tell nothing.

    `nested`: parent of `trial` → parents of `other` which lie in it, as far as that is known.
    """
    held = {identity(row, key) for row in trial.all_rows}
    if trial.candidate.parent is None and not trial.whole:
        return _missing_so_far(trial, other, key, held)
    if trial.candidate.parent is None or (trial.every_parent and trial.whole):
        return sum(identity(row, key) not in held for row in other.all_rows) if trial.whole else None
    if trial.inclusion_field and not trial.candidate.composite:
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


def _missing_so_far(trial: Trial, other: Trial, key: str | None, held: set[str]) -> int | None:
    """`missing` of a list that was only read in part: by what `other` shows where the list was passed already.

    That tells something where the list is in the order of one of its fields, or where the part holds all that `other` shows.
    """
    theirs = other.all_rows
    absent = [row for row in theirs if identity(row, key) not in held]
    if not absent:
        return 0 if theirs else None
    mine = trial.rows.get("", [])
    for path in [*([key] if key else []), *(name for name in map(escaped, mine[0]) if name != key)] if mine else ():
        passed = _passed(mine, path)
        if passed is not None and sum(map(passed, theirs)) >= _JUDGED:
            return sum(map(passed, absent))
    return None


def _passed(rows: Sequence[Record], path: str) -> Callable[[Record], bool] | None:
    """Whether the list, in the order of the field at `path`, was read beyond a row's place; None if it is in no such order."""
    values: list[Any] = [next(values_at(row, path), None) for row in rows]
    kind = type(values[0])
    if kind not in (int, str) or any(type(value) is not kind for value in values) or values[0] == values[-1]:
        return None
    rises = values[0] < values[-1]
    if any(before > after if rises else before < after for before, after in pairwise(values)):
        return None
    last = values[-1]

    def passed(row: Record) -> bool:
        value: Any = next(values_at(row, path), None)
        return type(value) is kind and (value < last if rises else value > last)

    return passed


def _unreachable(trial: Trial, row: Record) -> bool:
    """Whether the parent that this row names is none, or was asked for and did not give it."""
    named = trial.names(row)
    if not named:
        return True
    if any(parent in trial.tried for parent in named):
        return all(trial.tried[parent].whole for parent in named if parent in trial.tried)
    return trial.known_parents is not None and not trial.known_parents & set(named)


def identity(row: Record, key: str | None) -> str:
    """What tells this row from others: its key, else its whole content."""
    value = next(values_at(row, key), None) if key else None
    return digest(row) if value is None else str(value)


Nested = Callable[[Trial, Trial], Mapping[str, set[str]]]


def best(trials: Iterable[Trial], key: str | None, nested: Nested) -> tuple[Trial | None, str]:
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


def unlike(trials: Sequence[Trial]) -> dict[int, str]:
    """Of trials of one entity those whose records are of another kind than the first one's: id of the trial → why."""
    kinds = [(trial, _usual_fields(trial.all_rows)) for trial in trials if trial.viable]
    if not kinds:
        return {}
    first, own = kinds[0]
    found: dict[int, str] = {}
    for trial, fields in kinds[1:]:
        shared = len(own & fields)
        if shared < _SAME_KIND * min(len(own), len(fields)):
            found[id(trial)] = f"{shared} of its {len(fields)} fields are those of the {len(own)} of GET {first.candidate.path}"
    return found


def _usual_fields(records: Sequence[Record]) -> set[str]:
    seen = Counter(name for record in records for name in record)
    return {name for name, count in seen.items() if count >= len(records) / 2}
