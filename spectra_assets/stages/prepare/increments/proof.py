"""The proof that a parameter gives exactly the rows that changed at or after an instant, shown by rows that are known.

A list is read as it is. Then it is asked for with an instant in the middle of those that its rows have: every known row at or
after it must come, no row before it, and both kinds must exist. This is done with several instants, chosen so that another field
of the records (when they were made) would give other rows, and with several parents where there are. A parameter that the server
ignores changes nothing; all candidates are sent at once to find that out by one request.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any, Literal

from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.asking.moments import forms_like, micros, written
from spectra_assets.stages.asking.sampling import Asked, Explorer, Listing
from spectra_assets.stages.prepare.fields.marks import looks_deleted
from spectra_assets.stages.prepare.increments.naming import names_change
from spectra_assets.stages.values.shapes import digest

PAGES = 5
"""Pages of a list that are read for a proof."""

_INSTANTS = 2
"""Instants that a parameter is proven with per list, if its rows have so many."""

_FAR = 400 * 86_400 * 1_000_000
_AT_MOST = 8
"""Names that are tried by themselves at a server which refuses those it does not know."""

_FAULTS = ("broken", "unreachable", "notJson")
"""What an answer may be that says nothing of a parameter."""

Boundary = Literal["inclusive", "exclusive", "notSeen"]


@dataclass(frozen=True)
class Proven:
    """A parameter that works, how it takes instants, and how that was seen."""

    parameter: str
    form: str
    boundary: Boundary
    evidence: str
    tombstones: tuple[Record, ...] = ()
    """Records that came although the whole list does not have them: they say of themselves that they were deleted."""


@dataclass(frozen=True)
class Known:
    """A list as it is without a filter: its rows, the instant of each, and what other fields would say in place of these."""

    asked: Asked
    listing: Listing
    cursor: str
    moments: dict[str, int]
    """Row (by its digest) → instant of its cursor."""
    others: Mapping[str, dict[str, int]]
    """Another field that holds instants → row → instant."""
    example: Any

    @property
    def instants(self) -> list[int]:
        """The different ones, in order."""
        return sorted(set(self.moments.values()))


def known_list(asked: Asked, listing: Listing, cursor: str) -> Known | None:
    """The list, if its rows can show whether a filter works: all have the cursor, and not all at one instant."""
    moments: dict[str, int] = {}
    for record in listing.records:
        moment = micros(next(values_at(record, cursor), None))
        if moment is None:
            return None
        moments[digest(record)] = moment
    if listing.failure or len(set(moments.values())) < 2:
        return None
    example = next(values_at(listing.records[0], cursor))
    return Known(asked, listing, cursor, moments, dict(_others(listing.records, cursor, moments)), example)


def _others(records: Sequence[Record], cursor: str, moments: Mapping[str, int]) -> Iterator[tuple[str, dict[str, int]]]:
    for name in records[0]:
        found = {digest(record): micros(record.get(name)) for record in records}
        whole = {row: moment for row, moment in found.items() if moment is not None}
        if name != cursor and len(whole) == len(moments):
            yield name, whole


@dataclass
class Seeker:
    """Looks for a parameter of one endpoint. `lists` are lists of it as they are without a filter."""

    explorer: Explorer
    lists: Sequence[Known]
    why: str = ""
    """Why none was found."""
    torn: str = ""
    """Why an answer says nothing: one of its pages could not be had."""

    def found(self, names: Sequence[str]) -> Proven | None:
        """The first of the candidates that is proven."""
        first = self.lists[0]
        for form in forms_like(first.example):
            instants = [list(islice(chosen(known, form), _INSTANTS)) for known in self.lists]
            for name in self._moving(first, names, form):
                proven = self._proven(name, form, instants)
                if proven is not None:
                    return proven
        self.why = self.why or f"{', '.join(names[:6])}: ignored, or refused"
        return None

    def _moving(self, known: Known, names: Sequence[str], form: str) -> Sequence[str]:
        """Those of the names that may change the answer: none, if all of them together don't."""
        if len(names) == 1:
            return names
        far = written(known.instants[-1] + _FAR, form)
        answer = self._ask(known, dict.fromkeys(names, far), pages=1)
        if answer.category == "notProbed":
            self.why = answer.failure
            return ()
        if answer.failure:  # a server that refuses names it does not know
            return names[:_AT_MOST]
        same = answer.records == known.listing.records[: len(answer.records)] and bool(answer.records)
        return () if same else names

    def _proven(self, name: str, form: str, instants: Sequence[Sequence[int]]) -> Proven | None:
        """`instants` are those to ask each list with."""
        told: list[str] = []
        boundary: Boundary = "notSeen"
        separate: set[str] = set()
        tombstones: dict[str, Record] = {}
        for known, some in zip(self.lists, instants, strict=True):
            for instant in some:
                value = written(instant, form)
                answer = self._ask(known, {name: value})
                if answer.torn or answer.category in _FAULTS:
                    self.torn = answer.torn or f"{name}={value} gave {answer.failure}"
                    continue
                seen = _judged(known, answer, instant)
                if seen is None:
                    self.why = self.why or f"{name}={value} gave {answer.failure or f'{len(answer.records)} other rows'}"
                    return None
                boundary = boundary if seen == "notSeen" else seen
                tombstones |= {digest(record): record for record in _unlisted(known, answer)}
                separate |= {
                    field for field in known.others if _split(known.others[field], instant) != _split_own(known, instant)
                }
                told.append(f"{name}={value} gave {len(answer.records)} of {len(known.moments)} rows")
        alike = {field for known in self.lists for field in known.others} - separate
        if not told:
            self.why = self.torn or "no instant divides the rows"
            return None
        if alike and not names_change(name):
            self.why = (
                f"{name} works, but {', '.join(sorted(alike)[:3])} would give the same rows: nothing shows which it goes by"
            )
            return None
        return Proven(name, form, boundary, "; ".join(told)[:500], tuple(tombstones.values()))

    def _ask(self, known: Known, query: Mapping[str, str], pages: int = PAGES) -> Listing:
        asked = known.asked
        return self.explorer.listing(Asked(asked.path, asked.filled, (*asked.query, *query.items()), odd=True), pages)


