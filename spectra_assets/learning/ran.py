"""What ran beside what should have run, by the manifest and the ledger of one run.

`steps_ran`: a step of the playbook that a table of the run was made without. `requests_steady`: requests that were answered at a
later try only. `rows_accepted`: rows that were set aside although no gate objected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spectra_assets.covenant.build import Extraction
from spectra_assets.covenant.design import applies
from spectra_assets.covenant.model import Covenant, Table
from spectra_assets.lakehouse import quarantine
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from spectra_assets.playbook.model import Playbooks
from spectra_assets.stages.actions import ACTIONS
from spectra_assets.stages.log import waiting

Row = Mapping[str, Any]
Sample = tuple[dict[str, Any], ...]

_RETRIED, _SHARE = 3, 0.1
"""Requests of one endpoint in a run that needed several tries, and their share, from which it counts as unsteady."""

_DONE = ("published", "unchanged")
_TOLD = 5
_TOO_MANY = 429


def steps_ran(covenant: Covenant, playbooks: Playbooks, attempts: Sequence[Row]) -> Iterator[tuple[str, Sample]]:
    """First table of each stage that ran → the steps that its playbook has for tables of the run, and that these were made
    without: what ran is what their covenant says."""
    ran = [covenant.table(row["table"]) for row in attempts if row["covenantVersion"] == covenant.version]
    stages: dict[str, list[Any]] = {}
    for table in ran:
        stages.setdefault(table.ref.schema, []).append(table)
    for stage, tables in stages.items():
        missing: dict[str, list[str]] = {}
        for table in tables:
            for step in playbooks.of(stage).steps_of(table.table):
                if applies(ACTIONS[step.action].kinds, table.build.kind) and step.action not in table.steps:
                    missing.setdefault(step.action, []).append(table.table)
        yield tables[0].table, tuple({"step": step, "tables": ", ".join(names)[:400]} for step, names in missing.items())


def requests_steady(lakehouse: Lakehouse, run_id: str) -> Iterator[tuple[str, Sample]]:
    """Table → its endpoints of which many requests were answered at a later try only. What came too fast is not among them."""
    for record in waiting(lakehouse):
        if record["manifest"]["runId"] != run_id or not record["requests"]:
            continue
        asked, again, tries = Counter[str](), Counter[str](), Counter[str]()
        for request in record["requests"]:
            path = str(request["path"])
            asked[path] += 1
            if (request.get("attempts") or 1) > 1 and request.get("status") != _TOO_MANY:
                again[path] += 1
                tries[path] = max(tries[path], int(request["attempts"]))
        unsteady = [path for path, count in again.items() if count >= _RETRIED and count >= _SHARE * asked[path]]
        yield (
            record["manifest"]["table"],
            tuple(
                {"path": path, "retried": again[path], "asked": asked[path], "tries": tries[path]} for path in sorted(unsteady)
            ),
        )


def rows_accepted(lakehouse: Lakehouse, covenant: Covenant, attempts: Sequence[Row]) -> Iterator[tuple[str, Sample]]:
    """Published table → how many of its rows were set aside, and why; without those of which a person said that they are."""
    lawful = {table.table: table.primary_key for table in covenant.tables() if _sets_aside(covenant, table)}
    for row in attempts:
        if row["status"] not in _DONE:
            continue
        name, aside = row["table"], row.get("quarantined") or 0
        known = {f"required_present:{column}" for column in lawful.get(name, ())}
        rows = quarantine.rows(lakehouse, TableRef.parse(name)) if aside else ()
        reasons = [{reason.rpartition(".")[2] for reason in each.reasons} for each in rows]
        told = Counter(reason for each in reasons if not known.issuperset(each) for reason in each)
        aside -= sum(known.issuperset(each) for each in reasons)
        why = ", ".join(f"{reason} {count}" for reason, count in told.most_common(_TOLD)) or "for no reason that is known"
        yield name, ({"table": name, "setAside": aside, "rowsIn": row.get("rowsIn"), "why": why},) if aside else ()


def _sets_aside(covenant: Covenant, table: Table) -> bool:
    """Whether a rule says that records of the table without their key are set aside."""
    builds = [each.build for each in covenant.tables() if each.entity == table.entity]
    return any(isinstance(build, Extraction) and build.fetch.keyless == "aside" for build in builds)
