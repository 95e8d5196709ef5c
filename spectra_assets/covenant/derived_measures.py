"""Which figures are derived: how many rows over time, by status, and by the members that have most of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, zip_longest
from typing import Any

from spectra_assets.covenant.derive import Deriving
from spectra_assets.covenant.derived_meaning import owners_time, quoted
from spectra_assets.covenant.following import unused
from spectra_assets.covenant.model import Dimension, Fact, PiiLevel, Reference, Table
from spectra_assets.covenant.network import Node
from spectra_assets.covenant.star import surrogate_of
from spectra_assets.covenant.traits import event_time, label, statuses, usable
from spectra_assets.names import Stage, camel, pascal
from spectra_assets.playbook import rules as written

MOST_STATUSES = 2
MOST_DIMENSIONS = 4
"""Figures of one fact by status, and by dimension."""

MOST_FIGURES = 80
"""Figures of a source: of many facts each has its volume before any has its second status."""

MOST_MEMBERS = 1000
"""Rows of a figure by member, those with the most; its total is that of all."""

_TOP = 30
_MONTHS = 400


def derived_measures(deriving: Deriving) -> Iterator[written.BaseRule]:
    """Figures of every refined fact; without any fact those of the dimensions, of their current members."""
    taken = {rule.name for rule in deriving.documented(written.KpiRule)} | {"semanticModel"}
    tables = list(deriving.design.tables.values())
    facts = [table for table in tables if isinstance(table.build, Fact)]
    wanted = facts or [table for table in tables if isinstance(table.build, Dimension)]
    figures = [_Figures(deriving, table, *base, taken) for table in wanted if (base := _base(deriving, table)) is not None]
    rounds = zip_longest(*(one.of_fact() if facts else one.of_dimension() for one in figures))
    yield from islice((rule for found in rounds for rule in found if rule is not None), MOST_FIGURES)


def _base(deriving: Deriving, table: Table) -> tuple[Node, Table] | None:
    """The Clean table and the refined table of a table of the star."""
    node = deriving.nodes.get(table.inputs[0].partition(".")[2])
    refined = deriving.design.tables.get(f"{Stage.REFINE}.{table.ref.table}")
    return (node, refined) if node is not None and refined is not None else None


class _Figures:
    """The figures of one table of the star."""

    def __init__(self, deriving: Deriving, table: Table, node: Node, refined: Table, taken: set[str]) -> None:
        self.deriving = deriving
        self.table = table
        self.node = node
        self.refined = refined
        self.taken = taken
        self.noun = camel(table.ref.table.removeprefix("fact").removeprefix("dim"))[:60]
        self.counted = f"{self.noun}Count"

    def of_fact(self) -> Iterator[written.BaseRule]:
        build = self.table.build
        if not isinstance(build, Fact):
            return
        brought = owners_time(self.deriving, self.table)
        time = build.event_time or (brought[1] if brought else None)
        if time is not None and time in self.refined.columns:
            yield from self._by_month(f"{self.noun}VolumeByMonth", time, None)
        for status in self._statuses():
            yield from self._by_status(status, None)
        around = self.node.owned_by.columns[0][0] if self.node.owned_by else None
        near = sorted(build.references, key=lambda reference: (bool(reference.via), reference.column == around))
        for reference in near[:MOST_DIMENSIONS]:
            yield from self._by_member(reference)

    def of_dimension(self) -> Iterator[written.BaseRule]:
        now = f"`isCurrent` AND {quoted(surrogate_of(self.table))} <> -1"
        time = event_time(self.node)
        if time is not None and time in self.refined.columns:
            yield from self._by_month(f"{self.noun}VolumeByMonth", time, now)
        else:
            yield from self._kpi(f"{self.noun}Volume", _title(self.noun), "one row", now, measures={self.counted: "count(*)"})
        for status in self._statuses():
            yield from self._by_status(status, now)

    def _statuses(self) -> list[str]:
        return [name for name in statuses(self.node) if name in self.refined.columns][:MOST_STATUSES]

    def _by_month(self, name: str, time: str, where: str | None) -> Iterator[written.BaseRule]:
        month = unused(["month", "eventMonth"], self.refined.columns)
        yield from self._kpi(
            name,
            f"{_title(self.noun)} by month",
            f"one row per month of {time}",
            where,
            before={month: f"make_date(year({quoted(time)}), month({quoted(time)}), 1)"},
            group_by=[month],
            measures={self.counted: "count(*)"},
            order_by=[quoted(month)],
            chart={"type": "line", "x": month, "top": _MONTHS},
        )

    def _by_status(self, status: str, where: str | None) -> Iterator[written.BaseRule]:
        share = unused(["sharePct", "shareOfRowsPct"], [status])
        yield from self._kpi(
            f"{self.noun}By{pascal(status)[:50]}",
            f"{_title(self.noun)} by {status}",
            f"one row per {status}",
            where,
            group_by=[status],
            measures={self._count(status): "count(*)"},
            after={share: f"round(100.0D * {quoted(self._count(status))} / sum({quoted(self._count(status))}) OVER (), 1)"},
            order_by=[f"{quoted(self._count(status))} DESC", quoted(status)],
            chart={"type": "bar", "x": status, "top": _TOP},
        )

    def _by_member(self, reference: Reference) -> Iterator[written.BaseRule]:
        """Rows by member, told by its key and its label; where the label names a person by the key, and where that does by
        the surrogate key."""
        dimension = self.deriving.design.tables[f"{Stage.TRANSFORM}.{reference.dimension}"]
        refined = self.deriving.design.tables.get(f"{Stage.REFINE}.{reference.dimension}")
        if refined is None or not isinstance(dimension.build, Dimension):
            return
        role = reference.name.removesuffix("Key").removesuffix("Dim")
        key = dimension.columns[dimension.build.natural_key]
        told = key.pii != PiiLevel.DIRECT and usable(key)
        shown = self._label(dimension) if told else None
        by = key.name if told else reference.name
        joined = list(dict.fromkeys([by, *([shown] if shown else [])]))
        count = self._count(*joined)
        total, share, place = (unused([name], [*joined, count]) for name in ("totalCount", "sharePct", "place"))
        most = f"{quoted(count)} DESC, {quoted(by)} ASC NULLS LAST"
        yield from self._kpi(
            f"{self.noun}By{pascal(role)[:50]}",
            f"{_title(self.noun)} by {role}",
            f"one row per {role} with rows, for the {MOST_MEMBERS} that have most",
            None,
            joins=[{"table": refined.table, "on": {reference.name: surrogate_of(dimension)}, "columns": joined}] if told else [],
            group_by=[by],
            measures={**({shown: f"max({quoted(shown)})"} if shown and shown != by else {}), count: "count(*)"},
            after={
                total: f"sum({quoted(count)}) OVER ()",
                share: f"round(100.0D * {quoted(count)} / {quoted(total)}, 1)",
                place: f"row_number() OVER (ORDER BY {most})",
            },
            keep=f"{quoted(place)} <= {MOST_MEMBERS}",
            order_by=[quoted(place)],
            chart={"type": "bar", "x": shown or by, "top": _TOP},
            total=f"max({quoted(total)})",
        )

    def _label(self, dimension: Table) -> str | None:
        node = self.deriving.nodes.get(dimension.inputs[0].partition(".")[2])
        name = label(node) if node is not None else None
        return name if name in dimension.columns else None

    def _count(self, *others: str) -> str:
        return unused([self.counted], others)

    def _kpi(
        self, name: str, title: str, grain: str, where: str | None, total: str | None = None, **keys: Any
    ) -> Iterator[written.BaseRule]:
        """The rule of a figure that counts rows; `total` is how its own total is calculated, by default the sum of the counts."""
        if name in {rule.name for rule in self.deriving.documented(written.KpiRule)}:
            return
        name = unused([name], self.taken)
        if self.deriving.omits(name):
            return
        self.taken.add(name)
        count = next(measure for measure, how in keys["measures"].items() if how == "count(*)")
        if "chart" in keys:
            keys["chart"] = {"title": title, "y": [count], **keys["chart"]}
        equals = f"count_if({where})" if where else "count(*)"
        here = total or f"sum({quoted(count)})"
        yield from self.deriving.rule(
            written.KpiRule,
            name,
            name=name,
            title=title,
            **{"from": self.refined.table},
            grain=grain,
            where=where,
            reconcile={"expression": here, "table": self.refined.table, "equals": equals},
            **keys,
        )


def _title(noun: str) -> str:
    return f"Number of {noun} records"
