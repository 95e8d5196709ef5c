"""What the Dagster UI shows of a table: columns, lineage, places in playbook and covenant, what a run delivered."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from spectra_assets.covenant.files import covenant_file
from spectra_assets.covenant.model import Covenant, PiiLevel, Table
from spectra_assets.gates.judgement import Result
from spectra_assets.lakehouse.types import ddl
from spectra_assets.settings import Settings
from spectra_assets.stages.deliver import Delivery
from spectra_assets.untrusted import prose

_SAMPLE_CELL = 120
_LINEAGE_ROWS = 200


def definition_metadata(covenant: Covenant, table: Table, settings: Settings, line: int) -> dict[str, Any]:
    """Metadata of the asset itself; `line` is where its table stands in the covenant's file."""
    stage = covenant.stage_of(table)
    playbook = settings.playbooks / "fabric" / "pipeline" / stage.playbook
    file = covenant_file(settings.covenants, covenant.source)
    return {
        "dagster/table_name": f"{covenant.source}.{table.table}",
        "dagster/column_schema": column_schema(table),
        "playbook": dg.MetadataValue.path(str(playbook)),
        "steps": dg.MetadataValue.md("\n".join(f"1. `{step}`" for step in table.steps)),
        "covenant version": covenant.version,
        **_codes(playbook, file, line),
        **({"grain": table.grain} if table.grain else {}),
    }


def column_schema(table: Table) -> dg.TableSchema:
    """The covenant's columns."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=ddl(column.type),
                description=prose(column.description) or None,
                constraints=dg.TableColumnConstraints(nullable=not column.required, unique=table.primary_key == [column.name]),
                tags={"pii": str(column.pii)} if column.pii != PiiLevel.NONE else None,
            )
            for column in table.schema_
        ]
    )


def _codes(playbook: Path, covenant: Path, line: int) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # the one way to name the files behind an asset
        references = [
            dg.LocalFileCodeReference(file_path=str(covenant), line_number=line, label="covenant"),
            dg.LocalFileCodeReference(file_path=str(playbook), label="playbook"),
        ]
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references)}


def delivered_metadata(delivery: Delivery) -> dict[str, Any]:
    """Metadata of one materialisation, once published."""
    published, staged, table = delivery.published, delivery.staged, delivery.work.table
    assert published is not None  # noqa: S101 (a programmer's error, not an input's)
    assert staged is not None  # noqa: S101
    path = delivery.work.lakehouse.path(table.ref)
    counts = staged.counts()
    shown: dict[str, Any] = {
        **_notes(delivery.draft.notes),
        "dagster/row_count": published.rows,
        "dagster/uri": path,
        "path": dg.MetadataValue.path(path),
        "delta version": published.version,
        "unchanged": not published.changed,
        "covenant version": delivery.work.covenant.version,
    }
    if counts.rejected:
        shown["rows in quarantine"] = counts.rejected
    if counts.duplicates:
        shown["repeated rows left out"] = counts.duplicates
    lineage = column_lineage(delivery.work.covenant, table)
    if lineage:
        shown["dagster/column_lineage"] = dg.TableColumnLineage(lineage)
        shown["column lineage"] = dg.MetadataValue.md(_lineage_text(lineage))
    return shown


def column_lineage(covenant: Covenant, table: Table) -> dict[str, list[dg.TableColumnDep]]:
    """Where each column comes from, as far as it is known."""
    lineage = {}
    for column in table.schema_:
        deps = []
        for place in column.lineage:
            stage, name, origin = place.split(".", 2)
            deps.append(dg.TableColumnDep(asset_key=dg.AssetKey([covenant.source, stage, name]), column_name=origin))
        if deps:
            lineage[column.name] = deps
    return lineage


def _lineage_text(lineage: Mapping[str, list[dg.TableColumnDep]]) -> str:
    rows = [
        f"| {name} | {', '.join(f'`{dep.asset_key.to_user_string()}` {dep.column_name}' for dep in deps)} |"
        for name, deps in list(lineage.items())[:_LINEAGE_ROWS]
    ]
    return "\n".join(["| column | comes from |", "|---|---|", *rows])


def _notes(notes: Mapping[str, Any]) -> dict[str, Any]:
    """What the actions noted: numbers and texts as they are, a chart (SVG text) as a picture."""
    shown: dict[str, Any] = {}
    for name, value in notes.items():
        if name == "chart":
            shown["chart"] = dg.MetadataValue.md(picture(str(value)))
        elif isinstance(value, (bool, int, float)):
            shown[name] = value
        else:
            shown[name] = str(value)[:2000]
    return shown


def picture(svg: str) -> str:
    """An SVG as Markdown that Dagster draws."""
    import base64

    return f"![chart](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def check_metadata(result: Result, covenant_version: str) -> dict[str, Any]:
    """Metadata of one gate's evaluation: counts, and rows that broke it, personal data masked."""
    shown: dict[str, Any] = {
        "failed rows": result.failed,
        "rows": result.total,
        "rule": result.rule_id,
        "covenant version": covenant_version,
    }
    if result.sample:
        names = list(dict.fromkeys(name for row in result.sample for name in row))
        records = [dg.TableRecord({name: _cell(row.get(name)) for name in names}) for row in result.sample]
        schema = dg.TableSchema(columns=[dg.TableColumn(name=name, type="string") for name in names])
        shown["examples"] = dg.MetadataValue.table(records=records, schema=schema)
    return shown


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _SAMPLE_CELL else text[: _SAMPLE_CELL - 1] + "…"
