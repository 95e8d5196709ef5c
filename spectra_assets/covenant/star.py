"""The star from playbook rules: the tables of Transform."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from spectra_assets.covenant.build import (
    Bridge,
    Calendar,
    Completion,
    Dimension,
    Enumeration,
    Extraction,
    Fact,
    Gone,
    Hop,
    Reference,
)
from spectra_assets.covenant.design import Design
from spectra_assets.covenant.following import demand, demanded, followed, inherited, unused
from spectra_assets.covenant.model import Column, DataType, Table
from spectra_assets.covenant.network import further_columns
from spectra_assets.covenant.paths import navigates
from spectra_assets.errors import DocumentError
from spectra_assets.names import Stage
from spectra_assets.playbook import rules as written

VALID_FROM = "validFrom"

HISTORY = (
    Column(name=VALID_FROM, type=DataType.TIMESTAMP, required=True, description="From when this version holds."),
    Column(name="validTo", type=DataType.TIMESTAMP, description="Until when it held; empty while it holds."),
    Column(name="isCurrent", type=DataType.BOOL, required=True, description="Whether this version holds now."),
)
"""Columns of SCD type 2."""

CALENDAR = (
    Column(name="dateKey", type=DataType.INT64, required=True, description="The day as yyyymmdd; -1 is unknown."),
    Column(name="date", type=DataType.DATE),
    Column(name="year", type=DataType.INT64),
    Column(name="quarter", type=DataType.INT64),
    Column(name="month", type=DataType.INT64),
    Column(name="monthName", type=DataType.TEXT),
    Column(name="week", type=DataType.INT64, description="Week by ISO 8601, of the year `weekYear`."),
    Column(name="weekYear", type=DataType.INT64, description="Year by ISO 8601: the year that has most days of the week."),
    Column(name="dayOfMonth", type=DataType.INT64),
    Column(name="dayOfWeek", type=DataType.INT64, description="1 is Monday."),
    Column(name="dayName", type=DataType.TEXT),
    Column(name="isWeekend", type=DataType.BOOL),
)


REFERENCES_MATCHED = "references_matched"
"""The gate that tells of values which refer to the unknown member because no member has them."""


def surrogate(dimension: str, taken: Collection[str] = ()) -> str:
    """Name of a dimension's surrogate key: dimCyclePhase → cyclePhaseKey, or cyclePhaseDimKey if that is `taken`."""
    bare = dimension.removeprefix("dim")
    stem = f"{bare[0].lower()}{bare[1:]}"
    return unused([f"{stem}Key", f"{stem}DimKey"], taken)


# ---------------------------------------------------------------- Transform


def add_star(design: Design) -> None:
    """Dimensions, calendar, facts and bridges by their rules. A rule whose tables are not made is left out, with a notice."""
    playbook = design.playbooks.of(Stage.TRANSFORM)
    for dimension in followed(design, written.DimensionRule, _tables_of):
        design.add(playbook, _dimension(design, dimension))
    for enumeration in followed(design, written.EnumerationRule, lambda rule: [_table_in(rule.column)]):
        design.add(playbook, _enumeration(design, enumeration))
    for calendar in followed(design, written.CalendarRule, lambda rule: [_table_in(column) for column in rule.columns]):
        design.add(playbook, _calendar(design, calendar))
    for fact in followed(design, written.FactRule, _reads):
        _add_referring(design, _fact(design, fact))
    for bridge in followed(design, written.BridgeRule, _reads):
        _add_referring(design, _bridge(design, bridge))


def _add_referring(design: Design, table: Table) -> None:
    """Keep a fact or bridge. Where each value must have a member, there is nothing to tell of those that have none."""
    build = table.build
    open_ = isinstance(build, Fact | Bridge) and any(reference.unmatched == "unknown" for reference in build.references)
    design.add(design.playbooks.of(Stage.TRANSFORM), table, without=frozenset() if open_ else frozenset({REFERENCES_MATCHED}))


