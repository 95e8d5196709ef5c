"""Finalise's document: `docs/pipelines/<source>.md`, made from the covenant alone, so that equal covenants give equal bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spectra_assets.covenant.build import Extraction, Flattening, Kpi, Refinement
from spectra_assets.covenant.files import replace_text
from spectra_assets.covenant.model import Column, Covenant, StageContract, Table
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


def write_document(project: Path, covenant: Covenant) -> tuple[Path, bool]:
    """Write the document whole or not at all; where it is, and whether it changed. Raises StorageError."""
    file = project / "docs" / "pipelines" / f"{covenant.source}.md"
    return file, replace_text(file, document(covenant), "the pipeline's document")


def document(covenant: Covenant) -> str:
    """The document: purpose, how rows are fetched, lineage, every table with columns and gates, KPIs."""
    return "\n".join(_lines(covenant)).rstrip() + "\n"


def _lines(covenant: Covenant) -> Iterator[str]:
    pipeline = covenant.pipeline
    tables = list(covenant.tables())
    yield f"# {prose(pipeline.title)}: SPECTRA pipeline"
    yield ""
    made_from = f"`covenants/{covenant.source}.yaml`, version {covenant.version}"
    yield f"Written by `solution-engine` from {made_from}. Owner: {prose(pipeline.owner)}."
    yield ""
    yield "## Purpose"
    yield ""
    yield (
        f"Brings the data of {prose(pipeline.title)} into a governed lakehouse: {len(tables)} tables in "
        f"{len(pipeline.stages)} stages, each checked by its gates before it is published."
    )
    yield ""
    yield "| stage | does | tables | playbook |"
    yield "|---|---|---|---|"
    for stage in pipeline.stages:
        playbook = f"[{stage.playbook}](../../playbooks/fabric/pipeline/{stage.playbook})"
        yield f"| {stage.name} | {_PURPOSES[stage.name]} | {len(stage.outputs)} | {playbook} |"
    yield ""
    yield from _fetching(covenant)
    yield from _lineage(covenant)
    yield from _kpis(tables)
    yield from _only_in_clean(tables)
    for stage in pipeline.stages:
        yield from _stage(stage)


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


def _lineage(covenant: Covenant) -> Iterator[str]:
    yield "## Lineage"
    yield ""
    yield "```mermaid"
    yield "graph LR"
    for stage in covenant.pipeline.stages:
        yield f"  subgraph {stage.name}"
        for table in stage.outputs:
            yield f"    {_node(table.table)}[{table.ref.table}]"
        yield "  end"
    for parent, child in sorted(covenant.edges()):
        if not child.startswith("log."):
            yield f"  {_node(parent)} --> {_node(child)}"
    yield "```"
    yield ""


def _node(table: str) -> str:
    return table.replace(".", "_")


def _kpis(tables: list[Table]) -> Iterator[str]:
    measured = [(table, table.build) for table in tables if isinstance(table.build, Kpi)]
    if not measured:
        return
    yield "## KPIs"
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


def _only_in_clean(tables: list[Table]) -> Iterator[str]:
    """The Clean tables that no table of the star is made from, so that nobody looks for them there."""
    read = {name for table in tables if table.ref.schema == "transform" for name in table.inputs}
    left = [table for table in tables if isinstance(table.build, Flattening) and table.table not in read]
    if not read or not left:
        return
    yield "## Only in Clean"
    yield ""
    yield "These tables have no place in the star. A `fact`, `dimension` or `bridge` rule in a playbook gives them one."
    yield ""
    yield "| table | holds | join by |"
    yield "|---|---|---|"
    for table in left:
        to = table.primary_key[:-1] if isinstance(table.build, Flattening) and table.build.array else []
        keys = to or [column.name for column in table.schema_ if column.references]
        yield f"| {table.table} | {prose(table.grain)} | {', '.join(map(code, keys))} |"
    yield ""


def _stage(stage: StageContract) -> Iterator[str]:
    yield f"## Tables of {stage.name}"
    yield ""
    for table in stage.outputs:
        yield f"### {table.table}"
        yield ""
        facts = [_sentence(table.description)]
        if table.grain:
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
