"""The star and its measures from playbook rules: tables of Transform, Refine and Analyse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from spectra_assets.covenant.design import Design
from spectra_assets.covenant.model import (
    Bridge,
    Calendar,
    Chart,
    Column,
    DataType,
    Derivation,
    Dimension,
    Enrichment,
    Enumeration,
    Fact,
    Hop,
    Join,
    Kpi,
    Reconciliation,
    Reference,
    Refinement,
    Table,
)
from spectra_assets.errors import DocumentError, SpectraError, one_of
from spectra_assets.names import Stage
from spectra_assets.playbook import rules as written
from spectra_assets.playbook.model import Notice

R = TypeVar("R", bound=written.BaseRule)

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

HISTORY = (
    Column(name="validFrom", type=DataType.TIMESTAMP, required=True, description="From when this version holds."),
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
    Column(name="week", type=DataType.INT64, description="Week of the year by ISO 8601."),
    Column(name="dayOfMonth", type=DataType.INT64),
    Column(name="dayOfWeek", type=DataType.INT64, description="1 is Monday."),
    Column(name="dayName", type=DataType.TEXT),
    Column(name="isWeekend", type=DataType.BOOL),
)


def surrogate(dimension: str) -> str:
    """Name of a dimension's surrogate key: dimCyclePhase → cyclePhaseKey."""
    bare = dimension.removeprefix("dim")
    return f"{bare[0].lower()}{bare[1:]}Key"


# ---------------------------------------------------------------- Transform


def add_star(design: Design) -> None:
    """Dimensions, calendar, facts and bridges by their rules. A rule whose tables are not made is left out, with a notice."""
    playbook = design.playbooks.of(Stage.TRANSFORM)
    for dimension in _followed(design, written.DimensionRule, lambda rule: [rule.table]):
        design.add(playbook, _dimension(design, dimension))
    for enumeration in _followed(design, written.EnumerationRule, lambda rule: [_table_in(rule.column)]):
        design.add(playbook, _enumeration(design, enumeration))
    for calendar in _followed(design, written.CalendarRule, lambda rule: [_table_in(column) for column in rule.columns]):
        design.add(playbook, _calendar(design, calendar))
    for fact in _followed(design, written.FactRule, _reads):
        design.add(playbook, _fact(design, fact))
    for bridge in _followed(design, written.BridgeRule, _reads):
        design.add(playbook, _bridge(design, bridge))


def _followed(design: Design, kind: type[R], reads: Callable[[R], list[str]]) -> Iterator[R]:
    for rule in design.playbooks.rules(kind, design.facts.source):
        missing = [name for name in reads(rule) if name not in design.tables]
        if missing:
            text = f"the rule {rule.id} is not followed: {one_of(set(missing))} is not made for {design.facts.source}"
            design.notices.append(Notice(text, rule.file, rule.line))
        else:
            yield rule


def _reads(rule: written.FactRule | written.BridgeRule) -> list[str]:
    hops = [hop.table for reference in rule.references for hop in reference.via]
    dimensions = [f"transform.{reference.dimension}" for reference in rule.references]
    return list(dict.fromkeys([rule.table, *hops, *dimensions]))


def _table_in(column: str) -> str:
    return column.rsplit(".", 1)[0]


def _demand(design: Design, rule: written.BaseRule, table: str, columns: Iterable[str]) -> None:
    """Raise DocumentError at the rule for a column that `table` does not have."""
    valid = design.tables[table].columns
    for column in columns:
        if column not in valid:
            raise DocumentError(written.unknown(f"column of {table}", column, valid), rule.file, rule.line)


def _dimension(design: Design, rule: written.DimensionRule) -> Table:
    _demand(design, rule, rule.table, [rule.natural_key, *(key for member in rule.members for key in member)])
    source = design.tables[rule.table]
    kept = [_inherited(column, rule.table) for column in source.schema_ if column.type != DataType.JSON]
    key = Column(name=surrogate(rule.name), type=DataType.INT64, required=True, description="Surrogate key of this version.")
    return Table(
        table=f"transform.{rule.name}",
        description=rule.description or f"Every version of every {source.entity}.",
        inputs=[rule.table],
        entity=source.entity,
        grain=f"one row per version of a {source.entity}",
        primary_key=[key.name],
        steps=[],
        build=Dimension(natural_key=rule.natural_key, surrogate_key=key.name, members=rule.members),
        schema_=[key, *kept, *HISTORY],
    )


def _enumeration(design: Design, rule: written.EnumerationRule) -> Table:
    table, column = rule.column.rsplit(".", 1)
    _demand(design, rule, table, [column])
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
            labels=rule.labels,
            absent=rule.absent,
            unmapped=rule.unmapped,
        ),
        schema_=columns,
    )


