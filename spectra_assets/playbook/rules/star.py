"""Rules that make the star: dimensions, facts, bridges, and what is left out of what Design derives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, StrictInt, StrictStr

from spectra_assets.playbook.rules.names import (
    BridgeName,
    Column,
    ColumnName,
    DimensionName,
    FactName,
    TableColumn,
    TableName,
    Text,
)
from spectra_assets.playbook.rules.rule import BaseRule, Part


class Hop(Part):
    """One join on the way to a natural key: the row of `table` whose `key` equals the value so far gives its `take`."""

    table: TableName
    key: Column
    take: Column


class Reference(Part):
    """A foreign key: `column`, walked through `via`, finds the row of `dimension` by its natural key, or by its column `key`.

    `also` are further columns of the rule's table → columns of the dimension, where only several together tell a member.
    `unmatched` says what becomes of a value that no member has: it blocks the table, or refers to the member unknown. `version`
    is the member's at the time of the event, or the latest.
    """

    name: ColumnName
    dimension: DimensionName
    column: Column
    key: Column | None = None
    also: dict[Column, Column] = {}
    via: list[Hop] = []
    unmatched: Literal["block", "unknown"] = "block"
    version: Literal["event", "latest"] = "event"


class DimensionRule(BaseRule):
    """A dimension with history (SCD type 2) over the rows of one clean table."""

    of_canon = False

    kind: Literal["dimension"] = "dimension"
    name: DimensionName
    table: TableName
    natural_key: Column
    composed_of: list[Column] = []
    """Columns that tell a member only together: `natural_key` is then the new column that joins them."""
    members: list[dict[Column, StrictInt | StrictStr | None]] = []
    """Rows that no source delivers, each with values of its columns, such as the source's own special ids."""
    completed_by: TableName | None = None
    """A clean table of the same primary key that tells more of the same records: its further columns belong to them."""


class EnumerationRule(BaseRule):
    """A dimension of the values which one column takes, with their labels."""

    of_canon = False

    kind: Literal["enumeration"] = "enumeration"
    name: DimensionName
    column: TableColumn
    natural_key: ColumnName
    label: ColumnName
    labels: dict[int, str]
    absent: Text
    unmapped: Text


class CalendarRule(BaseRule):
    """The date dimension over all days which the given columns span."""

    of_canon = False

    kind: Literal["calendar"] = "calendar"
    name: DimensionName
    columns: list[TableColumn] = Field(min_length=1)


class FactRule(BaseRule):
    """A fact: one row per row of one clean table, with its foreign keys and its scalars."""

    of_canon = False

    kind: Literal["fact"] = "fact"
    name: FactName
    table: TableName
    grain: Text
    event_time: Column | None = None
    references: list[Reference] = []
    scalars: list[Column] = []
    dates: dict[ColumnName, Column] = {}
    completed_by: TableName | None = None


class BridgeRule(BaseRule):
    """A many-to-many link between dimensions: one row per pair that occurs in one clean table."""

    of_canon = False

    kind: Literal["bridge"] = "bridge"
    name: BridgeName
    table: TableName
    grain: Text
    references: list[Reference] = Field(min_length=2)
    completed_by: TableName | None = None


class LabelRule(BaseRule):
    """What a further value of an enumeration is called, beside the labels of its own rule."""

    of_canon = False

    kind: Literal["label"] = "label"
    name: DimensionName
    value: StrictInt
    label: Text


class OmitRule(BaseRule):
    """What Design derives under a name that fits the pattern is left out.

    Names are those of tables (`dimUser`, `orderVolumeByMonth`) and of columns with their table (`factOrder.isOpen`).
    """

    of_canon = False

    kind: Literal["omit"] = "omit"
    name: str = Field(pattern=r"^[A-Za-z0-9_.*?]{1,240}$")
