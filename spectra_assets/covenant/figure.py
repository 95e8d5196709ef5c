"""What every derived figure is made of: names that are free, members of dimensions, sums of amounts, and the kpi rule itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spectra_assets.covenant.amounts import Amount
from spectra_assets.covenant.build import Dimension, Reference
from spectra_assets.covenant.derive import Deriving
from spectra_assets.covenant.derived_meaning import quoted
from spectra_assets.covenant.following import unused
from spectra_assets.covenant.model import DataType, Table
from spectra_assets.covenant.network import Node
from spectra_assets.covenant.outriggers import Outrigger
from spectra_assets.covenant.star import HISTORY, VALID_FROM, surrogate_of
from spectra_assets.covenant.traits import label, usable
from spectra_assets.names import Stage, camel, pascal
from spectra_assets.playbook import rules as written


@dataclass
class Quantities:
    """Measures of a figure beside its count, and the totals that must be those of the refined table."""

    measures: dict[str, str] = field(default_factory=dict)
    totals: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Member:
    """A dimension's members in a figure: grouped `by` a column, known by the column `shown`, of its versions by the latest."""

    role: str
    by: str
    shown: str
    joins: list[dict[str, Any]]
    since: str | None = None
    """The joined column that tells from when a version holds."""

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys([self.by, self.shown]))

    @property
    def label(self) -> dict[str, str]:
        if self.shown == self.by:
            return {}
        latest = f"max_by({quoted(self.shown)}, {quoted(self.since)})" if self.since else f"max({quoted(self.shown)})"
        return {self.shown: latest}


class Figure:
    """The making of figures over one refined table."""

    def __init__(self, deriving: Deriving, table: Table, node: Node, refined: Table, taken: set[str]) -> None:
        self.deriving = deriving
        self.table = table
        self.node = node
        self.refined = refined
        self.taken = taken
        self.noun = camel(table.ref.table.removeprefix("fact").removeprefix("dim"))[:60]
        self.title = f"Number of {self.noun} records"

    def quantities(self, amounts: Sequence[Amount], where: str | None = None) -> Quantities:
        """Sums and averages of the amounts, those that add up first summed."""
        made = Quantities()
        for amount in amounts:
            if amount.adds_up:
                name = self.named(f"{amount.column}Sum")
                made.measures[name] = total_of(self.refined, amount)
                made.totals[f"sum({quoted(name)})"] = total_of(self.refined, amount, where)
            value = f"cast({quoted(amount.column)} AS double)"
            made.measures[self.named(f"{amount.column}Average")] = f"round(avg({value}), 4)"
        return made

    def member(self, reference: Reference, beside: Mapping[str, Any] | None = None) -> Member | None:
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
        name = self._label(dimension)
        own = {column.lower() for column in beside or ()}
        told = not key.pii.closed and usable(key) and key.name.lower() not in own and (name or "").lower() not in own
        shown = name if told else None
        by = key.name if told else reference.name
        joined = list(dict.fromkeys([by, *([shown] if shown else [])]))
        versions = (
            shown is not None and VALID_FROM in refined.columns and VALID_FROM not in {*self.refined.columns, *(beside or {})}
        )
        since = VALID_FROM if versions else None
        joined += [since] if since else []
        join = {"table": refined.table, "on": {reference.name: surrogate_of(dimension)}, "columns": joined}
        return Member(role, by, shown or by, [join] if told else [], since)

    def outlying(self, outrigger: Outrigger) -> Member | None:
        """How a figure over a dimension tells the members that it refers to: by key and label, of the versions that hold now."""
        dimension = outrigger.dimension
        refined = self.deriving.design.tables.get(f"{Stage.REFINE}.{dimension.ref.table}")
        key = dimension.columns[outrigger.key]
        if refined is None or outrigger.column not in self.refined.columns or key.pii.closed or not usable(key):
            return None
        by = outrigger.column
        role = next((link.role for link in self.node.links if link.columns[0][0] == by), by)
        shown = self._label(dimension)
        if shown in (None, by):
            return Member(role, by, by, [])
        now = {each.name: each.name for each in HISTORY if each.type == DataType.BOOL}
        join = {"table": refined.table, "on": {by: outrigger.key, **now}, "columns": [shown]}
        return Member(role, by, str(shown), [join])

    def _label(self, dimension: Table) -> str | None:
        node = self.deriving.nodes.get(dimension.inputs[0].partition(".")[2])
        name = label(node) if node is not None else None
        return name if name in dimension.columns else None

    def said(self, column: str) -> str:
        """A column as part of a figure's name, without the noun that the name begins with: orderTotal → Total."""
        name = pascal(column)
        bare = name.removeprefix(pascal(self.noun))
        return (bare if bare[:1].isupper() else name)[:50]

    def free(self, *wanted: str) -> str:
        """A name that no column of the refined table has."""
        return unused(wanted, self.refined.columns)

    def named(self, measure: str) -> str:
        return unused([measure[:110]], self.refined.columns)

    def count(self, *others: str) -> str:
        return unused([f"{self.noun}Count"], others)

    def rows(self, where: str | None) -> str:
        return f"count_if({where})" if where else "count(*)"

    def kpi(
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


def total_of(table: Table, amount: Amount, where: str | None = None) -> str:
    """The sum of an amount; of doubles as decimals, so that no order of adding gives another one."""
    column = quoted(amount.column)
    exact = table.columns[amount.column].type != DataType.FLOAT64
    value = column if exact else f"try_cast({column} AS decimal(29,9))"
    return f"sum(CASE WHEN {where} THEN {value} END)" if where else f"sum({value})"