def _calendar(design: Design, rule: written.CalendarRule) -> Table:
    for name in rule.columns:
        _demand(design, rule, _table_in(name), [name.rsplit(".", 1)[1]])
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
    source = design.tables[rule.table]
    _demand(design, rule, rule.table, [*rule.scalars, *rule.dates.values(), *([rule.event_time] if rule.event_time else [])])
    references = _references(design, rule)
    scalars = [_inherited(source.columns[name], rule.table) for name in rule.scalars if name not in source.primary_key]
    dates = [
        Column(name=name, type=DataType.INT64, required=True, lineage=[f"{rule.table}.{column}"])
        for name, column in rule.dates.items()
    ]
    calendars = [name for name, table in design.tables.items() if rule.dates and isinstance(table.build, Calendar)]
    keys = [_inherited(source.columns[name], rule.table) for name in source.primary_key]
    return Table(
        table=f"transform.{rule.name}",
        description=rule.description or f"Every {source.entity}, with the keys of its dimensions.",
        inputs=[*_reads(rule), *calendars],
        entity=source.entity,
        grain=rule.grain,
        primary_key=source.primary_key,
        steps=[],
        build=Fact(event_time=rule.event_time, references=references, scalars=rule.scalars, dates=rule.dates),
        schema_=[*keys, *_reference_columns(rule.table, references), *dates, *scalars],
    )


def _bridge(design: Design, rule: written.BridgeRule) -> Table:
    references = _references(design, rule)
    return Table(
        table=f"transform.{rule.name}",
        description=rule.description or f"Which rows belong together by {rule.table}.",
        inputs=_reads(rule),
        grain=rule.grain,
        primary_key=[reference.name for reference in references],
        steps=[],
        build=Bridge(references=references),
        schema_=_reference_columns(rule.table, references),
    )


def _references(design: Design, rule: written.FactRule | written.BridgeRule) -> list[Reference]:
    for reference in rule.references:
        _demand(design, rule, rule.table, [reference.column])
        for hop in reference.via:
            _demand(design, rule, hop.table, [hop.key, hop.take])
    return [
        Reference(
            name=reference.name,
            dimension=reference.dimension,
            column=reference.column,
            via=[Hop(table=hop.table, key=hop.key, take=hop.take) for hop in reference.via],
        )
        for reference in rule.references
    ]


def _reference_columns(table: str, references: Sequence[Reference]) -> list[Column]:
    return [
        Column(
            name=reference.name,
            type=DataType.INT64,
            required=True,
            description=f"Key of {reference.dimension}; -1 is unknown.",
            lineage=[
                f"{table}.{reference.column}",
                f"transform.{reference.dimension}.{surrogate(reference.dimension)}",
            ],
        )
        for reference in references
    ]


def _inherited(column: Column, table: str) -> Column:
    return Column(
        name=column.name,
        type=column.type,
        description=column.description,
        required=False,
        pii=column.pii,
        lineage=[f"{table}.{column.name}"],
    )


# ---------------------------------------------------------------- Refine


def add_refined(design: Design) -> None:
    """Every table of the star with its rules of business meaning."""
    rules: list[written.EnrichRule | written.DeriveRule] = [
        rule
        for rule in design.playbooks.all_rules()
        if isinstance(rule, (written.EnrichRule, written.DeriveRule)) and rule.applies(design.facts.source)
    ]
    star = [table for table in design.tables.values() if table.ref.schema == Stage.TRANSFORM]
    for rule in rules:
        if f"transform.{rule.table}" not in design.tables:
            text = f"the rule {rule.id} is not followed: transform.{rule.table} is not made for {design.facts.source}"
            design.notices.append(Notice(text, rule.file, rule.line))
    waiting = {table.ref.table: [rule for rule in rules if rule.table == table.ref.table] for table in star}
    while waiting:
        ready = [name for name, own in waiting.items() if not (_refine_inputs(own) & {f"refine.{other}" for other in waiting})]
        if not ready:
            rule = next(own[0] for own in waiting.values() if own)
            raise DocumentError(f"these refine tables need each other in a circle: {one_of(waiting)}", rule.file, rule.line)
        for name in ready:
            _add_refinement(design, name, waiting.pop(name))


def _refine_inputs(rules: Sequence[written.EnrichRule | written.DeriveRule]) -> set[str]:
    return {rule.from_ for rule in rules if isinstance(rule, written.EnrichRule)}


def _add_refinement(design: Design, name: str, rules: Sequence[written.EnrichRule | written.DeriveRule]) -> None:
    base = design.tables[f"transform.{name}"]
    for rule in rules:
        if isinstance(rule, written.EnrichRule) and rule.from_ not in design.tables:
            raise DocumentError(written.unknown("table", rule.from_, design.tables), rule.file, rule.line)
    followed = [_refinement(rule) for rule in rules]
    table = Table(
        table=f"refine.{name}",
        description=f"{base.description} With business meaning.",
        inputs=list(dict.fromkeys([base.table, *(rule.table for rule in followed if isinstance(rule, Enrichment))])),
        entity=base.entity,
        grain=base.grain,
        primary_key=base.primary_key,
        steps=[],
        build=Refinement(rules=followed),
    )
    kept = design.add(design.playbooks.of(Stage.REFINE), table)
    if kept is None:
        return
    inherited = {column.name: _inherited(column, base.table) for column in base.schema_}
    made = _typed(design, kept, rules)
    origin = {name: rule for rule in followed for name in _makes(rule)}
    columns: list[Column] = []
    for column in made:
        maker = origin.get(column.name)
        if maker is None:
            columns.append(inherited[column.name])
        else:
            told = {"lineage": _derived_lineage(maker, base.table, columns), "description": _formula(maker, column.name)}
            columns.append(column.model_copy(update=told))
    design.tables[kept.table] = kept.model_copy(update={"schema_": columns})


