"""What a reader of a pipeline's document wants first: what there is and how fresh, the star as a small picture, what the figures
mean, where personal data are, and what the pipeline does not do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spectra_assets.covenant.build import Bridge, Calendar, Dimension, Enumeration, Extraction, Fact, Flattening, Kpi
from spectra_assets.covenant.model import Covenant, PiiLevel, Severity, Table
from spectra_assets.covenant.outriggers import outriggers
from spectra_assets.names import Stage, lakehouse_name
from spectra_assets.untrusted import code, prose

_ARROWS = 40
"""Arrows of the star's picture at most: a reader sees no more."""


def overview(covenant: Covenant) -> Iterator[str]:
    """The chapters at the head of the document."""
    tables = list(covenant.tables())
    yield from _in_short(covenant, tables)
    yield from _star(tables)
    yield from _kpis(tables)
    yield from _personal(covenant, tables)
    yield from _limits(covenant, tables)


def _in_short(covenant: Covenant, tables: Sequence[Table]) -> Iterator[str]:
    server, source = covenant.pipeline.server, covenant.source
    lists = covenant.fetches()
    changes = [name for name, fetch in lists.items() if fetch.incremental]
    gates = [gate for table in tables for gate in table.gates]
    blocking = sum(gate.severity == Severity.ERROR for gate in gates)
    columns = [column for table in _of(tables, Stage.CLEAN) for column in table.schema_]
    direct, indirect = (sum(column.pii == level for column in columns) for level in (PiiLevel.DIRECT, PiiLevel.INDIRECT))
    sent = f", its credential ({server.auth.kind}) in {code(server.auth.token_env)}" if server.auth.token_env else ""
    asked = f"; only what changed is asked for of {_some(changes)}" if changes else ""
    yield "## In short"
    yield ""
    yield "| | |"
    yield "|---|---|"
    typed, star = len(_of(tables, Stage.CLEAN)), len(_of(tables, Stage.REFINE))
    yield (
        f"| what | {_count(len(lists), 'list')} of {prose(covenant.pipeline.title)}, as {_count(typed, 'typed table')}, "
        f"a star of {_count(star, 'table')} and {_count(len(_measured(tables)), 'KPI')} |"
    )
    yield f"| from | the address in {code(server.base_url_env)}{sent} |"
    yield f"| where | {code(f'<lakehouse>/{lakehouse_name(source)}/Tables/<stage>/<table>')}, Delta tables |"
    yield (
        f"| how fresh | as of the last run ({code('log.runs')}); in Dagster the schedule {code(f'{source}_pipeline_schedule')} "
        f"runs it once it is switched on. A run reads the lists whole{asked} |"
    )
    yield f"| checked by | {_count(len(gates), 'gate')}, of which {blocking} keep a table from being published |"
    yield f"| personal | {_count(direct, 'column')} of Clean name a person, {indirect} more point to one |"
    yield ""


def _star(tables: Sequence[Table]) -> Iterator[str]:
    made = _of(tables, Stage.TRANSFORM)
    calendars = [table.ref.table for table in made if isinstance(table.build, Calendar)]
    arrows = {table.ref.table: _arrows(table, calendars) for table in made if isinstance(table.build, Fact | Bridge)}
    arrows |= {
        table.ref.table: list(dict.fromkeys(each.dimension.ref.table for each in outriggers(table, tables)))
        for table in made
        if isinstance(table.build, Dimension)
    }
    members = {table.ref.table for table in made if isinstance(table.build, Dimension)}
    shown = {table.ref.table: table for table in (*made, *_of(tables, Stage.REFINE))}
    if not shown:
        return
    yield "## The star"
    yield ""
    drawn = 0
    if any(arrows.values()):
        yield "```mermaid"
        yield "graph LR"
        for fact, dimensions in sorted(arrows.items(), key=lambda item: (item[0] in members, -len(item[1]), item[0])):
            if dimensions and drawn + len(dimensions) <= _ARROWS:
                drawn += len(dimensions)
                yield f"  t_{fact}[{fact}]" if fact not in members else f"  t_{fact}([{fact}])"
                yield from (f"  t_{fact} --> t_{dimension}([{dimension}])" for dimension in dimensions)
        yield "```"
        yield ""
    if drawn < sum(map(len, arrows.values())):
        yield f"The picture shows the tables with most keys, {drawn} of {sum(map(len, arrows.values()))} references."
        yield ""
    yield "Read it in `refine`. A key of -1 is the unknown member; dimensions keep history (`validFrom`, `validTo`, `isCurrent`)."
    yield ""
    yield "| table | kind | one row per | refers to |"
    yield "|---|---|---|---|"
    for name, table in shown.items():
        kind = _kind(next(each for each in tables if each.ref.table == name and each.ref.schema == Stage.TRANSFORM))
        grain = prose(table.grain).removeprefix("one row per ")
        yield f"| {name} | {kind} | {grain} | {', '.join(arrows.get(name, ()))} |"
    yield ""


def _arrows(table: Table, calendars: Sequence[str]) -> list[str]:
    build = table.build
    if not isinstance(build, Fact | Bridge):
        return []
    dates = calendars if isinstance(build, Fact) and build.dates else []
    return list(dict.fromkeys([*(reference.dimension for reference in build.references), *dates]))