def chosen(known: Known, form: str) -> Iterator[int]:
    """Instants as the form can say them which divide the rows, those first by which most other fields would divide otherwise."""
    instants, moments = known.instants, sorted(known.moments.values())
    spans = [_apart(known.moments, other) for other in known.others.values()]
    found: dict[int, tuple[int, int]] = {}
    between = [(one + other) // 2 for one, other in pairwise(instants)]
    for moment in [*instants[1:-1], *between]:
        instant = _rounded(moment, form)
        later = len(moments) - bisect_left(moments, instant)
        if 0 < later < len(moments) and (known.listing.whole or later * 2 <= len(moments)):
            differs = sum(_within(instant, *each) for each in spans)
            found.setdefault(instant, (-differs, abs(later * 2 - len(moments))))
    yield from sorted(found, key=lambda instant: found[instant])


def _apart(one: Mapping[str, int], other: Mapping[str, int]) -> tuple[list[int], list[int]]:
    """(starts, ends) of the spans in which an instant divides the rows otherwise by one field than by another: after its start,
    and not after its end."""
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted(sorted((moment, other[row])) for row, moment in one.items() if moment != other[row]):
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return starts, ends


def _within(instant: int, starts: Sequence[int], ends: Sequence[int]) -> bool:
    place = bisect_left(starts, instant) - 1
    return place >= 0 and instant <= ends[place]


def _rounded(moment: int, form: str) -> int:
    """The instant that the form really says."""
    text = written(moment, form)
    said = micros(int(text) if text.isdigit() else text)
    return moment if said is None else said


def _split(moments: Mapping[str, int], instant: int) -> frozenset[str]:
    return frozenset(row for row, moment in moments.items() if moment >= instant)


def _split_own(known: Known, instant: int) -> frozenset[str]:
    return _split(known.moments, instant)


def _judged(known: Known, answer: Listing, instant: int) -> Boundary | None:
    """Whether the answer is exactly what changed since; None if it is not.

    Of a list that was not read whole further rows may come, none of them of before; of a whole one only those of records that say
    that they were deleted.
    """
    if answer.failure or not answer.whole:
        return None
    came = {digest(record): micros(next(values_at(record, known.cursor), None)) for record in answer.records}
    if any(moment is None or moment < instant for moment in came.values()):
        return None
    seen = came.keys() & known.moments.keys()
    if any(not looks_deleted(record) for record in _unlisted(known, answer)):
        return None
    inclusive = _split_own(known, instant)
    exclusive = frozenset(row for row in inclusive if known.moments[row] > instant)
    if seen == inclusive:
        return "notSeen" if inclusive == exclusive else "inclusive"
    return "exclusive" if seen == exclusive and exclusive else None


def _unlisted(known: Known, answer: Listing) -> list[Record]:
    """Records that came although the whole list does not have them."""
    return [record for record in answer.records if digest(record) not in known.moments] if known.listing.whole else []