def _refinement(rule: written.EnrichRule | written.DeriveRule) -> Enrichment | Derivation:
    if isinstance(rule, written.DeriveRule):
        return Derivation(rule=rule.id, column=rule.column, expression=rule.expression)
    return Enrichment(rule=rule.id, table=rule.from_, on=rule.on, columns=rule.columns, aggregate=rule.aggregate)


def _makes(rule: Enrichment | Derivation) -> list[str]:
    return [rule.column] if isinstance(rule, Derivation) else list(rule.columns)


def _formula(rule: Enrichment | Derivation, column: str) -> str:
    """How a column is calculated, for people."""
    if isinstance(rule, Derivation):
        return rule.expression
    keys = " and ".join(mine if mine == theirs else f"{mine} = {theirs}" for mine, theirs in rule.on.items())
    return f"{rule.columns[column]} of {rule.table} by {keys}"


def _derived_lineage(rule: Enrichment | Derivation, base: str, known: Sequence[Column]) -> list[str]:
    if isinstance(rule, Enrichment):
        return [f"{rule.table}.{word}" for text in rule.columns.values() for word in dict.fromkeys(_IDENTIFIER.findall(text))][:1]
    by_name = {column.name: column.lineage for column in known}
    return list(dict.fromkeys(place for word in _IDENTIFIER.findall(rule.expression) for place in by_name.get(word, [])))


def _typed(design: Design, table: Table, rules: Sequence[written.BaseRule]) -> list[Column]:
    """The table's columns by a run without rows. Raises DocumentError at the first rule whose expression does not work."""
    try:
        return design.schema_of(table, design.columns())
    except SpectraError as error:
        build = table.build
        if isinstance(build, Refinement):
            for count in range(1, len(build.rules) + 1):
                part = table.model_copy(update={"build": Refinement(rules=build.rules[:count])})
                try:
                    design.schema_of(part, design.columns())
                except SpectraError as first:
                    rule = rules[count - 1]
                    raise DocumentError(f"the rule {rule.id} does not work: {first}", rule.file, rule.line) from None
        place = rules[0] if rules else None
        raise DocumentError(str(error), place.file if place else table.table, place.line if place else None) from None


# ---------------------------------------------------------------- Analyse


def add_measures(design: Design) -> None:
    """A table for each KPI rule. A rule whose tables are not made is left out, with a notice."""
    for rule in _followed(design, written.KpiRule, _kpi_reads):
        build = Kpi(
            rule=rule.id,
            table=rule.from_,
            joins=[Join(table=join.table, on=join.on, columns=join.columns) for join in rule.joins],
            where=rule.where,
            before=rule.before,
            group_by=rule.group_by,
            measures=rule.measures,
            after=rule.after,
            keep=rule.keep,
            order_by=rule.order_by,
            chart=Chart(**rule.chart.model_dump()) if rule.chart else None,
            reconcile=Reconciliation(**rule.reconcile.model_dump()),
        )
        table = Table(
            table=f"analyse.{rule.name}",
            description=rule.description or rule.title,
            inputs=_kpi_reads(rule),
            grain=rule.grain,
            primary_key=[],
            steps=[],
            build=build,
        )
        kept = design.add(design.playbooks.of(Stage.ANALYSE), table)
        if kept is not None:
            how = {**rule.before, **rule.measures, **rule.after}
            columns = [
                column.model_copy(update={"lineage": _kpi_lineage(design, rule, column), "description": how.get(column.name, "")})
                for column in _typed(design, kept, [rule])
            ]
            design.tables[kept.table] = kept.model_copy(update={"schema_": columns, "primary_key": rule.group_by})


def _kpi_reads(rule: written.KpiRule) -> list[str]:
    return list(dict.fromkeys([rule.from_, *(join.table for join in rule.joins), rule.reconcile.table]))


def _kpi_lineage(design: Design, rule: written.KpiRule, column: Column) -> list[str]:
    """Columns of the inputs that a KPI's column is calculated from, through the names it uses on the way."""
    made = {**rule.before, **rule.measures, **rule.after}
    places = {name: f"{rule.from_}.{name}" for name in design.tables[rule.from_].columns}
    places |= {name: f"{join.table}.{name}" for join in rule.joins for name in join.columns}
    found: dict[str, None] = {}
    seen: set[str] = set()

    def follow(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        if name in made:
            for word in _IDENTIFIER.findall(made[name]):
                follow(word)
        elif name in places:
            found[places[name]] = None

    follow(column.name)
    return list(found)
