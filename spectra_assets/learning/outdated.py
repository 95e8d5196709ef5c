"""The covenant against what Prepare found since: where following it gives data that pass every gate and are not whole.

Each check gives the tables it looked at, each with what is otherwise, in the form of a gate's sample rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from spectra_assets.covenant.access import Fetch, NoPaging, Paging
from spectra_assets.covenant.build import Extraction, Flattening
from spectra_assets.covenant.canon import from_rows
from spectra_assets.covenant.model import Covenant, DataType
from spectra_assets.lakehouse.raw import Attempts
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from spectra_assets.playbook.model import Playbooks
from spectra_assets.stages.rulings import ruled_fetch

Judged = tuple[str, tuple[dict[str, Any], ...]]

_REFUTED = ("ignored", "contradicted")
"""Verdicts of Prepare by which a route must not be followed."""

_SURE = 0.9
"""How sure Prepare must be of how a list pages."""


def plan_holds(lakehouse: Lakehouse, covenant: Covenant, playbooks: Playbooks, tables: Collection[str]) -> Iterator[Judged]:
    """Whether each entity is extracted by a route that Prepare did not refute, and paged as it proved last."""
    mine = [(table.table, table.build.fetch) for table in covenant.tables() if isinstance(table.build, Extraction)]
    routes, constraints = _rows(lakehouse, "prepare.dependencies"), _rows(lakehouse, "prepare.constraints")
    sure = {row["path"] for row in constraints if row["constraint"] == "paging" and (row["confidence"] or 0) >= _SURE}
    for table, plan in mine if routes and constraints else ():
        if table not in tables:
            continue
        tried = [row for row in routes if row["entity"] == plan.entity]
        sample = [
            {"entity": plan.entity, "aspect": "route", "path": row["path"], "finding": _finding(row)}
            for row in tried
            if row["verdict"] in _REFUTED and not row["chosen"] and _is_route(row, plan)
        ]
        chosen = next((Fetch.model_validate_json(row["fetch"]) for row in tried if row["chosen"] and row["fetch"]), None)
        found = ruled_fetch(chosen, playbooks, covenant.source) if chosen is not None else plan
        if found.path == plan.path and plan.path in sure and _pages_otherwise(found.paging, plan.paging):
            told = f"it pages by {found.paging.kind} now, and is read by {plan.paging.kind}"
            sample.append({"entity": plan.entity, "aspect": "paging", "path": plan.path, "finding": told})
        yield table, tuple(sample)


def times_kept(lakehouse: Lakehouse, covenant: Covenant, tables: Collection[str]) -> Iterator[Judged]:
    """Whether what Prepare knows as an instant is kept as one: as a day it loses its time."""
    mine = [table for table in covenant.tables() if table.table in tables and isinstance(table.build, Flattening)]
    rows = _rows(lakehouse, "prepare.schema") if mine else []
    canon = {entity.entity: entity for entity in from_rows(rows).entities}
    for table in mine if rows else ():
        known = canon.get(table.entity or "")
        instants = {field.raw for field in known.fields if field.type == DataType.TIMESTAMP} if known else set()
        yield (
            table.table,
            tuple(
                {"column": column.name, "expected": "date", "found": "timestamp"}
                for column in table.schema_
                if column.type == DataType.DATE and instants.intersection(column.source)
            ),
        )


def refusals_stand(lakehouse: Lakehouse, covenant: Covenant, tables: Collection[str]) -> Iterator[Judged]:
    """Whether each list that a rule lets be refused still is: one that is read again needs no rule."""
    for table in covenant.tables():
        plan = table.build.fetch if isinstance(table.build, Extraction) else None
        if plan is None or not plan.refused or table.table not in tables:
            continue
        attempt = Attempts(lakehouse, plan.entity).complete()
        again = attempt[1].evidence.get("extraction", {}).get("readAgain", ()) if attempt is not None else ()
        yield table.table, tuple({"entity": plan.entity, "parent": parent} for parent in again if parent in plan.refused)


def _rows(lakehouse: Lakehouse, name: str) -> list[dict[str, Any]]:
    ref = TableRef.parse(name)
    return list(lakehouse.read(ref).to_pylist()) if lakehouse.exists(ref) else []


def _finding(row: Mapping[str, Any]) -> str:
    return f"{row['verdict']}: {row['evidence']}"[:300]


def _is_route(row: Mapping[str, Any], plan: Fetch) -> bool:
    """Whether a candidate of `prepare.dependencies` is the route of the plan."""
    parent = plan.parent
    mine = (plan.path, parent.parameter if parent else None, parent.entity if parent else None)
    return mine == (row["path"], row["parameter"], row["parentEntity"])


def _pages_otherwise(found: Paging, promised: Paging) -> bool:
    """Whether a list that has further pages tells them another way. Sizes don't matter, nor that there is one page now."""
    if isinstance(found, NoPaging):
        return False
    sizes = {"size", "size_param"}
    return found.model_dump(exclude=sizes) != promised.model_dump(exclude=sizes)
