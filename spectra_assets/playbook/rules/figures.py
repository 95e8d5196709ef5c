"""Rules that add business meaning: columns brought and derived, and the figures that people look at."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spectra_assets.playbook.rules.names import Column, ColumnName, Expression, PiiLevel, StarTable, TableName, Text
from spectra_assets.playbook.rules.rule import BaseRule, Part


class EnrichRule(BaseRule):
    """Columns brought to a refine table from another one: looked up by `on`, or grouped by it when `aggregate`."""

    of_canon = False

    kind: Literal["enrich"] = "enrich"
    table: StarTable
    from_: TableName = Field(alias="from")
    on: dict[Column, Column] = Field(min_length=1)
    columns: dict[ColumnName, Expression] = Field(min_length=1)
    aggregate: bool = False


class DeriveRule(BaseRule):
    """A column of a refine table calculated from the row."""

    of_canon = False

    kind: Literal["derive"] = "derive"
    table: StarTable
    column: ColumnName
    expression: Expression
    pii: PiiLevel | None = None
    """How personal it is, where a person knows better than what it is made of tells: of a mask."""


class Join(Part):
    """A table joined to the measure's base table by equal columns."""

    table: TableName
    on: dict[Column, Column] = Field(min_length=1)
    columns: list[Column]


class Chart(Part):
    """How people look at a measure: `y` over `x`, the first `top` rows."""

    type: Literal["bar", "line", "stacked"]
    title: Text
    x: Column
    y: list[Column] = Field(min_length=1)
    top: int = Field(default=30, ge=1, le=1000)


class Reconciliation(Part):
    """The measure's total of `expression` must equal `equals` over `table`: two independent ways to one number.

    `also` are further totals: expression over the figure → expression over the table.
    """

    expression: Expression
    table: TableName
    equals: Expression
    also: dict[Expression, Expression] = {}


class KpiRule(BaseRule):
    """A measure people look at: join, filter, derive, group, measure, derive again, keep, order."""

    of_canon = False

    kind: Literal["kpi"] = "kpi"
    name: ColumnName
    title: Text
    from_: TableName = Field(alias="from")
    grain: Text
    joins: list[Join] = []
    where: Expression | None = None
    before: dict[ColumnName, Expression] = {}
    group_by: list[Column] = []
    measures: dict[ColumnName, Expression] = {}
    after: dict[ColumnName, Expression] = {}
    keep: Expression | None = None
    order_by: list[Expression] = []
    chart: Chart | None = None
    reconcile: Reconciliation