def _reads(rule: written.FactRule | written.BridgeRule) -> list[str]:
    hops = [hop.table for reference in rule.references for hop in reference.via]
    dimensions = [f"transform.{reference.dimension}" for reference in rule.references]
    return list(dict.fromkeys([*_tables_of(rule), *hops, *dimensions]))


def _tables_of(rule: written.DimensionRule | written.FactRule | written.BridgeRule) -> list[str]:
    return [rule.table, *([rule.completed_by] if rule.completed_by else [])]


@dataclass(frozen=True)
class _Rows:
    """The clean table that a rule is over, with the further columns of the one that completes it."""

    table: Table
    completion: Completion | None = None

    @classmethod
    def of(cls, design: Design, rule: written.DimensionRule | written.FactRule | written.BridgeRule) -> _Rows:
        """Raises DocumentError if the two tables have not the same primary key."""
        table = design.tables[rule.table]
        if rule.completed_by is None:
            return cls(table)
        other = design.tables[rule.completed_by]
        if other.primary_key != table.primary_key or not table.primary_key:
            keys = f"{' and '.join(table.primary_key) or 'none'}, not {' and '.join(other.primary_key) or 'none'}"
            text = f"{rule.completed_by} can't complete {rule.table}: its primary key must be {keys}"
            raise DocumentError(text, rule.file, rule.line)
        further = further_columns(table, other)
        completion = Completion(table=other.table, on=table.primary_key, columns=[column.name for column in further])
        return cls(table.model_copy(update={"schema_": [*table.schema_, *further]}), completion)

    @property
    def inputs(self) -> list[str]:
        return [self.table.table, *([self.completion.table] if self.completion else [])]

    def origin(self, column: str) -> str:
        """The table that has the column."""
        other = self.completion is not None and column in self.completion.columns
        return self.completion.table if other and self.completion else self.table.table

    def place(self, column: str) -> str:
        return f"{self.origin(column)}.{column}"

    def inherited(self, column: str) -> Column:
        return inherited(self.table.columns[column], self.origin(column))

    def demand(self, rule: written.BaseRule, columns: Iterable[str]) -> None:
        """Raise DocumentError at the rule for a column that the rows do not have."""
        demanded(rule, self.table, columns)


def _table_in(column: str) -> str:
    return column.rsplit(".", 1)[0]


def _dimension(design: Design, rule: written.DimensionRule) -> Table:
    rows = _Rows.of(design, rule)
    source = rows.table
    own = rule.composed_of or [rule.natural_key]
    made = {rule.natural_key} if rule.composed_of else set()
    rows.demand(rule, [*own, *({key for member in rule.members for key in member} - made)])
    _demand_free(source, rule, made)
    kept = [column for column in _attributes(rows) if column.name in own or not _navigates(design, source, column)]
    if rule.composed_of:
        lineage = [rows.place(name) for name in rule.composed_of]
        text = f"{' and '.join(rule.composed_of)} as a JSON array of texts: together they tell a member."
        kept.insert(0, Column(name=rule.natural_key, type=DataType.TEXT, description=text, lineage=lineage))
    name = surrogate(rule.name, [column.name for column in kept])
    key = Column(name=name, type=DataType.INT64, required=True, description="Surrogate key of this version.")
    gone = _gone(design, source)
    return Table(
        table=f"transform.{rule.name}",
        description=rule.description or f"Every version of every {source.entity}.",
        inputs=list(dict.fromkeys([*rows.inputs, *_read_too(gone)])),
        entity=source.entity,
        grain=f"one row per version of a {source.entity}",
        primary_key=[key.name],
        steps=[],
        build=Dimension(
            natural_key=rule.natural_key,
            surrogate_key=key.name,
            composed_of=rule.composed_of,
            members=rule.members,
            gone=gone,
            completed_by=rows.completion,
        ),
        schema_=[key, *kept, *HISTORY],
    )


