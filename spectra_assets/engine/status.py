"""Health of every table of the pipelines, from covenant and lakehouse alone; no Dagster needed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from spectra_assets.covenant.files import covenant_files, read, read_of
from spectra_assets.covenant.model import Covenant
from spectra_assets.discovery.discover import MORE
from spectra_assets.engine.leftover import left_over
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.learning.lesson import read_all
from spectra_assets.names import TableRef
from spectra_assets.settings import Settings
from spectra_assets.stages.log import latest_attempts


def health(settings: Settings, source: str | None = None) -> list[dict[str, Any]]:
    """One entry per pipeline with one per table. Raises RequestError for a source without covenant."""
    if source is not None:
        return [_pipeline(settings, read_of(settings.covenants, source))]
    return [_pipeline(settings, read(file)) for file in covenant_files(settings.covenants, settings.sources)]


def _pipeline(settings: Settings, covenant: Covenant) -> dict[str, Any]:
    lakehouse = Lakehouse(settings.lakehouse_root, covenant.source)
    latest = latest_attempts(lakehouse)
    tables = []
    for table in covenant.tables():
        entry: dict[str, Any] = {"table": table.table, "delivered": lakehouse.exists(table.ref)}
        if entry["delivered"]:
            state = lakehouse.describe(table.ref)
            entry |= {"rows": state.rows, "version": state.version, "written_at": state.written_at.isoformat()}
            entry["covenant_version"] = state.metadata.get("spectra.covenant_version")
        attempt = latest.get(table.table)
        if attempt:
            entry |= {"last_attempt": attempt["status"], "gates_failed": attempt["gatesFailed"], "error": attempt["error"]}
        tables.append(entry)
    return {
        "source": covenant.source,
        "title": covenant.pipeline.title,
        "covenant_version": covenant.version,
        "lakehouse": f"{lakehouse.root}/{lakehouse.name}",
        "tables": tables,
        "left_over": [str(ref) for ref in left_over(covenant, lakehouse)],
        "coverage": covered(lakehouse, covenant.pipeline.server.guessed),
        "open_lessons": [lesson.id for lesson in read_all(settings.lessons, covenant.source) if lesson.open or lesson.waits],
    }


def covered(lakehouse: Lakehouse, guessed: bool = False, most: int = 6) -> str:
    """`prepare.coverage` in a line: endpoints by disposition, gaps by name, and whether lists were `guessed`; empty before it is
    delivered."""
    ref = TableRef.parse("prepare.coverage")
    if not lakehouse.exists(ref):
        return ""
    rows = lakehouse.read(ref, ["kind", "name", "disposition"]).to_pylist()
    counts = Counter(row["disposition"] for row in rows if row["kind"] == "endpoint")
    gaps = sorted(row["name"] for row in rows if row["disposition"] == "gap")
    named = ", ".join(gaps[:most]) + (f" and {len(gaps) - most} more, in prepare.coverage" if len(gaps) > most else "")
    parts = [f"{count} {disposition}" for disposition, count in sorted(counts.items()) if disposition != "gap"]
    none = "no gap known" if guessed else "no gap"
    told = f"{len(gaps)} gap{'' if len(gaps) == 1 else 's'}: {named}" if gaps else none
    more = f"; found by guessing usual names: {MORE}" if guessed else ""
    return f"endpoints: {', '.join([*parts, told])}{more}"


def status_text(pipelines: list[dict[str, Any]]) -> str:
    """The same for a person."""
    lines = []
    for pipeline in pipelines:
        lines.append(
            f"{pipeline['title']} ({pipeline['source']}), covenant {pipeline['covenant_version']}, {pipeline['lakehouse']}"
        )
        width = max(len(table["table"]) for table in pipeline["tables"])
        for table in pipeline["tables"]:
            if not table["delivered"]:
                lines.append(f"  {table['table']:<{width}}  not delivered yet{_trouble(table)}")
                continue
            age = _age(datetime.fromisoformat(table["written_at"]))
            failed = "".join(f"  ✗ {gate}" for gate in table.get("gates_failed") or [])
            lines.append(
                f"  {table['table']:<{width}}  {table['rows']:>12,} rows  version {table['version']:<4} changed {age}{failed}"
            )
        if pipeline["coverage"]:
            lines.append(f"  coverage: {pipeline['coverage']}")
        advice = f"left over, no longer made; solution-engine retire {pipeline['source']}"
        lines += [f"  {name}: {advice}" for name in pipeline["left_over"]]
        lines += [f"  lesson: {lesson}" for lesson in pipeline["open_lessons"]]
    return "\n".join(lines) or 'no pipelines yet: solution-engine run "create SPECTRA pipeline for <source>"'


def _trouble(table: dict[str, Any]) -> str:
    """What the last attempt failed by, if it did."""
    if table.get("last_attempt") not in ("blocked", "failed"):
        return "".join(f"  ! {gate}" for gate in table.get("gates_failed") or [])
    gates = "".join(f" ✗ {gate}" for gate in table["gates_failed"] or [])
    return f"  last attempt {table['last_attempt']}{gates}"


def _age(instant: datetime) -> str:
    minutes = int((datetime.now(UTC) - instant).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 120:
        return f"{minutes} minutes ago"
    return f"{minutes // 60} hours ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"
