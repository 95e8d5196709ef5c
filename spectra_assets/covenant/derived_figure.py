"""The forms of derived figures: each a kpi rule over one refined table, with whose counts and sums its own are reconciled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from spectra_assets.covenant.amounts import Amount
from spectra_assets.covenant.build import Reference
from spectra_assets.covenant.derived_meaning import quoted
from spectra_assets.covenant.figure import Figure, total_of
from spectra_assets.covenant.following import unused
from spectra_assets.covenant.model import Table
from spectra_assets.covenant.outriggers import Outrigger
from spectra_assets.names import Stage, pascal
from spectra_assets.playbook import rules as written

MOST_MEMBERS = 1000
"""Rows of a figure by member, those with the most; its total is that of all."""

_TOP = 30
_MONTHS = 400
_AGES = (7, 30, 90, 180, 365)
"""Days at which the next group of ages begins."""


class Figures(Figure):
    """The figures of one table of the star."""

    def volume(self, where: str | None) -> Iterator[written.BaseRule]:
        count = self.count()
        yield from self.kpi(
            f"{self.noun}Volume", self.title, "one row", {f"sum({quoted(count)})": self.rows(where)}, where=where,
            measures={count: "count(*)"},
        )  # fmt: skip

    def by_month(self, time: str, where: str | None, amounts: Sequence[Amount]) -> Iterator[written.BaseRule]:
        """How many rows a month has, and what their amounts come to."""
        month, count = self.free("month", "eventMonth"), self.count()
        more = self.quantities(amounts, where)
        yield from self.kpi(
            f"{self.noun}VolumeByMonth",
            f"{self.title} by month",
            f"one row per month of {time}",
            {f"sum({quoted(count)})": self.rows(where), **more.totals},
            where=where,
            before={month: _month(time)},
            group_by=[month],
            measures={count: "count(*)", **more.measures},
            order_by=[quoted(month)],
            chart={"type": "line", "x": month, "y": [count], "top": _MONTHS},
        )

    def by_status(self, status: str, where: str | None, amounts: Sequence[Amount]) -> Iterator[written.BaseRule]:
        """How the rows are distributed over a status, and what their amounts come to."""
        count, share = self.count(status), unused(["sharePct", "shareOfRowsPct"], [status])
        more = self.quantities(amounts, where)
        yield from self.kpi(
            f"{self.noun}By{self.said(status)}",
            f"{self.title} by {status}",
            f"one row per {status}",
            {f"sum({quoted(count)})": self.rows(where), **more.totals},
            where=where,
            group_by=[status],
            measures={count: "count(*)", **more.measures},
            after={share: _share(count, f"sum({quoted(count)}) OVER ()")},
            order_by=[f"{quoted(count)} DESC", quoted(status)],
            chart={"type": "bar", "x": status, "y": [count], "top": _TOP},
        )

    def by_member(self, to: Reference | Outrigger, where: str | None = None) -> Iterator[written.BaseRule]:
        """Rows by member of a dimension."""
        member = self.member(to) if isinstance(to, Reference) else self.outlying(to)
        if member is None:
            return
        count = self.count(*member.columns)
        total, share, place = (unused([name], [*member.columns, count]) for name in ("totalCount", "sharePct", "place"))
        yield from self.kpi(
            f"{self.noun}By{pascal(member.role)[:50]}",
            f"{self.title} by {member.role}",
            f"one row per {member.role} with rows, for the {MOST_MEMBERS} that have most",
            {f"max({quoted(total)})": self.rows(where)},
            joins=member.joins,
            where=where,
            group_by=[member.by],
            measures={**member.label, count: "count(*)"},
            after={
                total: f"sum({quoted(count)}) OVER ()",
                share: _share(count, quoted(total)),
                place: _place(count, member.by),
            },
            keep=f"{quoted(place)} <= {MOST_MEMBERS}",
            order_by=[quoted(place)],
            chart={"type": "bar", "x": member.shown, "y": [count], "top": _TOP},
        )

    def rate_by_month(self, flag: str, time: str) -> Iterator[written.BaseRule]:
        """In what share of the rows that tell it a flag is set, in each month."""
        month = self.free("month", "eventMonth")
        told = self._told(flag, [month])
        yield from self.kpi(
            f"{self.noun}{self.said(flag)}RateByMonth",
            f"Share of {self.noun} records with {flag} by month",
            f"one row per month of {time}",
            told.totals,
            before={month: _month(time)},
            group_by=[month],
            measures=told.measures,
            after={told.rate: told.share},
            order_by=[quoted(month)],
            chart={"type": "line", "x": month, "y": [told.rate], "top": _MONTHS},
        )

    def rate_by_member(self, flag: str, reference: Reference) -> Iterator[written.BaseRule]:
        """In what share of the rows that tell it a flag is set, for each member; those first that have most rows."""
        member = self.member(reference)
        if member is None:
            return
        told = self._told(flag, member.columns)
        total, place = (unused([name], [*member.columns, *told.measures, told.rate]) for name in ("totalCount", "place"))
        count = next(iter(told.measures))
        yield from self.kpi(
            f"{self.noun}{self.said(flag)}RateBy{pascal(member.role)[:50]}",
            f"Share of {self.noun} records with {flag} by {member.role}",
            f"one row per {member.role} with rows, for the {MOST_MEMBERS} that have most",
            {f"max({quoted(total)})": "count(*)"},
            joins=member.joins,
            group_by=[member.by],
            measures={**member.label, **told.measures},
            after={told.rate: told.share, total: f"sum({quoted(count)}) OVER ()", place: _place(count, member.by)},
            keep=f"{quoted(place)} <= {MOST_MEMBERS}",
            order_by=[quoted(place)],
            chart={"type": "bar", "x": member.shown, "y": [told.rate], "top": _TOP},
        )

    def _told(self, flag: str, others: Sequence[str]) -> _Rate:
        """How often a flag is told, and how often it is set."""
        count = self.count(*others)
        known, set_, rate = (unused([f"{flag[:90]}{name}"], [*others, count]) for name in ("KnownCount", "Count", "Pct"))
        measures = {count: "count(*)", known: f"count({quoted(flag)})", set_: f"count_if({quoted(flag)})"}
        totals = {f"sum({quoted(name)})": value for name, value in measures.items()}
        return _Rate(rate, _share(set_, f"nullif({quoted(known)}, 0)"), measures, totals)

    def amount_by_month(self, amount: Amount, time: str) -> Iterator[written.BaseRule]:
        """What an amount comes to in each month; in each currency or unit of its own, if it has several."""
        month, count = self.free("month", "eventMonth"), self.count()
        more = self.quantities([amount])
        per = [amount.per] if amount.per else []
        yield from self.kpi(
            f"{self.noun}{self.said(amount.column)}ByMonth",
            f"{_words(amount)} of {self.noun} by month",
            f"one row per month of {time}{_each(amount)}",
            {f"sum({quoted(count)})": "count(*)", **more.totals},
            before={month: _month(time)},
            group_by=[month, *per],
            measures={**more.measures, count: "count(*)"},
            order_by=[quoted(month), *map(quoted, per)],
            chart=None if per else {"type": "line", "x": month, "y": [next(iter(more.measures))], "top": _MONTHS},
        )

    def standing_by_month(self, amount: Amount, time: str, told: Sequence[str]) -> Iterator[written.BaseRule]:
        """What an amount that stands at a time (a balance) comes to at the end of each month: of all that the columns `told`
        tell apart the last value in it."""
        month, last = self.free("month", "eventMonth"), self.free("isLastOfMonth")
        count, members = self.count(), unused([f"{self.noun}MemberCount"], self.refined.columns)
        end, per = self.named(f"{amount.column}AtMonthEnd"), [amount.per] if amount.per else []
        within = ", ".join(map(quoted, [*told, *per, month]))
        exact = f"try_cast({quoted(amount.column)} AS decimal(29,9))"
        yield from self.kpi(
            f"{self.noun}{self.said(amount.column)}AtMonthEnd",
            f"{amount.column} of {self.noun} at the end of each month",
            f"one row per month of {time}{_each(amount)}, with the last {amount.column} of each {' and '.join(told)} in it",
            {f"sum({quoted(count)})": "count(*)"},
            before={
                month: _month(time),
                last: f"row_number() OVER (PARTITION BY {within} ORDER BY {quoted(time)} DESC) = 1",
            },
            group_by=[month, *per],
            measures={
                end: f"sum(CASE WHEN {quoted(last)} THEN {exact} END)", members: f"count_if({quoted(last)})", count: "count(*)",
            },
            order_by=[quoted(month), *map(quoted, per)],
            chart=None if per else {"type": "line", "x": month, "y": [end], "top": _MONTHS},
        )  # fmt: skip

    def amount_by_member(self, amount: Amount, reference: Reference) -> Iterator[written.BaseRule]:
        """What an amount comes to for each member; in each currency or unit of its own, if it has several.

        Of what only an average is told, those members come first that have most rows: averages of few say little.
        """
        member = self.member(reference)
        if member is None:
            return
        count, more = self.count(*member.columns), self.quantities([amount])
        per = [amount.per] if amount.per else []
        main = next(iter(more.measures))
        ranked = main if amount.adds_up else count
        total, share, place = (
            unused([name], [*member.columns, *more.measures, *per, count]) for name in ("totalCount", "sharePct", "place")
        )
        summed = unused([f"{main}OfAll"], [*member.columns, *more.measures])
        within = f"PARTITION BY {quoted(amount.per)}" if amount.per else ""
        after = {total: f"sum({quoted(count)}) OVER ()"} if not per else {}
        totals = {f"max({quoted(total)})": "count(*)"} if not per else {f"sum({quoted(count)})": "count(*)", **more.totals}
        if amount.adds_up:
            after |= {summed: f"sum({quoted(main)}) OVER ({within})", share: _share(main, f"nullif({quoted(summed)}, 0)")}
            if not per:
                totals[f"max({quoted(summed)})"] = total_of(self.refined, amount)
        after[place] = _place(ranked, member.by, within)
        yield from self.kpi(
            f"{self.noun}{self.said(amount.column)}By{pascal(member.role)[:50]}",
            f"{_words(amount)} of {self.noun} by {member.role}",
            f"one row per {member.role} with rows{_each(amount)}" + ("" if per else f", for the {MOST_MEMBERS} that have most"),
            totals,
            joins=member.joins,
            group_by=[member.by, *per],
            measures={**member.label, **more.measures, count: "count(*)"},
            after=after,
            keep=None if per else f"{quoted(place)} <= {MOST_MEMBERS}",
            order_by=[*map(quoted, per), quoted(place)],
            chart=None if per else {"type": "bar", "x": member.shown, "y": [main], "top": _TOP},
        )

    def through_bridge(
        self, bridge: Table, mine: str, own: str, other: Reference, amounts: Sequence[Amount]
    ) -> Iterator[written.BaseRule]:
        """Rows by what a bridge joins them with. A row counts at each of its members; shared out among them it counts once in
        all, and these shares are what adds up to the rows of the fact. Rows without any are a row of their own."""
        member = self.member(other, self.refined.columns)
        refined = self.deriving.design.tables.get(f"{Stage.REFINE}.{bridge.ref.table}")
        if member is None or refined is None:
            return
        columns = [*member.columns, *self.refined.columns]
        part, apart = (unused([name], columns) for name in ("partOfRow", "apart"))
        keys = ", ".join(map(quoted, self.refined.primary_key))
        count, shared = self.count(*member.columns), unused([f"{self.noun}Shared"], member.columns)
        share, place = (unused([name], [*member.columns, count, shared]) for name in ("sharePct", "place"))
        total = unused(["totalCount"], [*member.columns, count, shared])
        once = f"{quoted(apart)} = 1"  # by another member of the bridge a row may be joined with one member several times
        sums = {
            self.named(f"{one.column}Sum"): total_of(self.refined, one, once) for one in amounts if one.adds_up and not one.per
        }
        join = {"table": refined.table, "on": {own: mine}, "columns": [other.name]}
        yield from self.kpi(
            f"{self.noun}By{pascal(member.role)[:50]}",
            f"{self.title} by {member.role}, by {bridge.ref.table}",
            f"one row per {member.role} with rows, and one for rows without any, for the {MOST_MEMBERS} that have most",
            {f"max({quoted(total)})": "count(*)"},
            joins=[join, *member.joins],
            before={
                part: f"1.0D / count(*) OVER (PARTITION BY {keys})",
                apart: f"row_number() OVER (PARTITION BY {keys}, {quoted(member.by)} ORDER BY {quoted(other.name)})",
            },
            group_by=[member.by],
            measures={**member.label, count: f"count_if({quoted(apart)} = 1)", shared: f"sum({quoted(part)})", **sums},
            after={
                total: f"round(sum({quoted(shared)}) OVER (), 6)",
                share: _share(count, quoted(total)),
                place: _place(count, member.by),
            },
            keep=f"{quoted(place)} <= {MOST_MEMBERS}",
            order_by=[quoted(place)],
            chart={"type": "bar", "x": member.shown, "y": [count], "top": _TOP},
        )

    def by_age(self, open_: str, time: str, others: Sequence[str]) -> Iterator[written.BaseRule]:
        """How old what is open is, in days before the latest time that the table holds: the same data give the same ages.

        Rows that are neither known to be open nor to be closed are counted apart.
        """
        taken = self.refined.columns
        named_so = ("asOf", "ageDays", "ageFromDays", "age", f"{self.noun}OpenCount", "unmappedCount", "oldest")
        latest, days, since, group, count, unmapped, oldest = (unused([name], taken) for name in named_so)
        neither = f"count_if({quoted(open_)} IS NULL)"
        seen = ", ".join(f"cast({quoted(name)} AS timestamp)" for name in dict.fromkeys([time, *others]))
        newest = f"max(greatest({seen}))" if "," in seen else f"max({seen})"
        steps = "".join(f" WHEN {quoted(days)} >= {age} THEN {age}" for age in reversed(_AGES))
        texts = [f"under {_AGES[0]} days", *(f"{a} to {b - 1} days" for a, b in pairwise(_AGES))]
        names = zip((0, *_AGES), [*texts, f"{_AGES[-1]} days and more"], strict=True)
        named = "".join(f" WHEN {quoted(since)} = {start} THEN '{text}'" for start, text in names)
        yield from self.kpi(
            f"{self.noun}OpenByAge",
            f"Open {self.noun} records by age",
            f"one row per age since {time}, of what is open; beside it what is not known to be open or closed",
            {f"sum({quoted(count)})": f"count_if({quoted(open_)})", f"sum({quoted(unmapped)})": neither},
            before={
                latest: f"{newest} OVER ()",
                days: f"datediff(to_date({quoted(latest)}), to_date({quoted(time)}))",
                since: f"CASE WHEN {quoted(days)} IS NULL THEN NULL{steps} ELSE 0 END",
                group: f"CASE{named} ELSE 'not known' END",
            },
            group_by=[since, group],
            measures={
                count: f"count_if({quoted(open_)})",
                unmapped: neither,
                oldest: f"min(CASE WHEN {quoted(open_)} THEN {quoted(time)} END)",
                latest: f"max({quoted(latest)})",
            },
            keep=f"{quoted(count)} > 0 OR {quoted(unmapped)} > 0",
            order_by=[quoted(since)],
            chart={"type": "bar", "x": group, "y": [count], "top": len(_AGES) + 2},
        )


@dataclass(frozen=True)
class _Rate:
    """The column of a rate, its expression over the measures, and what these sum up to in the refined table."""

    rate: str
    share: str
    measures: dict[str, str]
    totals: dict[str, str]


def _month(time: str) -> str:
    return f"make_date(year({quoted(time)}), month({quoted(time)}), 1)"


def _share(part: str, whole: str) -> str:
    return f"round(100.0D * {quoted(part)} / {whole}, 1)"


def _place(by: str, key: str, within: str = "") -> str:
    order = f"ORDER BY {quoted(by)} DESC NULLS LAST, {quoted(key)} ASC NULLS LAST"
    return f"row_number() OVER ({' '.join(filter(None, (within, order)))})"


def _words(amount: Amount) -> str:
    return f"{'Sum' if amount.adds_up else 'Average'} of {amount.column}"


def _each(amount: Amount) -> str:
    return f" and {amount.per}" if amount.per else ""