def _kind(table: Table) -> str:
    kinds = {Fact: "fact", Bridge: "bridge", Dimension: "dimension", Enumeration: "list of values", Calendar: "calendar"}
    return kinds.get(type(table.build), "table")


def _kpis(tables: Sequence[Table]) -> Iterator[str]:
    if not _measured(tables):
        return
    yield "## KPIs"
    yield ""
    yield "Each is reconciled with the fact it is made of; how it is calculated stands [below](#how-the-kpis-are-calculated)."
    yield ""
    yield "| table | means | one row per | figures |"
    yield "|---|---|---|---|"
    for table, build in _measured(tables):
        grain = prose(table.grain).removeprefix("one row per ")
        figures = build.chart.y if build.chart else [*build.measures, *build.after]
        yield f"| analyse.{table.ref.table} | {prose(table.description)} | {grain} | {', '.join(map(code, figures))} |"
    yield ""


def _personal(covenant: Covenant, tables: Sequence[Table]) -> Iterator[str]:
    yield "## Personal data"
    yield ""
    withheld = [f"{code(each.field)} ({each.how})" for each in covenant.pipeline.server.withheld]
    if withheld:
        yield f"Never in the lake, by rules of kind `withhold` or as secrets: {', '.join(withheld)}."
        yield ""
    rows = [(table, [c for c in table.schema_ if c.pii not in (PiiLevel.NONE, PiiLevel.SECRET)]) for table in tables]
    cleaned = [table for table in tables if table.ref.schema == Stage.CLEAN]
    secrets = [code(f"{table.table}.{c.name}") for table in cleaned for c in table.schema_ if c.pii == PiiLevel.SECRET]
    if secrets:
        yield f"By name and value these are secrets, which let in whoever has them: {', '.join(secrets)}. Since they were seen"
        yield "a hash of them is all that is kept, in raw pages too; a rule of kind `pii` with `level: none` keeps one as it is."
        yield ""
    clean = [(table, columns) for table, columns in rows if columns and table.ref.schema == Stage.CLEAN]
    if not clean:
        yield "No column of Clean is marked as personal."
        yield ""
        return
    later = [f"`{table.table}`" for table, columns in rows if columns and table.ref.schema in (Stage.REFINE, Stage.ANALYSE)]
    where = f" They go on into {', '.join(later)}." if later else ""
    kept = "Marked by name and value, and kept as they are, in raw records, recordings and quarantine too"
    yield f"{kept}; a rule of kind `withhold` takes a field away.{where}"
    yield ""
    yield "| table | names a person | points to one |"
    yield "|---|---|---|"
    for table, columns in clean:
        direct, indirect = (
            ", ".join(code(c.name) for c in columns if c.pii == level) for level in (PiiLevel.DIRECT, PiiLevel.INDIRECT)
        )
        yield f"| {table.table} | {direct} | {indirect} |"
    yield ""


def _limits(covenant: Covenant, tables: Sequence[Table]) -> Iterator[str]:
    yield "## Gaps and limits"
    yield ""
    yield "- What the API has and this pipeline does not read stands in `prepare.coverage`, with the reason."
    if covenant.pipeline.server.guessed:
        yield "- Nothing at the API names its lists. They were found by guessing usual names, so there may be more:"
        yield f"  {code('--list /name,/parents/{id}/name')} reads those that you name."
    doubtful = [name for name, fetch in covenant.fetches().items() if fetch.totals == "notCredible"]
    if doubtful:
        yield f"- The number of rows that the API declares is wrong for {_some(doubtful)}, so it proves nothing there."
    searches = [code(f"POST {search.path}") for search in covenant.pipeline.server.searches]
    if searches:
        yield f"- Read by searches that a person allowed: {', '.join(searches)}."
    warning = sorted({gate.name for table in tables for gate in table.gates if gate.severity == Severity.WARN})
    if warning:
        yield f"- These gates only warn: {', '.join(map(code, warning))}."
    read = {name for table in (*_of(tables, Stage.TRANSFORM), *_of(tables, Stage.REFINE)) for name in table.inputs}
    left = [table for table in tables if isinstance(table.build, Flattening) and table.table not in read]
    if not read or not left:
        yield ""
        return
    yield "- These tables are only in Clean; a `fact`, `dimension` or `bridge` rule in a playbook gives them a place in the star."
    yield ""
    yield "| table | holds | join by |"
    yield "|---|---|---|"
    for table in left:
        to = table.primary_key[:-1] if isinstance(table.build, Flattening) and table.build.array else []
        keys = to or [column.name for column in table.schema_ if column.references]
        yield f"| {table.table} | {prose(table.grain)} | {', '.join(map(code, keys))} |"
    yield ""


def _of(tables: Sequence[Table], stage: Stage) -> list[Table]:
    return [table for table in tables if table.ref.schema == stage and not isinstance(table.build, Extraction)]


def _measured(tables: Sequence[Table]) -> list[tuple[Table, Kpi]]:
    return [(table, table.build) for table in tables if isinstance(table.build, Kpi)]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _some(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