def _demand_free(table: Table, rule: written.BaseRule, columns: Iterable[str]) -> None:
    for column in columns:
        if column.lower() in {name.lower() for name in table.columns}:
            raise DocumentError(
                f"{column} is a column of {table.table} already; name the new column otherwise", rule.file, rule.line
            )


def _attributes(rows: _Rows) -> list[Column]:
    """The rows' columns without JSON text. Those named like a column of the history get `source` in front."""
    history = {column.name.lower() for column in HISTORY}
    taken = {*rows.table.columns, *(column.name for column in HISTORY)}
    kept = []
    for column in rows.table.schema_:
        if column.type != DataType.JSON:
            attribute = rows.inherited(column.name)
            if column.name.lower() in history:
                other = unused([f"source{column.name[0].upper()}{column.name[1:]}"], taken)
                attribute = attribute.model_copy(update={"name": other})
            kept.append(attribute)
    return kept


def _gone(design: Design, table: Table) -> Gone | None:
    """What tells of a clean table's rows that they, or the record that they lie in, were deleted; None if nothing does."""
    fetches = {each.entity: each.build.fetch for each in design.tables.values() if isinstance(each.build, Extraction)}
    fetch = fetches.get(table.entity)
    fetch = fetches.get(fetch.completes, fetch) if fetch is not None and fetch.completes else fetch
    mark = fetch.deleted if fetch is not None else None
    owner = design.tables.get(f"{Stage.CLEAN}.{fetch.entity}") if fetch is not None else None
    if mark is None or owner is None:
        return None
    column = next((each for each in owner.schema_ if mark.path in each.source), None)
    values = column.reads(mark.values) if column is not None else []
    if column is None or (mark.values and not values):
        return None
    if owner.table == table.table:
        return Gone(table=owner.table, column=column.name, values=values)
    pairs = {
        mine.name: theirs for theirs in owner.primary_key for mine in table.schema_ if mine.source == owner.columns[theirs].source
    }
    whole = list(pairs.values()) == owner.primary_key
    return Gone(table=owner.table, column=column.name, values=values, on=pairs) if whole and pairs else None


def _read_too(gone: Gone | None) -> list[str]:
    return [gone.table] if gone is not None else []


def _navigates(design: Design, table: Table, column: Column) -> bool:
    """Whether an attribute only leads through the API (`_links.self.href`), and nothing refers to the record by it."""
    paths = next((each.source for each in table.schema_ if f"{table.table}.{each.name}" in column.lineage), [])
    named = {each.references for made in design.tables.values() for each in made.schema_ if each.references}
    return navigates(paths) and not any(f"{table.entity}.{path}" in named for path in paths)


def _further_labels(design: Design, name: str) -> dict[int, str]:
    rules = design.playbooks.rules(written.LabelRule, design.facts.source)
    return {rule.value: rule.label for rule in rules if rule.name == name}


def _enumeration(design: Design, rule: written.EnumerationRule) -> Table:
    table, column = rule.column.rsplit(".", 1)
    demand(design, rule, table, [column])
    key = Column(name=surrogate(rule.name), type=DataType.INT64, required=True, description="Surrogate key of this version.")
    columns = [
        key,
        Column(name=rule.natural_key, type=DataType.INT64, lineage=[rule.column]),
        Column(name=rule.label, type=DataType.TEXT),
        *HISTORY,
    ]
    return Table(
        table=f"transform.{rule.name}",
        description=rule.description or f"The values of {rule.column} with their labels.",
        inputs=[table],
        grain="one row per version of a value",
        primary_key=[key.name],
        steps=[],
        build=Enumeration(
            column=rule.column,
            natural_key=rule.natural_key,
            surrogate_key=key.name,
            label=rule.label,
            labels=rule.labels | _further_labels(design, rule.name),
            absent=rule.absent,
            unmapped=rule.unmapped,
        ),
        schema_=columns,
    )


