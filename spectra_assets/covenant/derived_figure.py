"""The forms of derived figures: each a kpi rule over one refined table, with whose counts and sums its own are reconciled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from spectra_assets.covenant.amounts import Amount
from spectra_assets.covenant.derive import Deriving
from spectra_assets.covenant.derived_meaning import quoted
from spectra_assets.covenant.following import unused
from spectra_assets.covenant.model import DataType, Dimension, PiiLevel, Reference, Table
from spectra_assets.covenant.network import Node
from spectra_assets.covenant.star import surrogate_of
from spectra_assets.covenant.traits import label, usable
from spectra_assets.names import Stage, camel, pascal
from spectra_assets.playbook import rules as written

MOST_MEMBERS = 1000
"""Rows of a figure by member, those with the most; its total is that of all."""

_TOP = 30
_MONTHS = 400
_AGES = (7, 30, 90, 180, 365)
"""Days at which the next group of ages begins."""


@dataclass
class Quantities:
    """Measures of a figure beside its count, and the totals that must be those of the refined table."""

    measures: dict[str, str] = field(default_factory=dict)
    totals: dict[str, str] = field(default_factory=dict)


class Figures:
    """The figures of one table of the star."""

    def __init__(self, deriving: Deriving, table: Table, node: Node, refined: Table, taken: set[str]) -> None:
        self.deriving = deriving
        self.table = table
        self.node = node
        self.refined = refined
        self.taken = taken
        self.noun = camel(table.ref.table.removeprefix("fact").removeprefix("dim"))[:60]
        self.title = f"Number of {self.noun} records"

    def volume(self, where: str | None) -> Iterator[written.BaseRule]:
        count = self._count()
        yield from self._kpi(
            f"{self.noun}Volume", self.title, "one row", {f"sum({quoted(count)})": self._rows(where)}, where=where,
            measures={count: "count(*)"},
        )  # fmt: skip

    def by_month(self, time: str, where: str | None, amounts: Sequence[Amount]) -> Iterator[written.BaseRule]:
        """How many rows a month has, and what their amounts come to."""
        month, count = self._free("month", "eventMonth"), self._count()
        more = self.quantities(amounts, where)
        yield from self._kpi(
            f"{self.noun}VolumeByMonth",
            f"{self.title} by month",
            f"one row per month of {time}",
            {f"sum({quoted(count)})": self._rows(where), **more.totals},
            where=where,
            before={month: _month(time)},
            group_by=[month],
            measures={count: "count(*)", **more.measures},
            order_by=[quoted(month)],
            chart={"type": "line", "x": month, "y": [count], "top": _MONTHS},
        )

    def by_status(self, status: str, where: str | None, amounts: Sequence[Amount]) -> Iterator[written.BaseRule]:
        """How the rows are distributed over a status, and what their amounts come to."""
        count, share = self._count(status), unused(["sharePct", "shareOfRowsPct"], [status])
        more = self.quantities(amounts, where)
        yield from self._kpi(
            f"{self.noun}By{self._said(status)}",
            f"{self.title} by {status}",
            f"one row per {status}",
            {f"sum({quoted(count)})": self._rows(where), **more.totals},
            where=where,
            group_by=[status],
            measures={count: "count(*)", **more.measures},
            after={share: _share(count, f"sum({quoted(count)}) OVER ()")},
            order_by=[f"{quoted(count)} DESC", quoted(status)],
            chart={"type": "bar", "x": status, "y": [count], "top": _TOP},
        )

    def by_member(self, reference: Reference) -> Iterator[written.BaseRule]:
        """Rows by member of a dimension."""
        member = self._member(reference)
        if member is None:
            return
        count = self._count(*member.columns)
        total, share, place = (unused([name], [*member.columns, count]) for name in ("totalCount", "sharePct", "place"))
        yield from self._kpi(
            f"{self.noun}By{pascal(member.role)[:50]}",
            f"{self.title} by {member.role}",
            f"one row per {member.role} with rows, for the {MOST_MEMBERS} that have most",
            {f"max({quoted(total)})": "count(*)"},
            joins=member.joins,
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
        month = self._free("month", "eventMonth")
        told = self._told(flag, [month])
        yield from self._kpi(
            f"{self.noun}{self._said(flag)}RateByMonth",
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
        member = self._member(reference)
        if member is None:
            return
        told = self._told(flag, member.columns)
        total, place = (unused([name], [*member.columns, *told.measures, told.rate]) for name in ("totalCount", "place"))
        count = next(iter(told.measures))
        yield from self._kpi(
            f"{self.noun}{self._said(flag)}RateBy{pascal(member.role)[:50]}",
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
        count = self._count(*others)
        known, set_, rate = (unused([f"{flag[:90]}{name}"], [*others, count]) for name in ("KnownCount", "Count", "Pct"))
        measures = {count: "count(*)", known: f"count({quoted(flag)})", set_: f"count_if({quoted(flag)})"}
        totals = {f"sum({quoted(name)})": value for name, value in measures.items()}
        return _Rate(rate, _share(set_, f"nullif({quoted(known)}, 0)"), measures, totals)

    def amount_by_month(self, amount: Amount, time: str) -> Iterator[written.BaseRule]:
        """What an amount comes to in each month; in each currency or unit of its own, if it has several."""
        month, count = self._free("month", "eventMonth"), self._count()
        more = self.quantities([amount])
        per = [amount.per] if amount.per else []
        yield from self._kpi(
            f"{self.noun}{self._said(amount.column)}ByMonth",
            f"{_words(amount)} of {self.noun} by month",
            f"one row per month of {time}{_each(amount)}",
            {f"sum({quoted(count)})": "count(*)", **more.totals},
            before={month: _month(time)},
            group_by=[month, *per],
            measures={**more.measures, count: "count(*)"},
            order_by=[quoted(month), *map(quoted, per)],
            chart=None if per else {"type": "line", "x": month, "y": [next(iter(more.measures))], "top": _MONTHS},
        )

    def amount_by_member(self, amount: Amount, reference: Reference) -> Iterator[written.BaseRule]:
        """What an amount comes to for each member; in each currency or unit of its own, if it has several.

        Of what only an average is told, those members come first that have most rows: averages of few say little.
        """
        member = self._member(reference)
        if member is None:
            return
        count, more = self._count(*member.columns), self.quantities([amount])
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
                totals[f"max({quoted(summed)})"] = _sum(self.refined, amount)
        after[place] = _place(ranked, member.by, within)
        yield from self._kpi(
            f"{self.noun}{self._said(amount.column)}By{pascal(member.role)[:50]}",
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
        member = self._member(other, self.refined.columns)
        refined = self.deriving.design.tables.get(f"{Stage.REFINE}.{bridge.ref.table}")
        if member is None or refined is None:
            return
        columns = [*member.columns, *self.refined.columns]
        part, apart = (unused([name], columns) for name in ("partOfRow", "apart"))
        keys = ", ".join(map(quoted, self.refined.primary_key))
        count, shared = self._count(*member.columns), unused([f"{self.noun}Shared"], member.columns)
        share, place = (unused([name], [*member.columns, count, shared]) for name in ("sharePct", "place"))
        total = unused(["totalCount"], [*member.columns, count, shared])
        sums = {self._named(f"{one.column}Sum"): _sum(self.refined, one) for one in amounts if one.adds_up and not one.per}
        join = {"table": refined.table, "on": {own: mine}, "columns": [other.name]}
        yield from self._kpi(
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
        yield from self._kpi(
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

    def quantities(self, amounts: Sequence[Amount], where: str | None = None) -> Quantities:
        """Sums and averages of the amounts, those that add up first summed."""
        made = Quantities()
        for amount in amounts:
            if amount.adds_up:
                name = self._named(f"{amount.column}Sum")
                made.measures[name] = _sum(self.refined, amount)
                made.totals[f"sum({quoted(name)})"] = _sum(self.refined, amount, where)
            value = f"cast({quoted(amount.column)} AS double)"
            made.measures[self._named(f"{amount.column}Average")] = f"round(avg({value}), 2)"
        return made

    def _member(self, reference: Reference, beside: Mapping[str, Any] | None = None) -> _Member | None:
        """How a figure tells the members of a dimension: by key and label; where the label names a person by the key, and where
        the key does by the surrogate key. None for what is no dimension with members.

        Columns that the figure's table has itself (`beside`) would be replaced by those of the member: those are told by the
        surrogate key, too.
        """
        dimension = self.deriving.design.tables[f"{Stage.TRANSFORM}.{reference.dimension}"]
        refined = self.deriving.design.tables.get(f"{Stage.REFINE}.{reference.dimension}")
        if refined is None or not isinstance(dimension.build, Dimension):
            return None
        role = reference.name.removesuffix("Key").removesuffix("Dim")
        key = dimension.columns[dimension.build.natural_key]
        told = key.pii != PiiLevel.DIRECT and usable(key)
        shown = self._label(dimension) if told else None
        by = key.name if told else reference.name
        joined = list(dict.fromkeys([by, *([shown] if shown else [])]))
        join = {"table": refined.table, "on": {reference.name: surrogate_of(dimension)}, "columns": joined}
        return _Member(role, by, shown or by, [join] if told else [])

    def _label(self, dimension: Table) -> str | None:
        node = self.deriving.nodes.get(dimension.inputs[0].partition(".")[2])
        name = label(node) if node is not None else None
        return name if name in dimension.columns else None

    def _said(self, column: str) -> str:
        """A column as part of a figure's name, without the noun that the name begins with: orderTotal → Total."""
        name = pascal(column)
        bare = name.removeprefix(pascal(self.noun))
        return (bare if bare[:1].isupper() else name)[:50]

    def _free(self, *wanted: str) -> str:
        """A name that no column of the refined table has."""
        return unused(wanted, self.refined.columns)

    def _named(self, measure: str) -> str:
        return unused([measure[:110]], self.refined.columns)

    def _count(self, *others: str) -> str:
        return unused([f"{self.noun}Count"], others)

    def _rows(self, where: str | None) -> str:
        return f"count_if({where})" if where else "count(*)"

    def _kpi(
        self, name: str, title: str, grain: str, totals: Mapping[str, str], chart: dict[str, Any] | None = None, **keys: Any
    ) -> Iterator[written.BaseRule]:
        """The rule of a figure; `totals` are expressions over it → over the refined table, which must be equal."""
        if name in {rule.name for rule in self.deriving.documented(written.KpiRule)}:
            return
        name = unused([name], self.taken)
        if self.deriving.omits(name):
            return
        self.taken.add(name)
        (expression, equals), *also = totals.items()
        yield from self.deriving.rule(
            written.KpiRule,
            name,
            name=name,
            title=title,
            **{"from": self.refined.table},
            grain=grain,
            chart={"title": title, **chart} if chart else None,
            reconcile={"expression": expression, "table": self.refined.table, "equals": equals, "also": dict(also)},
            **keys,
        )


@dataclass(frozen=True)
class _Rate:
    """The column of a rate, its expression over the measures, and what these sum up to in the refined table."""

    rate: str
    share: str
    measures: dict[str, str]
    totals: dict[str, str]


@dataclass(frozen=True)
class _Member:
    """A dimension's members in a figure: grouped `by` a column, known by the column `shown`."""

    role: str
    by: str
    shown: str
    joins: list[dict[str, Any]]

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys([self.by, self.shown]))

    @property
    def label(self) -> dict[str, str]:
        return {self.shown: f"max({quoted(self.shown)})"} if self.shown != self.by else {}


def _sum(table: Table, amount: Amount, where: str | None = None) -> str:
    """The sum of an amount; of doubles as decimals, so that no order of adding gives another one."""
    column = quoted(amount.column)
    exact = table.columns[amount.column].type != DataType.FLOAT64
    value = column if exact else f"try_cast({column} AS decimal(29,9))"
    return f"sum(CASE WHEN {where} THEN {value} END)" if where else f"sum({value})"


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
