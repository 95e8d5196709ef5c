"""Finalise's document: `docs/pipelines/<source>.md`, made from the covenant alone, so that equal covenants give equal bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spectra_assets.covenant.build import Extraction, Kpi, Refinement
from spectra_assets.covenant.model import Column, Covenant, StageContract, Table
from spectra_assets.draft import replace_text
from spectra_assets.engine.overview import overview
from spectra_assets.names import LOG
from spectra_assets.untrusted import code, prose

_PURPOSES = {
    "source": "connects, proves the credential, catalogues every endpoint",
    "prepare": "samples each entity, proves the dependencies, infers the canon",
    "extract": "fetches every row of every entity",
    "clean": "makes typed flat tables",
    "transform": "builds the star",
    "refine": "adds business meaning",
    "analyse": "measures what people look at",
    "log": "keeps what was delivered, and validates the pipeline",
}

_ARROWS = 300
"""Arrows of one picture at most: those who draw it refuse some 500."""


def write_document(project: Path, covenant: Covenant) -> tuple[Path, bool]:
    """Write the document whole or not at all; where it is, and whether it changed. Raises StorageError."""
    file = project / "docs" / "pipelines" / f"{covenant.source}.md"
    return file, replace_text(file, document(covenant), "the pipeline's document")


def document(covenant: Covenant) -> str:
    """The document: what a reader wants first, then how rows are fetched, lineage, KPIs, every table with columns and gates."""
    return "\n".join(_lines(covenant)).rstrip() + "\n"


def _lines(covenant: Covenant) -> Iterator[str]:
    pipeline = covenant.pipeline
    tables = list(covenant.tables())
    yield f"# {prose(pipeline.title)}: SPECTRA pipeline"
    yield ""
    made_from = f"`covenants/{covenant.source}.yaml`, version {covenant.version}"
    yield f"Written by `solution-engine` from {made_from}. Owner: {prose(pipeline.owner)}."
    yield ""
    yield from overview(covenant)
    yield from _stages(covenant)
    yield from _fetching(covenant)
    yield from _lineage(covenant)
    yield from _kpis(tables)
    for stage in pipeline.stages:
        yield from _stage(stage)


def _stages(covenant: Covenant) -> Iterator[str]:
    yield "## Stages"
    yield ""
    yield "| stage | does | tables | playbook |"
    yield "|---|---|---|---|"
    for stage in covenant.pipeline.stages:
        playbook = f"[{stage.playbook}](../../playbooks/fabric/pipeline/{stage.playbook})"
        yield f"| {stage.name} | {_PURPOSES[stage.name]} | {len(stage.outputs)} | {playbook} |"
    yield ""


def _fetching(covenant: Covenant) -> Iterator[str]:
    yield "## How every row is fetched"
    yield ""
    yield "Proven by Prepare, followed by Extract."
    yield ""
    yield "| entity | request | for each | pages |"
    yield "|---|---|---|---|"
    for fetch in covenant.fetches().values():
        each = (
            f"{code(f'{fetch.parent.entity}.{fetch.parent.path}')} as {code(fetch.parent.parameter)}" if fetch.parent else "once"
        )
        size = getattr(fetch.paging, "size", None)
        pages = "one" if fetch.paging.kind == "none" else f"by {fetch.paging.kind}" + (f", {size} rows" if size else "")
        yield f"| {fetch.entity} | {code(fetch.told)} | {each} | {pages} |"
    yield ""
    marked = [(fetch.entity, fetch.deleted) for fetch in covenant.fetches().values() if fetch.deleted is not None]
    if marked:
        yield "### Deleted records that the API still gives"
        yield ""
        yield "They stay rows of Clean. Their versions in dimensions are closed, and facts and bridges leave them out."
        yield ""
        yield "| entity | deleted if | shown by |"
        yield "|---|---|---|"
        for entity, mark in marked:
            said = f"{code(mark.path)} is {' or '.join(map(code, mark.values))}" if mark.values else f"{code(mark.path)} says so"
            yield f"| {entity} | {said} | {prose(mark.evidence)} |"
        yield ""


def _lineage(covenant: Covenant) -> Iterator[str]:
    """A picture per stage, folded: what its tables are made from."""
    yield "## Lineage"
    yield ""
    yield "What the tables of a stage are made from; `prepare.schema`, which all of Extract and Clean follow, is left out."
    yield ""
    for stage in covenant.pipeline.stages:
        made = {table.table for table in stage.outputs}
        edges = [edge for edge in sorted(covenant.edges()) if edge[1] in made and edge[0] != "prepare.schema"]
        if stage.name == LOG or not edges:
            continue
        yield f"<details><summary>{stage.name}: {len(made)} tables, {len(edges)} arrows</summary>"
        yield ""
        if len(edges) > _ARROWS:
            yield f"Too many to draw; each table [below](#tables-of-{stage.name}) says what it is made from."
        else:
            yield "```mermaid"
            yield "graph LR"
            for name in sorted({name for edge in edges for name in edge}):
                yield f"  {_node(name)}[{name}]"
            yield from (f"  {_node(parent)} --> {_node(child)}" for parent, child in edges)
            yield "```"
        yield ""
        yield "</details>"
        yield ""


def _node(table: str) -> str:
    return table.replace(".", "_")


def _kpis(tables: list[Table]) -> Iterator[str]:
    measured = [(table, table.build) for table in tables if isinstance(table.build, Kpi)]
    if not measured:
        return
    yield "## How the KPIs are calculated"
    yield ""
    for table, build in measured:
        yield f"### {table.ref.table}"
        yield ""
        yield f"{_sentence(table.description)} {_sentence(table.grain + f', from `{build.table}`')}"
        yield ""
        yield "| measure | how |"
        yield "|---|---|"
        for name, expression in {**build.measures, **build.after}.items():
            yield f"| {name} | {code(expression)} |"
        reconcile = build.reconcile
        yield ""
        pairs = {reconcile.expression: reconcile.equals, **reconcile.also}
        equal = "; ".join(f"{code(here)} must equal {code(there)}" for here, there in pairs.items())
        yield f"Reconciled with `{reconcile.table}`: {equal}."
        yield ""


def _stage(stage: StageContract) -> Iterator[str]:
    yield f"## Tables of {stage.name}"
    yield ""
    for table in stage.outputs:
        yield f"### {table.table}"
        yield ""
        facts = [_sentence(table.description)]
        if table.grain and not table.description.lower().startswith(table.grain.lower()):
            facts.append(_sentence(table.grain))
        if table.inputs and stage.name != "log":
            facts.append(f"From {', '.join(f'`{name}`' for name in table.inputs)}.")
        yield " ".join(facts)
        yield ""
        if table.gates:
            yield "Gates: " + ", ".join(f"`{gate.name}` ({gate.severity})" for gate in table.gates) + "."
            yield ""
        yield from _columns(table)


def _columns(table: Table) -> Iterator[str]:
    if isinstance(table.build, Extraction):
        yield "Columns as in every Extract table: the raw record, its hash, its parent, its request."
        yield ""
        return
    yield "| column | type | personal | about |"
    yield "|---|---|---|---|"
    for column in table.schema_:
        key = " (key)" if column.name in table.primary_key else ""
        personal = "" if column.pii == "none" else column.pii
        yield f"| {column.name}{key} | {column.type} | {personal} | {_about(table, column)} |"
    yield ""


def _about(table: Table, column: Column) -> str:
    if column.name in _calculated(table):
        return code(column.description)
    if column.source:
        return " ".join(filter(None, [prose(column.description), "from " + ", ".join(map(code, column.source))]))
    return prose(column.description) or ", ".join(f"`{place}`" for place in column.lineage)


def _calculated(table: Table) -> set[str]:
    """Columns whose description is the formula they are calculated by."""
    if isinstance(table.build, Kpi):
        return {*table.build.before, *table.build.measures, *table.build.after}
    if isinstance(table.build, Refinement):
        return {name for rule in table.build.rules for name in ([rule.column] if rule.kind == "derive" else rule.columns)}
    return set()


def _sentence(text: str) -> str:
    """Prose with a capital letter first and a full stop last."""
    flat = prose(text).rstrip(".")
    return f"{flat[:1].upper()}{flat[1:]}."
