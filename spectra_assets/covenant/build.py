"""How a table is made: one form for each kind of table, the kinds told apart by `kind`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spectra_assets.covenant.access import Fetch, Model


class Fixed(Model):
    """A table with a form of its own, made by its steps alone (Source, Prepare, log)."""

    kind: Literal["fixed"] = "fixed"


class Extraction(Model):
    """An entity's raw records."""

    kind: Literal["extraction"] = "extraction"
    fetch: Fetch


class Flattening(Model):
    """A typed flat table of `entity`, or of its nested array `array`: a JSON path such as `cyclePhases`, or `@parent` for the
    parents that list the record."""

    kind: Literal["flattening"] = "flattening"
    array: str | None = None
    scalar: bool = False
    """The array holds plain values, not records."""
    repeats_by: str | None = None
    """Column that tells records which came twice, where it is not the primary key: a key found in a sample is proven by its
    gate, and no row is taken for a repetition because of it."""
    deduplicate_by: str | None = None
    """Column whose greatest value wins among rows of one primary key; default: the last row seen."""


class Gone(Model):
    """Which rows the API marks as deleted: in `column` of the clean `table` stands true, a time, or one of `values`.

    `on` are the columns of the input → those of that table, where another record tells it: the one that the row lies in.
    """

    table: str
    column: str
    values: list[str] = []
    on: dict[str, str] = {}


class Completion(Model):
    """Further `columns` for the rows of a clean table, from another `table` that tells more of the same records."""

    table: str
    on: list[str]
    columns: list[str]


class Dimension(Model):
    """An SCD type 2 dimension."""

    kind: Literal["dimension"] = "dimension"
    natural_key: str
    surrogate_key: str
    composed_of: list[str] = []
    """Columns that tell a member only together. The natural key is then made of them: a JSON array of their texts."""
    members: list[dict[str, str | int | None]] = []
    """Rows that no source delivers: unknown (-1) and the source's own special values."""
    gone: Gone | None = None
    completed_by: Completion | None = None


class Enumeration(Model):
    """A dimension of the values that a column takes, with their labels; a value without a label is `unmapped`."""

    kind: Literal["enumeration"] = "enumeration"
    column: str
    """`stage.table.column` whose values are listed."""
    natural_key: str
    surrogate_key: str
    label: str
    labels: dict[int, str]
    absent: str
    unmapped: str


class Calendar(Model):
    """A date dimension over the days of the given `stage.table.column`s."""

    kind: Literal["calendar"] = "calendar"
    columns: list[str]


class Reference(Model):
    """A fact's or bridge's foreign key: `column` of the input finds `dimension` by its natural key, or by its column `key`.

    `via` walks through clean tables first: each hop joins `table` where its `key` equals the value so far and goes on with
    its column `take`. `also` are further columns of the input → columns of the dimension which must be equal as well. Without
    a value the row refers to the unknown member; by `unmatched`, so does a value that no member has. `version` is the member's
    at the instant of the event, or the latest: a row that is itself the member, as it is now, has the member's latest version.
    """

    name: str
    dimension: str
    column: str
    key: str | None = None
    also: dict[str, str] = {}
    via: list[Hop] = []
    unmatched: Literal["block", "unknown"] = "block"
    version: Literal["event", "latest"] = "event"


class Hop(Model):
    """One join on the way from a fact's row to a dimension's natural key."""

    table: str
    key: str
    take: str


class Fact(Model):
    """A fact: one row of `input` each, foreign keys and scalars."""

    kind: Literal["fact"] = "fact"
    event_time: str | None = None
    """Column whose instant picks the dimension versions; without a value the latest version is taken."""
    references: list[Reference] = []
    scalars: list[str] = []
    dates: dict[str, str] = {}
    """Name of a calendar key → the timestamp column it comes from."""
    gone: Gone | None = None
    completed_by: Completion | None = None


class Bridge(Model):
    """A many-to-many link between dimensions, one row per pair."""

    kind: Literal["bridge"] = "bridge"
    references: list[Reference]
    gone: Gone | None = None
    completed_by: Completion | None = None


class Enrichment(Model):
    """Columns brought from another table: grouped by `on` when `aggregate`, else looked up by it."""

    kind: Literal["enrich"] = "enrich"
    rule: str
    table: str
    on: dict[str, str]
    """Column of this table → column of the other."""
    columns: dict[str, str]
    """New column → Spark SQL expression over the other table."""
    aggregate: bool = False


class Derivation(Model):
    """A column calculated from the row: a Spark SQL expression."""

    kind: Literal["derive"] = "derive"
    rule: str
    column: str
    expression: str


class Refinement(Model):
    """A transform table with business meaning added by declared rules, in order."""

    kind: Literal["refinement"] = "refinement"
    rules: list[Annotated[Enrichment | Derivation, Field(discriminator="kind")]] = []


class Join(Model):
    """A dimension joined to a KPI's base table by equal columns."""

    table: str
    on: dict[str, str]
    columns: list[str]


class Chart(Model):
    """How people look at a KPI."""

    type: Literal["bar", "line", "stacked"]
    title: str
    x: str
    y: list[str]
    top: int = 30


class Reconciliation(Model):
    """The KPI's total of `expression` must equal the fact's of `equals` (Spark SQL aggregates), and so those in `also`."""

    expression: str
    table: str
    equals: str
    also: dict[str, str] = {}


class Kpi(Model):
    """A measure people look at: join, derive, group, measure, derive again, keep, order."""

    kind: Literal["kpi"] = "kpi"
    rule: str
    table: str
    joins: list[Join] = []
    where: str | None = None
    before: dict[str, str] = {}
    group_by: list[str] = []
    measures: dict[str, str] = {}
    after: dict[str, str] = {}
    keep: str | None = None
    order_by: list[str] = []
    chart: Chart | None = None
    reconcile: Reconciliation


Build = Annotated[
    Fixed | Extraction | Flattening | Dimension | Enumeration | Calendar | Fact | Bridge | Refinement | Kpi,
    Field(discriminator="kind"),
]