def _calendar(design: Design, rule: written.CalendarRule) -> Table:
    for name in rule.columns:
        demand(design, rule, _table_in(name), [name.rsplit(".", 1)[1]])
    return Table(
        table=f"transform.{rule.name}",
        description=rule.description or "Every day of the years that the data spans.",
        inputs=list(dict.fromkeys(_table_in(name) for name in rule.columns)),
        grain="one row per day",
        primary_key=["dateKey"],
        steps=[],
        build=Calendar(columns=rule.columns),
        schema_=[column.model_copy(update={"lineage": rule.columns}) for column in CALENDAR],
    )


def _fact(design: Design, rule: written.FactRule) -> Table:
    rows = _Rows.of(design, rule)
    source = rows.table
    rows.demand(rule, [*rule.scalars, *rule.dates.values(), *([rule.event_time] if rule.event_time else [])])
    references = _references(design, rule, rows)
    scalars = [rows.inherited(name) for name in rule.scalars if name not in source.primary_key]
    dates = [
        Column(name=name, type=DataType.INT64, required=True, lineage=[rows.place(column)]) for name, column in rule.dates.items()
    ]
    calendars = [name for name, table in design.tables.items() if rule.dates and isinstance(table.build, Calendar)]
    keys = [rows.inherited(name) for name in source.primary_key]
    gone = _gone(design, source)
    return Table(
        table=f"transform.{rule.name}",
        description=rule.description or f"Every {source.entity}, with the keys of its dimensions.",
        inputs=list(dict.fromkeys([*_reads(rule), *calendars, *_read_too(gone)])),
        entity=source.entity,
        grain=rule.grain,
        primary_key=source.primary_key,
        steps=[],
        build=Fact(
            event_time=rule.event_time,
            references=references,
            scalars=rule.scalars,
            dates=rule.dates,
            gone=gone,
            completed_by=rows.completion,
        ),
        schema_=[*keys, *_reference_columns(design, rows, references), *dates, *scalars],
    )


def _bridge(design: Design, rule: written.BridgeRule) -> Table:
    rows = _Rows.of(design, rule)
    references = _references(design, rule, rows)
    gone = _gone(design, rows.table)
    return Table(
        table=f"transform.{rule.name}",
        description=rule.description or f"Which rows belong together by {rule.table}.",
        inputs=list(dict.fromkeys([*_reads(rule), *_read_too(gone)])),
        grain=rule.grain,
        primary_key=[reference.name for reference in references],
        steps=[],
        build=Bridge(references=references, gone=gone, completed_by=rows.completion),
        schema_=_reference_columns(design, rows, references),
    )


def _references(design: Design, rule: written.FactRule | written.BridgeRule, rows: _Rows) -> list[Reference]:
    for reference in rule.references:
        rows.demand(rule, [reference.column, *reference.also])
        found = [*([reference.key] if reference.key else []), *reference.also.values()]
        demand(design, rule, f"transform.{reference.dimension}", found)
        for hop in reference.via:
            demand(design, rule, hop.table, [hop.key, hop.take])
    return [
        Reference(
            name=reference.name,
            dimension=reference.dimension,
            column=reference.column,
            key=reference.key,
            also=reference.also,
            unmatched=reference.unmatched,
            version=reference.version,
            via=[Hop(table=hop.table, key=hop.key, take=hop.take) for hop in reference.via],
        )
        for reference in rule.references
    ]


def surrogate_of(dimension: Table) -> str:
    """The surrogate key of a dimension's table."""
    build = dimension.build
    return build.surrogate_key if isinstance(build, Dimension | Enumeration) else dimension.primary_key[0]


def _reference_columns(design: Design, rows: _Rows, references: Sequence[Reference]) -> list[Column]:
    return [
        Column(
            name=reference.name,
            type=DataType.INT64,
            required=True,
            description=f"Key of {reference.dimension}; -1 is unknown.",
            lineage=[
                *(rows.place(column) for column in (reference.column, *reference.also)),
                f"transform.{reference.dimension}.{surrogate_of(design.tables[f'transform.{reference.dimension}'])}",
            ],
        )
        for reference in references
    ]
